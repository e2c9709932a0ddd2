"""How many development questions have all their phrases in the first passages, by ranker.

    python evaluate.py DEV.json TABLE.bin [TEACHER.npz]

DEV.json comes from dump-passages.ts.
"""

import json
import re
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from table import read_table
from words import rows

DEPTHS = (8, 20, 50)


def readable(text):
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r"\s+", " ", re.sub(r"[`*_\\]", "", text)).lower()


def unit(x):
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-9)


def fused(*rankings, k=60):
    """Reciprocal rank fusion."""
    score = defaultdict(float)
    for ranking in rankings:
        for place, item in enumerate(ranking):
            score[item] += 1 / (k + place)
    return sorted(score, key=lambda item: -score[item])


class Questions:
    def __init__(self, file):
        data = json.loads(Path(file).read_text())
        self.questions, self.passages = data["questions"], data["passages"]
        self.readable = {name: [readable(p["text"]) for p in ps] for name, ps in self.passages.items()}
        self.plain = []
        for q in self.questions:
            number = {(p["title"], p["text"]): i for i, p in reversed(list(enumerate(self.passages[q["index"]])))}
            self.plain.append([number[(h["title"], h["text"])] for h in q["plain"]])

    def depth(self, q, ranking):
        """How many passages it takes to have a phrase of every aspect; infinity when 50 do not."""
        texts = self.readable[q["index"]]
        left = [[readable(p) for p in phrases] for phrases in q["expect"]]
        for place, i in enumerate(ranking[: DEPTHS[-1]]):
            left = [phrases for phrases in left if not any(p in texts[i] for p in phrases)]
            if not left:
                return place + 1
        return np.inf

    def table(self, name, rank):
        depths = [self.depth(q, rank(n, q)) for n, q in enumerate(self.questions)]
        found = [sum(d <= k for d in depths) for k in DEPTHS]
        words = [sum(d <= k for d, q in zip(depths, self.questions) if q["kind"] == "reworded") for k in DEPTHS]
        print(f"{name:24} {found}  reworded {words}", flush=True)
        return depths


def passage_text(p, parts):
    chosen = {"t": p["title"], "h": " ".join(p["headings"]), "b": p["text"]}
    return " ".join(chosen[part] for part in parts)


def vectors_of(questions, words, u, parts="thb"):
    index = {w: i for i, w in enumerate(words)}
    texts = {name: [passage_text(p, parts) for p in ps] for name, ps in questions.passages.items()}
    texts["q"] = [q["question"] for q in questions.questions]
    out = {}
    for name, group in texts.items():
        e = np.zeros((len(group), u.shape[1]), np.float32)
        for i, text in enumerate(group):
            found = rows(text, index)
            if found:
                e[i] = u[found].sum(0)
        out[name] = unit(e)
    return out


def by_cosine(vectors):
    def rank(n, q):
        return [int(i) for i in np.argsort(-(vectors[q["index"]] @ vectors["q"][n]), kind="stable")[:100]]
    return rank


def main(dev, table, teacher=None):
    questions = Questions(dev)
    all_depths = {"BM25": questions.table("BM25", lambda n, q: questions.plain[n])}
    words, u = read_table(table)
    for parts in ("b", "hb", "thb"):
        cosine = by_cosine(vectors_of(questions, words, u, parts))
        all_depths["static"] = questions.table(f"static {parts}", cosine)
        all_depths["fusion"] = questions.table(f"fusion {parts}", lambda n, q: fused(questions.plain[n], cosine(n, q)))
    if teacher:
        best = by_cosine(dict(np.load(teacher)))
        all_depths["teacher"] = questions.table("teacher", best)
        questions.table("teacher + BM25", lambda n, q: fused(questions.plain[n], best(n, q)))
    for n, q in enumerate(questions.questions):
        print(q["id"], q["kind"][:5], {k: d[n] for k, d in all_depths.items()}, q["question"][:70])


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
