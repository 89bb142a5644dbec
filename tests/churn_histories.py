"""Durations and histories of purchases that tests of retention and value share."""

import numpy as np
import pandas as pd

TIMES = pd.DataFrame(
    {
        "duration": [1.0, 2, 3, 4, 5, 6, 7, 8, 9, 10],
        "event": [1, 0, 1, 1, 0, 1, 1, 0, 1, 0],
        "x": [0.2, 1.0, 0.7, 0.1, 0.9, 0.4, 0.3, 0.8, 0.35, 0.6],
        "area": list("ababababab"),
    }
)


def bought_until_they_leave(rng, rate, leave, t):
    """Repeat purchases until t and the time of the last, where customers may leave after each: the story of the BG/NBD."""
    n = len(rate)
    x, tx, clock, there = np.zeros(n), np.zeros(n), np.zeros(n), np.ones(n, bool)
    while there.any():
        clock[there] += rng.exponential(1 / rate[there])
        there &= clock < t
        x[there] += 1
        tx[there] = clock[there]
        there &= rng.random(n) >= leave
    return x, tx
