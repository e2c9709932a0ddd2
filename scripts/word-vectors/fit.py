"""Fits word vectors to the teacher's text vectors and writes the table.

    python fit.py MODEL_DIR WORK_DIR VOCABULARY.txt OUT.bin [dimensions] [epochs]

The vector of a text is the normalised sum of its words' vectors. It is fitted to two things at once: the direction of
the teacher's vector, less what all texts share, in as many principal components as the table has dimensions; and how
the teacher ranks the texts of a batch against each other. Batches hold texts of one neighbourhood, so that ranking
them is as hard as ranking the passages of one manual.
"""

import sys
from pathlib import Path

import numpy as np
from scipy import sparse
from table import write_table
from teacher import Teacher
from words import rows

BATCH, TEMPERATURE, RANK_WEIGHT, LEARNING_RATE = 512, 0.05, 0.3, 0.004
# Pull of each word back to where it began, for words that few texts hold.
PULL = 0.05
SEED = 5
HELD_OUT = 3000


def unit(x):
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9)


def load(work):
    texts, vectors = [], []
    for file in sorted(work.glob("shard-[0-9]*.npz")):
        data = np.load(file)
        texts.extend(data["texts"].tolist())
        vectors.append(data["vectors"].astype(np.float32))
    return texts, np.concatenate(vectors)


def counts(texts, index):
    """Sparse f32 [texts, words]: how often each text holds each word."""
    starts, columns = [0], []
    for text in texts:
        columns.extend(rows(text, index))
        starts.append(len(columns))
    m = sparse.csr_matrix((np.ones(len(columns), np.float32), columns, starts), shape=(len(texts), len(index)))
    m.sum_duplicates()
    return m


def initial(work, words, model, basis, count):
    """The teacher's vector of each word by itself, shorter for common words (smooth inverse frequency)."""
    cached = work / "words.npz"
    known = {}
    if cached.exists():
        data = np.load(cached)
        known = dict(zip(data["words"].tolist(), data["vectors"]))
    missing = [w for w in words if w not in known]
    if missing:
        known.update(zip(missing, Teacher(model, work).embed(missing, 16, 64).astype(np.float16)))
        np.savez(cached, words=np.array(list(known)), vectors=np.array(list(known.values())))
    alone = np.array([known[w] for w in words], np.float32)
    share = (count + 1) / (count.sum() + len(words))
    weight = 1e-3 / (1e-3 + share)
    return unit((alone - alone.mean(0)) @ basis) * weight[:, None]


def neighbourhoods(vectors, rng, size, rounds=4):
    """A rough k-means: the number of a cluster for each text."""
    centres = vectors[rng.choice(len(vectors), max(2, len(vectors) // size), replace=False)]
    for _ in range(rounds):
        label = np.concatenate([np.argmax(part @ centres.T, 1) for part in np.array_split(vectors, 40)])
        sums = np.zeros_like(centres)
        np.add.at(sums, label, vectors)
        centres = unit(sums)
    return label


def batches(label, rng):
    """Half of the texts in batches of neighbours, half at random."""
    n = len(label)
    near = np.lexsort((rng.random(n), rng.permutation(label.max() + 1)[label]))
    both = [near[i : i + BATCH] for i in range(0, n - BATCH // 2, BATCH)]
    far = rng.permutation(n)
    both += [far[i : i + BATCH] for i in range(0, n - BATCH // 2, BATCH)]
    return [both[i] for i in rng.permutation(len(both))]


def softmax(x):
    x = np.exp(x - x.max(1, keepdims=True))
    return x / x.sum(1, keepdims=True)


def gradient(sums, target, full):
    """Loss and its slope by the sums of word vectors. target [b, d]: wanted directions; full [b, 384]: teacher."""
    length = np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-6)
    e = sums / length
    n = len(e)
    s = e @ e.T / TEMPERATURE
    t = full @ full.T / TEMPERATURE
    np.fill_diagonal(s, -1e4)
    np.fill_diagonal(t, -1e4)
    p, q = softmax(s), softmax(t)
    loss_rank = -(q * np.log(p + 1e-9)).sum() / n + (q * np.log(q + 1e-9)).sum() / n
    ds = (p - q) / n / TEMPERATURE * RANK_WEIGHT
    de = ds @ e + ds.T @ e - target / n * 4
    loss_cos = 1 - (e * target).sum() / n
    return loss_cos, loss_rank, (de - (de * e).sum(1, keepdims=True) * e) / length


def overlap(sums, full, k=10):
    """How many of the teacher's nearest `k` among held-out texts are among ours, 0..1."""
    def top(x):
        sim = x @ x.T
        np.fill_diagonal(sim, -9)
        return np.argsort(-sim, 1)[:, :k]

    ours, wanted = top(unit(sums)), top(full)
    return float(np.mean([len(set(a) & set(b)) for a, b in zip(ours, wanted)]) / k)


def fit(u, x, target, full, label, epochs, rng, report):
    """Adam on the word vectors, in place. The learning rate falls to nothing. An epoch shows each text twice."""
    m, v, origin = np.zeros_like(u), np.zeros_like(u), u.copy()
    step = 0
    for epoch in range(epochs):
        losses = np.zeros(2)
        order = batches(label, rng)
        for batch in order:
            done = step / (epochs * len(order))
            part = x[batch]
            cos, rank, slope = gradient(part @ u, target[batch], full[batch])
            step += 1
            rate = LEARNING_RATE * (1 - done) * np.sqrt(1 - 0.99**step) / (1 - 0.9**step)
            # Only the words of the batch move: most of the table would be touched for nothing.
            here = np.unique(part.indices)
            g = np.asarray(part[:, here].T @ slope)
            m[here] = first = 0.9 * m[here] + 0.1 * g
            v[here] = second = 0.99 * v[here] + 0.01 * g * g
            u[here] -= rate * (first / (np.sqrt(second) + 1e-8) + PULL * (u[here] - origin[here]))
            losses += (cos, rank)
        report(epoch + 1, losses / len(order))


def main(model, work, vocabulary, out, dimensions=128, epochs=4):
    rng = np.random.default_rng(SEED)
    words = vocabulary.read_text().split()
    index = {w: i for i, w in enumerate(words)}
    texts, full = load(work)
    x = counts(texts, index)
    filled = np.asarray(x.sum(1)).ravel() > 0
    x, full = x[filled], full[filled]
    full = unit(full - full.mean(0))
    held, train = np.arange(len(full)) < HELD_OUT, np.arange(len(full)) >= HELD_OUT
    _, axes = np.linalg.eigh(np.cov(full[train].T))
    basis = axes[:, ::-1][:, :dimensions].astype(np.float32)
    target = unit(full @ basis)
    u = initial(work, words, model, basis, np.asarray(x.sum(0)).ravel()).astype(np.float32)
    print(len(texts), "texts; before:", round(overlap(x[held] @ u, full[held]), 4), "teacher in fewer dimensions:", round(overlap(target[held], full[held]), 4), flush=True)
    label = neighbourhoods(full[train], rng, BATCH)

    def report(epoch, loss):
        print(f"epoch {epoch} cos {loss[0]:.4f} rank {loss[1]:.4f} held-out overlap {overlap(x[held] @ u, full[held]):.4f}", flush=True)

    fit(u, x[train], target[train], full[train], label, epochs, rng, report)
    print("held-out overlap", round(overlap(x[held] @ u, full[held]), 4))
    write_table(out, words, u)


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    main(*map(Path, sys.argv[1:5]), *map(int, sys.argv[5:]))
