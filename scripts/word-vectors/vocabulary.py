"""Chooses the words of the table.

    python vocabulary.py TEXTS.jsonl SCOWL_DIR SIZE OUT.txt

A word's worth is the logarithm of the number of texts that hold it, dictionary entries counting a quarter, raised for common English words (SCOWL sizes 10
to 35), so that everyday words of questions are known even where no manual uses them.
"""

import json
import math
import sys
from collections import Counter, defaultdict
from pathlib import Path

from words import WORD, pieces

BONUS = {"10": 7.0, "20": 4.5, "35": 2.2, "40": 1.2, "50": 0.8}


def main(texts, scowl, size, out):
    holding, sources = Counter(), defaultdict(set)
    for line in texts.read_text().splitlines():
        entry = json.loads(line)
        here = set()
        for token in WORD.findall(f"{entry['head']} {entry['text']}"):
            here.add(token.lower())
            here.update(pieces(token))
        for word in here:
            holding[word] += 0.25 if entry["source"] == "wordnet-base" else 1
            if len(sources[word]) < 8:
                sources[word].add(entry["source"])
    worth = {w: math.log1p(n) + 0.5 * len(sources[w]) for w, n in holding.items()}
    for level, bonus in BONUS.items():
        for name in ("english-words", "american-words", "british-words"):
            file = scowl / f"{name}.{level}"
            for word in file.read_text("latin-1").split() if file.exists() else ():
                if word.isascii() and word.isalpha():
                    worth[word.lower()] = worth.get(word.lower(), 0) + bonus
    usable = [w for w in worth if w.isascii() and 2 <= len(w) <= 24 and not w.isdigit() and sum(c.isdigit() for c in w) <= 4]
    best = sorted(usable, key=lambda w: (-worth[w], w))[:size]
    out.write_text("\n".join(sorted(best)) + "\n")
    print(len(usable), "candidates; least worth taken", round(min(worth[w] for w in best), 2))


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
