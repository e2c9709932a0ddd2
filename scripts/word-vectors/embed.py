"""Embeds the training texts with the teacher, in shards, so that a fit can start on what is there.

    python embed.py MODEL_DIR WORK_DIR TEXTS.jsonl SHARDS

Writes WORK_DIR/shard-NN.npz: `texts` and `vectors` (f16). A shard that exists is kept.
"""

import json
import random
import sys
import time
from pathlib import Path

import numpy as np
from teacher import Teacher

PER_SHARD = 8000
MAX_TOKENS = 80


def instances(lines):
    """The texts as the teacher gets them: half of them below their heading, and each heading once by itself."""
    rng = random.Random(11)
    heads, out = set(), []
    for line in lines:
        entry = json.loads(line)
        head, text = entry["head"], entry["text"]
        out.append(f"{head}. {text}" if head and rng.random() < 0.5 else text)
        if len(head) > 12 and head not in heads and entry["source"] != "wordnet-base":
            heads.add(head)
            out.append(head)
    rng.shuffle(out)
    return out


def main(model, work, texts, shards):
    teacher = Teacher(model, work, threads=2)
    everything = instances(texts.read_text().splitlines())
    print(len(everything), "texts", flush=True)
    for n in range(shards):
        part = everything[n * PER_SHARD : (n + 1) * PER_SHARD]
        file = work / f"shard-{n:02}.npz"
        if not part or file.exists():
            continue
        start = time.time()
        vectors = teacher.embed(part, MAX_TOKENS).astype(np.float16)
        np.savez(work / "shard.tmp.npz", texts=np.array(part), vectors=vectors)
        (work / "shard.tmp.npz").rename(file)
        print(f"{file.name}: {len(part) / (time.time() - start):.0f} texts/s", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*map(Path, sys.argv[1:4]), int(sys.argv[4]))
