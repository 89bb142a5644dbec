"""Totals and ratios over columns of the same unit, found by their names and scale.

``day_charge``, ``eve_charge`` and ``night_charge`` are parts of one bill, and what the customer feels is the bill: no tree of a
few leaves finds a sum. Whether a total is kept is decided by cross-validation, never here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

Derived = tuple[str, str, tuple[str, ...]]

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
UNITS = frozenset(
    [
        "amount",
        "amounts",
        "amt",
        "balance",
        "bill",
        "bills",
        "bytes",
        "call",
        "calls",
        "charge",
        "charges",
        "cost",
        "costs",
        "count",
        "counts",
        "data",
        "dollars",
        "duration",
        "eur",
        "fee",
        "fees",
        "gb",
        "hour",
        "hours",
        "kb",
        "mb",
        "messages",
        "min",
        "mins",
        "minute",
        "minutes",
        "number",
        "orders",
        "paid",
        "payment",
        "payments",
        "price",
        "purchases",
        "revenue",
        "sales",
        "sec",
        "seconds",
        "sms",
        "spend",
        "spending",
        "tickets",
        "units",
        "usage",
        "usd",
        "value",
        "visits",
    ]
)
SCALE = 1000.0  # parts whose typical sizes differ more than this do not share a unit
REPEATS = 0.999  # a total that correlates so with one of its parts says nothing new


def words(name: str) -> list[str]:
    """The words of a column's name.

    Parameters
    ----------
    name : str
        Name of a column.

    Returns
    -------
    list of str

    Examples
    --------
    >>> words("total_day_charge"), words("TotalDayCharge"), words("bill_amt2")
    (['total', 'day', 'charge'], ['total', 'day', 'charge'], ['bill', 'amt', '2'])
    """
    return [w.lower() for w in _WORD.findall(name)]


def same_unit(numbers: Mapping[str, NDArray[Any]]) -> dict[str, tuple[str, ...]]:
    """Groups of columns whose names differ in one word that is no unit, and whose sizes are comparable.

    Parameters
    ----------
    numbers : mapping of str to ndarray
        Columns of numbers by name.

    Returns
    -------
    dict of str to tuple of str
        Columns by the name of the group.

    Examples
    --------
    >>> import numpy as np
    >>> bill = {f"{part}_{unit}": np.arange(1.0, 9) for part in ("day", "night") for unit in ("calls", "charge")}
    >>> same_unit(bill)
    {'calls': ('day_calls', 'night_calls'), 'charge': ('day_charge', 'night_charge')}
    """
    groups: dict[tuple[str, ...], list[str]] = {}
    for name in numbers:
        split = words(name)
        for k, word in enumerate(split):
            if len(split) > 1 and word not in UNITS:
                groups.setdefault((*split[:k], "*", *split[k + 1 :]), []).append(name)
    found: dict[str, tuple[str, ...]] = {}
    for pattern, names in groups.items():
        alike = _comparable(names, numbers)
        if len(alike) > 1 and tuple(alike) not in found.values():
            found["_".join(w for w in pattern if w != "*")] = tuple(alike)
    return found


def proposed(numbers: Mapping[str, NDArray[Any]]) -> tuple[list[Derived], list[Derived]]:
    """Totals worth trying, and the ratios that go with them.

    Ratios are each part's share of a total, for totals of two or three parts, and one total per another whose parts match
    (charge per minute).

    Parameters
    ----------
    numbers : mapping of str to ndarray
        Columns of numbers by name.

    Returns
    -------
    totals, ratios : list of (name, how, parts)
    """
    totals: list[Derived] = []
    ratios: list[Derived] = []
    kept: dict[str, tuple[str, ...]] = {}
    for group, parts in same_unit(numbers).items():
        name = f"sum of {group} ({len(parts)} columns)"
        if name in numbers or _repeats(np.sum([numbers[p] for p in parts], axis=0), [numbers[p] for p in parts]):
            continue
        totals.append((name, "sum", parts))
        kept[name] = parts
        if len(parts) <= 3:
            ratios += [(f"{p} / {name}", "ratio", (p, name)) for p in parts[: len(parts) - 1]]
    for (one, a), (two, b) in combinations(kept.items(), 2):
        if len(a) == len(b):
            ratios.append((f"{one} / {two}", "ratio", (one, two)))
    return totals, ratios


def _comparable(names: Sequence[str], numbers: Mapping[str, NDArray[Any]]) -> list[str]:
    """Columns without negative values or two-valued marks whose typical sizes lie within the scale of the middle one."""
    size = {}
    for name in names:
        x = numbers[name][np.isfinite(numbers[name])]
        if len(x) and x.min() >= 0 and len(np.unique(x[:1000])) > 2 and x.mean() > 0:
            size[name] = float(x.mean())
    middle = float(np.median(list(size.values()))) if size else 1.0
    return [n for n, s in size.items() if middle / SCALE <= s <= middle * SCALE]


def _repeats(total: NDArray[Any], parts: Sequence[NDArray[Any]]) -> bool:
    here = np.isfinite(total)
    if here.sum() < 3 or not np.std(total[here]) > 0:
        return True
    return any(np.std(p[here]) > 0 and np.corrcoef(total[here], p[here])[0, 1] > REPEATS for p in parts)
