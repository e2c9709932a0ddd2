"""The file format of word-vectors.bin; libs/tools/data/README.md describes it."""

import struct

import numpy as np

MAGIC = b"AWV1"


def write_table(path, words, vectors):
    """vectors: f32 [words, dimensions]; their lengths are the weights of the words."""
    order = sorted(range(len(words)), key=lambda i: words[i])
    vectors = vectors[order]
    scale = np.maximum(np.abs(vectors).max(1), 1e-12) / 127
    steps = np.rint(vectors / scale[:, None]).clip(-127, 127).astype(np.int8)
    names = "\n".join(words[i] for i in order).encode()
    names += b"\n" * (-len(names) % 4)
    with open(path, "wb") as file:
        file.write(MAGIC + struct.pack("<III", len(words), vectors.shape[1], len(names)))
        file.write(names)
        file.write((scale / np.median(scale)).astype("<f4").tobytes())
        file.write(steps.tobytes())


def read_table(path):
    """Words, and f32 [words, dimensions]."""
    raw = open(path, "rb").read()
    if raw[:4] != MAGIC:
        raise ValueError(f"{path} is not a table of word vectors")
    count, dimensions, names = struct.unpack("<III", raw[4:16])
    words = raw[16 : 16 + names].decode().rstrip("\n").split("\n")
    scale = np.frombuffer(raw, "<f4", count, 16 + names)
    steps = np.frombuffer(raw, np.int8, count * dimensions, 16 + names + 4 * count).reshape(count, dimensions)
    return words, steps * scale[:, None]
