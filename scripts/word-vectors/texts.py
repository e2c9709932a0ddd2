"""Cuts documentation into short texts for training.

    python texts.py PACKAGES_DIR README_DIR OUT.jsonl

PACKAGES_DIR holds one folder per unpacked Debian package, README_DIR npm packages. Each line of OUT is
{"source", "head", "text"}: a heading path and up to about 60 words below it. Nothing of the documents that the
project is measured on may come in: see EXCLUDED.
"""

import gzip
import json
import random
import re
import sys
from pathlib import Path

from lxml import etree, html

EXCLUDED = re.compile(r"fastify|undici|pino|ioredis|find-my-way|postgres|debian-faq|(^|[/_.-])git([/_.-]|$)|gitweb|github", re.I)
# Lists of names rather than prose.
DULL = re.compile(r"genindex|py-modindex|/_modules/|/_sources/|copyright|changelog|/search\.html|LICENSE|whatsnew|/releases?/|-de\.|\.(de|fr|es|it|ja|pt|pt-br|ru|zh-cn|tr|pl|ko|da)\.(html|utf8)|/(de|fr|es|it|ja|pt-BR|ru|zh-CN|zh-TW|tr|pl|ko|da|nb-NO|id-ID|ar-MA|el-GR|fa-IR|hr-HR|pt-PT|ro-RO|sv-SE|vi-VN|uk|uk-UA|cs-CZ|de-DE|es-ES|fr-FR|it-IT|ja-JP|ko-KR|nl-NL|pl-PL|ru-RU|tr-TR|da-DK)/", re.I)
WORDS_PER_TEXT, WORDS_LEAST = 60, 6
PER_PACKAGE, PER_FILE = 2600, 60
MORE = {
    "python3.11-doc": 8000, "sqlite3-doc": 6000, "apache2-doc": 5000, "python-django-doc": 6000, "nodejs-doc": 4000,
    "python-sqlalchemy-doc": 4000, "debian-handbook": 5000, "linux-doc-6.1": 6000, "npm": 4000, "manpages-dev": 3000,
    "manpages": 2600, "cmake-doc": 1500, "erlang-doc": 3500, "python-pandas-doc": 2600, "perl-doc": 4000,
    "wordnet-base": 45000, "dict-foldoc": 9000,
}
SENTENCE_END = re.compile(r"(?<=[.!?:;])\s+(?=[A-Z\"'(`])")
HEADINGS = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6}
BLOCKS = {"p", "dd", "li", "td", "dt", "blockquote"}
DROPPED = {"script", "style", "pre", "nav", "header", "footer", "head", "form", "svg"}


def plain(text):
    return re.sub(r"[\s¶]+", " ", text).strip()


def blocks_of_html(raw):
    """Yields (heading level or 0, text), in order."""
    try:
        root = html.document_fromstring(raw)
    except (etree.ParserError, ValueError):
        return
    for node in list(root.iter()):
        if not isinstance(node.tag, str) or node.tag in DROPPED or re.search("sidebar|navbar|footer|related|toctree|breadcrumb", node.get("class") or ""):
            if node.getparent() is not None and node is not root and node.tag != "body":
                node.drop_tree()
    for node in root.iter():
        if node.tag in HEADINGS:
            yield HEADINGS[node.tag], plain(node.text_content())
        elif node.tag in BLOCKS and not any(child.tag in BLOCKS for child in node.iterdescendants()):
            yield 0, plain(node.text_content())


def blocks_of_roff(text):
    text = re.sub(r"\\f.|\\s[-+]?\d|\\[&|^/,:)]|\\\*\([LR]q", "", text)
    text = re.sub(r"\\-|\\\(en|\\\(hy", "-", text)
    text = re.sub(r"\\\(em", " - ", text)
    text = re.sub(r"\\\((?:aq|dq|oq|cq|lq|rq)|\\e", "'", text)
    text = re.sub(r"\\.", " ", text)
    lines, verbatim = [], False
    for line in text.split("\n"):
        macro = re.match(r"[.']\s*(\w+)\s*(.*)", line)
        if macro is None:
            if not verbatim and not line.startswith((".", "'\\")):
                lines.append(line)
            continue
        name, rest = macro[1], macro[2].replace('"', "")
        if name in ("nf", "EX", "TS", "Bd"):
            verbatim = True
        elif name in ("fi", "EE", "TE", "Ed"):
            verbatim = False
        if name in ("SH", "SS", "Sh", "Ss"):
            yield 0, plain(" ".join(lines))
            lines = []
            yield (1 if name[1].upper() == "H" else 2), plain(rest.capitalize())
        elif name in ("PP", "TP", "P", "LP", "IP", "Pp", "It", "sp", "HP"):
            yield 0, plain(" ".join(lines))
            lines = [re.sub(r"\b(?:Fl|Ar|Cm|Ic) ", "", rest)] if name == "It" else []
        elif name in ("B", "I", "BR", "IR", "BI", "IB", "RB", "RI", "Nm", "Xr", "Cm", "Ar", "Fl", "Pa", "Dq", "Nd"):
            lines.append(rest)
    yield 0, plain(" ".join(lines))


def blocks_of_text(text, marked):
    """Markdown, reStructuredText, pod and plain text: paragraphs parted by blank lines."""
    text = re.sub(r"^(```|~~~).*?^\1", "\n", text, flags=re.S | re.M)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)|<[^>]{1,80}>", r"\1", text)
    for part in re.split(r"\n\s*\n", text):
        heading = re.match(r"(#{1,6})\s+(.+)", part) or re.match(r"=head(\d)\s+(.+)", part)
        underlined = re.match(r"([^\n]{3,80})\n[=~\-*^]{3,}\s*$", part)
        if heading:
            yield (int(heading[1]) if heading[1].isdigit() else len(heading[1])), plain(heading[2])
            part = part[heading.end() :]
        elif underlined:
            yield 2, plain(underlined[1])
            continue
        if marked and part.startswith(("    ", "\t")):
            continue
        yield 0, plain(re.sub(r"[`*_|]{1,3}|^\s*[-*+] |[A-Z]<+([^>]*)>+", r" \1 ", part, flags=re.M))


def is_prose(text):
    words = re.findall(r"[A-Za-z]{2,}", text)
    return len(words) >= WORDS_LEAST and sum(map(len, words)) > 0.6 * len(text.replace(" ", "")) and re.search(r"\b(the|a|is|to|of|and|you|for|in)\b", text)


def cut(text):
    """Sentences put together up to WORDS_PER_TEXT words."""
    group, size = [], 0
    for sentence in SENTENCE_END.split(text):
        count = sentence.count(" ") + 1
        if group and size + count > WORDS_PER_TEXT:
            yield " ".join(group)
            group, size = [], 0
        group.append(sentence)
        size += count
    if group:
        yield " ".join(" ".join(group).split(" ")[: 2 * WORDS_PER_TEXT])


def texts_of(blocks):
    path, waiting = {}, ""
    for level, text in [*blocks, (9, "")]:
        if level == 0 and len(waiting) + len(text) < 400:
            waiting = f"{waiting} {text}".strip()
            continue
        head = " - ".join(path[k] for k in sorted(path)[-2:])
        if is_prose(waiting):
            for piece in cut(waiting):
                if is_prose(piece):
                    yield head, piece
        waiting = text if level == 0 else ""
        if level:
            path = {k: v for k, v in path.items() if k < level}
            path[level] = re.sub(r"^[\d.]+\s+|#$", "", text)[:120]


def read(file):
    opened = gzip.open(file, "rb") if file.suffix == ".gz" else open(file, "rb")
    with opened as stream:
        return stream.read(3_000_000).decode("utf-8", "replace")


def blocks_of(file):
    name = file.name.removesuffix(".gz")
    if re.search(r"\.html?(\.en)?$|\.en\.html$", name):
        return blocks_of_html(read(file))
    if re.search(r"/man/man\d/", str(file)):
        return blocks_of_roff(read(file))
    if re.search(r"\.(txt|rst|md|markdown|pod|en\.txt)$", name, re.I):
        return blocks_of_text(read(file), not name.endswith(".txt"))
    return ()


def wordnet(folder):
    """A definition with its words, and each example sentence."""
    for file in sorted(folder.glob("data.*")):
        for line in file.read_text("latin-1").split("\n"):
            if line.startswith("  ") or "|" not in line:
                continue
            fields, gloss = line.split("|", 1)
            fields = fields.split(" ")
            count = int(fields[3], 16)
            words = [re.sub(r"\(.*\)", "", w).replace("_", " ") for w in fields[4 : 4 + 2 * count : 2]]
            if words[0][0].isupper():
                continue  # people, places, species
            definition = re.sub(r';?\s*"[^"]*"', "", gloss).strip(" ;")
            yield ", ".join(words), definition
            for example in re.findall(r'"([^"]{20,})"', gloss):
                yield "", example


def foldoc(file):
    entries = re.split(r"\n(?=\S)", gzip.open(file, "rb").read().decode("utf-8", "replace"))
    for entry in entries:
        name, _, body = entry.partition("\n")
        body = plain(re.sub(r"[{}]|<[^>]*>", "", body))
        if len(name) < 40 and is_prose(body) and not EXCLUDED.search(name):
            yield name, next(cut(body))


def package_texts(folder, rng):
    found = []
    files = sorted(f for f in folder.rglob("*") if f.is_file() and not f.is_symlink())
    for file in files:
        place = str(file.relative_to(folder.parent))
        if EXCLUDED.search(place) or DULL.search(place):
            continue
        here = list(texts_of(blocks_of(file)))
        found.extend(rng.sample(here, PER_FILE) if len(here) > PER_FILE else here)
    return found


def main(packages, readmes, out):
    rng = random.Random(7)
    seen = set()
    with open(out, "w") as stream:
        for folder in sorted(p for p in packages.iterdir() if p.is_dir()):
            if folder.name == "wordnet-base":
                found = list(wordnet(folder / "usr/share/wordnet"))
            elif folder.name == "dict-foldoc":
                found = list(foldoc(folder / "usr/share/dictd/foldoc.dict.dz"))
            else:
                found = package_texts(folder, rng)
            count = write(stream, folder.name, found, rng, seen)
            print(folder.name, len(found), count, flush=True)
        found = []
        for file in sorted(readmes.rglob("*")):
            if file.name.lower() == "readme.md" and not EXCLUDED.search(str(file.relative_to(readmes))):
                found.extend(list(texts_of(blocks_of(file)))[:PER_FILE])
        print("npm", len(found), write(stream, "npm", found, rng, seen))


def write(stream, source, found, rng, seen):
    rng.shuffle(found)
    limit = MORE.get(source, PER_PACKAGE)
    count = 0
    for head, text in found:
        if count == limit or text in seen:
            continue
        seen.add(text)
        stream.write(json.dumps({"source": source, "head": head, "text": text}, ensure_ascii=False) + "\n")
        count += 1
    return count


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*map(Path, sys.argv[1:]))
