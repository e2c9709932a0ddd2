"""What the teacher itself finds when it ranks whole collections: the bound of any table fitted to it.

    python bound.py MODEL_DIR WORK_DIR DEV.json TEST.json

DEV.json and TEST.json come from dump-passages.ts. For each set: of how many questions the first passages have a phrase of
every aspect. A passage counts with its neighbours of the same section, as a search shows it. Embeds about 36,000 passages
once, kept in WORK_DIR/passages.npz.
"""

import sys
from pathlib import Path

import numpy as np
from evaluate import DEPTHS, Questions, readable, unit
from teacher import Teacher

WIDE = 1200
MAX_TOKENS = 256


def widened(passages):
    """The readable text of each passage with its neighbours, as libs/tools/src/corpus/widen.ts takes them."""
    out = []
    for at, own in enumerate(passages):
        first = last = at

        def fits(i, first=first, last=last, own=own):
            if not 0 <= i < len(passages):
                return False
            other = passages[i]
            if (other["doc"], other["headings"]) != (own["doc"], own["headings"]):
                return False
            low, high = passages[min(first, i)], passages[max(last, i)]
            return high["start"] + len(high["text"]) - low["start"] <= WIDE

        while fits(last + 1, first, last):
            last += 1
        while fits(first - 1, first, last):
            first -= 1
        out.append(readable(" ".join(p["text"] for p in passages[first : last + 1])))
    return out


def depth(questions, wide, q, ranking):
    """How many different texts it takes to have a phrase of every aspect; infinity when 50 do not."""
    left = [[readable(p) for p in phrases] for phrases in q["expect"]]
    seen = []
    for i in ranking:
        text = wide[q["index"]][i]
        if any(text in other or other in text for other in seen):
            continue
        seen.append(text)
        left = [phrases for phrases in left if not any(p in text for p in phrases)]
        if not left:
            return len(seen)
        if len(seen) == DEPTHS[-1]:
            break
    return np.inf


def embedded(teacher, work, passages):
    file = work / "passages.npz"
    if not file.exists():
        texts = {}
        for name, group in passages.items():
            texts[f"{name}/text"] = [p["text"] for p in group]
            texts[f"{name}/headings and text"] = [". ".join(filter(None, [" > ".join(p["headings"]), p["text"]])) for p in group]
        np.savez(file, **{key: teacher.embed(group, MAX_TOKENS).astype(np.float16) for key, group in texts.items()})
    return {key: unit(vectors.astype(np.float32)) for key, vectors in np.load(file).items()}


def main(model, work, *sets):
    teacher = Teacher(model, work, threads=2)
    loaded = [(file.stem, Questions(file)) for file in sets]
    vectors = embedded(teacher, work, loaded[0][1].passages)
    wide = {name: widened(group) for name, group in loaded[0][1].passages.items()}
    for name, questions in loaded:
        asked = unit(teacher.embed([q["question"] for q in questions.questions], MAX_TOKENS).astype(np.float32))
        rankings = {"BM25": lambda n, q, questions=questions: questions.plain[n]}
        for form in ("text", "headings and text"):
            rankings[f"teacher, {form}"] = lambda n, q, form=form, asked=asked: [
                int(i) for i in np.argsort(-(vectors[f"{q['index']}/{form}"] @ asked[n]), kind="stable")[:400]
            ]
        for label, rank in rankings.items():
            depths = [depth(questions, wide, q, rank(n, q)) for n, q in enumerate(questions.questions)]
            found = [sum(d <= k for d in depths) for k in DEPTHS]
            words = [sum(d <= k for d, q in zip(depths, questions.questions) if q["kind"] == "reworded") for k in DEPTHS]
            print(f"{name} ({len(depths)})  {label:28} first {DEPTHS}: {found}  reworded {words}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*map(Path, sys.argv[1:]))
