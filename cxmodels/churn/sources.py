"""The tables behind features: read once each, sorted, joined to the customers of the snapshots, with what was left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError, listed
from .steps import Attributes, Latest, Step, Window, ranks, taken
from .timeline import Instants, Positions, Timeline, customers, dates, numbered, span, table
from .windows import Rows

KEYS = ("customer_id", "as_of_date")
STRANGE, UNDATED, SILENT = "customer not among the snapshots", "no date", "no answer in any column"
LATER = "dated after every snapshot of the customer"


@dataclass(frozen=True, eq=False)
class Look:
    """Who is looked at, and when: snapshots sorted by customer and time, and the way back to the order given."""

    ids: pd.Index
    code: NDArray[np.int64]
    when: Instants
    back: Positions

    @classmethod
    def at(cls, frame: pd.DataFrame) -> Look:
        """Read snapshots."""
        who, when = customers(frame, KEYS[0], "snapshots"), dates(frame, KEYS[1], "snapshots")
        if not len(frame):
            raise DataError("The snapshots have no rows.")
        if blank := int(np.isnat(when).sum()):
            raise DataError(f"Column '{KEYS[1]}' of the snapshots is blank in {blank} of {len(frame)} rows.")
        code, ids = numbered(who, "snapshots")
        order = np.lexsort((when, code))
        twice = (np.diff(code[order]) == 0) & (np.diff(when[order]) == np.timedelta64(0, "us"))
        if twice.any():
            who = ids[code[order][np.flatnonzero(twice)[0]]]
            raise DataError(
                f"{twice.sum()} of {len(frame)} snapshots are of a customer and date that stand there already, such as "
                f"customer '{who}': keep one row of each."
            )
        return cls(ids, code[order], when[order], np.argsort(order))

    def find(self, frame: pd.DataFrame, customer: str, name: str) -> NDArray[np.int64]:
        """Number of each row's customer, -1 for others."""
        who = customers(frame, customer, name)
        rank, distinct = pd.factorize(who)
        code = self.ids.get_indexer(pd.Index(distinct)).astype(np.int64)[rank]
        if len(code) and (code < 0).all() and _is_text(who.iloc[0]) != _is_text(self.ids[0]):
            raise DataError(
                f"Customers are {type(who.iloc[0]).__name__} in table '{name}' and {type(self.ids[0]).__name__} in the "
                f"snapshots, so none of {len(who)} rows fits: make column '{customer}' of one type."
            )
        return code


@dataclass(frozen=True, eq=False)
class Source:
    """One dated table, ready for any number of steps."""

    rows: Rows
    frame: pd.DataFrame
    coverage: dict[str, Any]
    excluded: list[dict[str, Any]]


def dated(steps: Sequence[Step], data: Any, look: Look, customer: str) -> Source:
    """Read the table of some steps, drop and count what no snapshot can use, and sort the rest."""
    name, date = steps[0].table, str(steps[0].date)
    needed = list(dict.fromkeys(c for s in steps for c in s.columns))
    frame = table(data, name, (customer, date, *needed))
    code, when = look.find(frame, customer, name), dates(frame, date, name)
    last = np.append(look.when[np.append(np.diff(look.code) > 0, True)], np.datetime64("NaT", "us"))[code]
    silent = frame[needed].isna().all(axis=1).to_numpy() & isinstance(steps[0], Latest)
    reasons = {STRANGE: code < 0, UNDATED: np.isnat(when), SILENT: silent, LATER: when > last}
    excluded, keep = [], np.ones(len(frame), dtype=bool)
    for reason, hit in reasons.items():
        if (keep & hit).any():
            excluded.append({"table": name, "reason": reason, "rows": int((keep & hit).sum())})
        keep &= ~hit
    frame, code, when = frame[keep].reset_index(drop=True), code[keep], when[keep]
    numeric = {c for s in steps if s.numeric for c in s.columns}
    values = {c: v for c in needed if (v := _numbers(frame, c, name, must=c in numeric)) is not None}
    ties = [values[c] if c in values else ranks(frame[c]) for c in needed]
    line = Timeline.of(code, when, ties)
    rows = Rows(line, {c: v[line.order] for c, v in values.items()}, look.code, look.when)
    return Source(rows, frame, _coverage(name, date, rows, steps), excluded)


def attributes(step: Attributes, data: Any, look: Look, customer: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Join a table with one row per customer."""
    frame = table(data, step.table, (customer, *step.columns))
    code = look.find(frame, customer, step.table)
    twice = frame[customer].duplicated()
    if twice.any():
        raise DataError(
            f"Table '{step.table}' has {int(twice.sum())} rows of customers that stand there already, such as "
            f"'{frame.loc[twice, customer].iloc[0]}': keep one row per customer, or use dated rows with latest()."
        )
    place = np.full(len(look.ids), -1)
    place[code[code >= 0]] = np.flatnonzero(code >= 0)
    at = place[look.code]
    made = {f"{step.prefix}{c}": taken(frame[c], at) for c in step.columns}
    strange = int((code < 0).sum())
    return made, [{"table": step.table, "reason": STRANGE, "rows": strange}] if strange else []


def _coverage(name: str, date: str, rows: Rows, steps: Sequence[Step]) -> dict[str, Any]:
    """What a table holds, seen from the snapshots."""
    time = rows.line.time
    begin, stop = rows.slices(None)
    longest = max((d for s in steps if isinstance(s, Window) for d in s.days if d is not None), default=0.0)
    short = int((rows.when - span(longest) < time.min()).sum()) if len(time) else len(rows.when)
    return {
        "table": name,
        "date": date,
        "first": pd.Timestamp(time.min()) if len(time) else pd.NaT,
        "last": pd.Timestamp(time.max()) if len(time) else pd.NaT,
        "rows": len(time),
        "customers": len(np.unique(rows.code)),
        "with_rows": len(np.unique(rows.code[begin < stop])),
        "short": short if longest else 0,
    }


def _numbers(frame: pd.DataFrame, column: str, name: str, *, must: bool) -> NDArray[np.float64] | None:
    """Read a column of numbers; others are an error where numbers are needed."""
    values = frame[column]
    if values.dtype.kind in "biuf" and not isinstance(values.dtype, pd.CategoricalDtype):
        out = values.to_numpy(dtype=float, na_value=np.nan)
        if strange := int(np.isinf(out).sum()):
            raise DataError(
                f"Column '{column}' of table '{name}' has {strange} infinite values in {len(out)} rows: make them blank."
            )
        return out
    if must:
        found = listed(values.dropna().astype(str).unique()[:3], 3)
        raise DataError(
            f"Column '{column}' of table '{name}' holds {values.dtype} ({found}), no numbers: turn it into numbers, or use "
            "latest() for text."
        )
    return None


def _is_text(value: Any) -> bool:
    return isinstance(value, str)
