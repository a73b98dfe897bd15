"""Rows at which a reader may go wrong."""

import numpy as np

TINY = np.float32(1e-45)  # the smallest float32 above zero, a denormal
HUGE = np.finfo(np.float32).max


def ties(rows, splits, seed=1, limit=24):
    """Rows that lie on a threshold, and one float32 below and above it.

    splits is a list of (column, threshold): of each some row is taken and its
    column set to the threshold as float32 and to both its neighbours.
    """
    rng = np.random.default_rng(seed)
    splits = sorted(set((int(c), float(t)) for c, t in splits if np.isfinite(t)))
    if len(splits) > limit:
        splits = [splits[i] for i in sorted(rng.choice(len(splits), limit, replace=False))]
    made = []
    for column, threshold in splits:
        on = np.float32(threshold)
        if not np.isfinite(on):
            continue
        for value in (on, np.nextafter(on, np.float32(-np.inf)), np.nextafter(on, np.float32(np.inf))):
            row = rows[rng.integers(len(rows))].copy()
            row[column] = value
            made.append(row)
    return np.array(made, dtype=np.float32).reshape(-1, rows.shape[1])


def extremes(rows, seed=2):
    """Rows with zeros of both signs, denormals and the largest floats: one column a
    row, and all of them."""
    rng = np.random.default_rng(seed)
    width = rows.shape[1]
    made = []
    for i, value in enumerate((0.0, -0.0, TINY, -TINY, np.float32(1e-38), HUGE, -HUGE)):
        row = rows[rng.integers(len(rows))].copy()
        row[i % width] = value
        made.append(row)
        made.append(np.full(width, value, np.float32))
    return np.array(made, dtype=np.float32)


def missing(rows, seed=3, count=12):
    """Rows with some columns NaN, and one with all."""
    rng = np.random.default_rng(seed)
    made = rows[rng.integers(len(rows), size=count)].astype(np.float32).copy()
    for i, row in enumerate(made):
        row[rng.random(len(row)) < 0.4] = np.nan
        row[i % len(row)] = np.nan
    made[-1][:] = np.nan
    return made


def infinite(rows, seed=4, count=4):
    """Rows with infinities in one column, for the libraries that take them."""
    rng = np.random.default_rng(seed)
    made = rows[rng.integers(len(rows), size=count)].astype(np.float32).copy()
    for i, row in enumerate(made):
        row[i % len(row)] = np.inf if i % 2 else -np.inf
    return made
