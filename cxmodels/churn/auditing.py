"""What is wrong with the columns of a churn table before a model sees them, with evidence and advice.

Every check is a number against a threshold, and every threshold an argument.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError, SpecError
from ..resampling import whole_number
from .columns import LOOK, Column, duplicates
from .leakage import Limits, Outcome, binary, evidence
from .timeline import Instants, table
from .timeline import dates as read_dates

COLUMNS = ["column", "issue", "evidence", "advice", "action"]

_ID = re.compile(r"(?i:(^|_|\b)(id|uuid|guid|key|nr|no|number|phone|email|e_mail)$)|[a-z](Id|ID|Key|Number)$")
_DATE = re.compile(r"\d{4}[-/]\d{1,2}[-/]\d{1,2}([ T].*)?\Z|\d{1,2}[./-]\d{1,2}[./-]\d{4}([ T].*)?\Z")


@dataclass(frozen=True)
class Thresholds:
    """Where a check begins to speak; the arguments of :func:`audit`."""

    near_constant: float
    unique: float
    max_levels: int
    min_rows: int


Finding = tuple[str, str, str, str]  # issue, evidence, advice, action


def audit(
    X: Any,
    y: ArrayLike | None = None,
    *,
    ids: ArrayLike | None = None,
    dates: ArrayLike | None = None,
    leakage_auc: float = 0.95,
    missing_auc: float = 0.80,
    named_auc: float = 0.85,
    near_constant: float = 0.98,
    unique: float = 0.95,
    max_levels: int = 50,
    min_rows: int = 20,
    sample: int = 200_000,
) -> pd.DataFrame:
    """List what is wrong with each column, with evidence, advice, and whether a model should leave the column out.

    Parameters
    ----------
    X : frame
        Features, one row per customer or per customer and snapshot.
    y : array-like of shape (n,), optional
        Labels of any two kinds, the later in sorted order meaning left (1 of 0 and 1, Yes of No); blank ones are passed
        over. Without labels nothing is said about leakage.
    ids : array-like of shape (n,), optional
        Customers: a column that is one to one with them is an identifier, however it looks.
    dates : array-like of shape (n,), optional
        Snapshots: a date after its snapshot was not known then.
    leakage_auc : float, default 0.95
        A column that alone ranks who left so well knows the outcome. Honest columns rarely pass 0.85: the best of
        the public telephone data reach 0.75.
    missing_auc : float, default 0.80
        The same for the mere fact that a column is blank, which honestly says little.
    named_auc : float, default 0.85
        The same for a column whose name tells of an end (churn, cancel, closed, exit ...).
    near_constant : float, default 0.98
        Share of the rows with the most common value.
    unique : float, default 0.95
        Share of distinct values from which text, or whole numbers that count up or are named so, are identifiers.
    max_levels : int, default 50
        Text with more levels has high cardinality.
    min_rows : int, default 20
        A level that fewer rows have teaches nothing: near-constant columns whose other values are rarer are left out,
        and text whose levels have on average less than a quarter of so many.
    sample : int, default 200_000
        Rows, evenly spread, on which leakage is judged. The other checks see all.

    Returns
    -------
    DataFrame
        One row per column and issue, in the order of the columns, [column, issue, evidence, advice, action]; ``action``
        is ``"drop"`` or ``"keep"``. Issues: constant, near_constant, identifier, duplicate (of an earlier column, in
        other units or by other names), leakage, date, text, high_cardinality, mixed_types, infinite.

    Raises
    ------
    DataError
        Names of columns stand twice, or labels, ids or dates do not fit the rows.
    SpecError
        A threshold is out of its range.

    Notes
    -----
    For leakage a column is cut into its levels or into up to 100 bins of equal shares, with blank as a level of its own;
    levels are scored by the share that left in four fifths of the rows and rank those of the fifth, five times.
    A column is also too good if a level, or being blank or not, holds a tenth of those who left and hardly anybody
    else. A longer history does this honestly for those who stayed, so nothing is said about levels in which nobody
    left.

    References
    ----------
    Kaufman, Rosset, Perlich and Stitelman (2012), Leakage in data mining: formulation, detection, and avoidance, ACM
    Transactions on Knowledge Discovery from Data 6(4), 15.

    Examples
    --------
    >>> import cxmodels as cx
    >>> from cxmodels.churn import audit
    >>> telco = cx.datasets.load("telco")
    >>> X, y = telco.drop(columns="churn"), telco["churn"]
    >>> audit(X, y).empty
    True
    >>> found = audit(X.assign(id=range(len(X)), reason=y.map({"Yes": "price"}), age_days=1), y)
    >>> found[["column", "issue", "action"]].values.tolist()
    [['id', 'identifier', 'drop'], ['reason', 'leakage', 'drop'], ['age_days', 'constant', 'drop']]
    """
    frame = table(X, "X", ())
    limits = Limits(*_shares(leakage_auc=leakage_auc, missing_auc=missing_auc, named_auc=named_auc))
    common, distinct = _shares(near_constant=near_constant, unique=unique)
    given = {"max_levels": max_levels, "min_rows": min_rows, "sample": sample}
    levels, fewest, rows = (whole_number(name, value, 1) for name, value in given.items())
    at = Thresholds(common, distinct, levels, fewest)
    columns = [Column(name, frame[name].reset_index(drop=True)) for name in frame]
    if not len(frame):
        return pd.DataFrame([], columns=COLUMNS)
    look, outcome = _outcome(y, len(frame), rows)
    known = _snapshots(dates, len(frame))
    who = None if ids is None else pd.factorize(_of_length(ids, len(frame), "ids"))[0]
    found: dict[Any, list[Finding]] = {c.name: list(_findings(c, at, known, who)) for c in columns}
    if outcome is not None:
        for column in columns:
            if not {"constant", "identifier", "text"} & {f[0] for f in found[column.name]} and column.hashable:
                found[column.name] += _leaks(column, look, outcome, limits)
    for column, other, how in duplicates([c for c in columns if c.hashable and not _dropped(found[c.name])]):
        found[column.name].append(("duplicate", f"{how} '{other.name}'", f"'{other.name}' is enough", "drop"))
    return pd.DataFrame([(name, *f) for name, findings in found.items() for f in findings], columns=COLUMNS)


def _findings(column: Column, at: Thresholds, known: Instants | None, who: Any) -> Iterator[Finding]:
    """Everything that a column alone shows, without labels."""
    n = len(column.values)
    if not n:
        return
    if not column.hashable:
        kinds = sorted({type(v).__name__ for v in column.values})
        yield "mixed_types", f"holds {', '.join(kinds)}", "take numbers or text out of it", "drop"
        return
    top, distinct, share = _most_common(column)
    if distinct == 0 or share == 1.0:
        yield "constant", "all blank" if distinct == 0 else f"always {_shown(top)}", "it says nothing", "drop"
        return
    if share >= at.near_constant:
        others = round((1 - share) * n)
        action, advice = ("drop", "too few to learn from") if others < at.min_rows else ("keep", "look at the others")
        yield "near_constant", f"{share:.2%} of rows are {_shown(top)}, {others} rows are not", advice, action
    if dated := _date(column, known):
        yield from dated
        return
    if said := _identifier(column, distinct, at, who):
        issue, shown = said
        yield (
            issue,
            shown,
            "it names the customer" if issue == "identifier" else "code what it says as columns",
            "drop",
        )
        return
    yield from _content(column, distinct, at)


def _content(column: Column, distinct: int, at: Thresholds) -> Iterator[Finding]:
    """Values of several kinds, infinite ones, and too many levels."""
    n = len(column.values)
    if not column.is_text:
        if column.values.dtype.kind == "f" and (
            strange := int(np.isinf(column.values.to_numpy(dtype=float, na_value=np.nan)).sum())
        ):
            yield "infinite", f"{strange} of {n} values are infinite", "they count as blank; divide with care", "keep"
        return
    if column.values.dtype == object and len(kinds := _kinds(column)) > 1:
        yield "mixed_types", f"holds {' and '.join(kinds)}", "make it one type", "keep"
        return
    numbers = int(column.rows[column.as_numbers.notna().to_numpy()].sum())
    empty = int(column.blank.sum() - column.values.isna().sum())
    said = n - int(column.blank.sum())
    if numbers >= 0.5 * said and not isinstance(column.values.dtype, pd.CategoricalDtype) and _is_written(column):
        others = column.texts[(column.as_numbers.isna() & (column.texts.str.strip() != "")).to_numpy()]
        parts = [f"{numbers} of {n} values are numbers written as text"]
        parts += [f"{empty} are blank text"] if empty else []
        parts += [f"{said - numbers} are words such as {_shown(others.iloc[0])}"] if len(others) else []
        yield "mixed_types", ", ".join(parts), "read it as numbers, words as blank, unless they are codes", "keep"
        if numbers == said:
            return
    if distinct > at.max_levels:
        rare = n / distinct < at.min_rows / 4
        advice = "too few rows of each to learn from" if rare else "group the rare ones"
        yield (
            "high_cardinality",
            f"{distinct} levels, {n / distinct:.1f} rows each",
            advice,
            "drop" if rare else "keep",
        )


def _most_common(column: Column) -> tuple[Any, int, float]:
    """Most common value, distinct values (at least so many), and the value's share of all rows; blank is a value."""
    values, n = column.values, len(column.values)
    if column.is_text:
        rows = np.append(column.rows, column.blank.sum())
        if len(column.rows):  # text of blanks only is counted with the blanks
            empty = (column.texts.str.strip() == "").to_numpy()
            rows[:-1][empty] = 0
        k = int(np.argmax(rows))
        top = None if k == len(rows) - 1 else column.texts.iloc[k]
        return top, int((rows[:-1] > 0).sum()), rows[k] / n
    every = pd.Index(values[:: max(1, n // 10_000)])
    candidate = every.value_counts(dropna=False).index[0]
    same = values.isna() if pd.isna(candidate) else values == candidate
    return (
        candidate,
        0 if column.blank.all() else max(every.nunique(), 1),
        float(np.asarray(same, dtype=float).mean()),
    )


def _identifier(column: Column, distinct: int, at: Thresholds, who: Any) -> tuple[str, str] | None:
    """Free text, or values that name the customer."""
    n = len(column.values)
    if n < at.min_rows:
        return None
    named = bool(_ID.search(str(column.name)))
    if column.is_text:
        look = column.texts.iloc[:: max(1, distinct // LOOK)]
        if distinct >= 0.5 * n and look.str.len().mean() >= 25 and look.str.count(r"\s").mean() >= 3:
            return (
                "text",
                f"{distinct} different texts in {n} rows, {look.str.len().mean():.0f} characters on average",
            )
        many = distinct >= at.unique * n or (named and distinct >= max(100, 0.05 * n))
        if (many and column.as_numbers.notna().mean() < 0.5) or (many and named):
            return "identifier", f"{distinct} different values in {n} rows"
    elif column.is_integer and (named or distinct >= min(n, 5_000) * at.unique):
        distinct = column.values.nunique()
        x = column.values.dropna().to_numpy(dtype=float)
        steps = np.diff(x)
        counts_up = distinct >= at.unique * n and (
            x.max() - x.min() < 2 * n or (steps > 0).all() or (steps < 0).all()
        )
        if counts_up or (named and distinct >= max(100, 0.05 * n)):
            return "identifier", f"{distinct} different whole numbers in {n} rows" + (
                ", counting up" if counts_up else ""
            )
    several = who is not None and who.max() + 1 <= n / 2  # with one row each every different value fits one customer
    if several and distinct > at.max_levels and (column.is_text or column.is_integer) and _one_to_one(column, who):
        return "identifier", f"one to one with the {who.max() + 1} customers"
    return None


def _date(column: Column, known: Instants | None) -> list[Finding]:
    """Dates, and those later than their snapshot."""
    if column.is_text:
        look = column.texts.iloc[:: max(1, len(column.texts) // LOOK)]
        if not len(look) or look.str.strip().str.match(_DATE).mean() < 0.9:
            return []
    elif column.dates is None:
        return []
    out = [("date", "holds dates", "turn it into days before the snapshot, as Features().recency() does", "drop")]
    when = column.dates
    if known is not None and when is not None and (late := int((when > known).sum())):
        out.append(
            ("leakage", f"{late} of {len(when)} dates are later than their snapshot", "not known in time", "drop")
        )
    return out


def _leaks(column: Column, look: NDArray[np.intp], outcome: Outcome, limits: Limits) -> list[Finding]:
    """A column that knows the outcome."""
    values = column.values
    if column.dates is not None and not column.is_text:
        values = pd.Series(column.dates)
    elif (
        column.is_text and len(column.texts) and (column.as_numbers.notna() | (column.texts.str.strip() == "")).all()
    ):
        values = pd.Series(np.append(column.as_numbers.to_numpy(dtype=float), np.nan)[column.codes])
    said = evidence(str(column.name), values.mask(column.blank).iloc[look], outcome, limits)
    return [("leakage", said, "leave it out unless it was surely known at the snapshot", "drop")] if said else []


def _one_to_one(column: Column, who: NDArray[np.int64]) -> bool:
    """Whether each value has one customer and each customer one value."""
    code = pd.factorize(column.values)[0]
    pairs = len(np.unique(code * (who.max() + 1) + who))
    return bool((code >= 0).all() and pairs == code.max() + 1 == who.max() + 1)


def _dropped(findings: list[Finding]) -> bool:
    return any(action == "drop" for *_, action in findings)


def _is_written(column: Column) -> bool:
    """Whether text was written as text, and is not numbers of type object."""
    return any(isinstance(v, str) for v in column.factorized[1][:LOOK])


def _kinds(column: Column) -> list[str]:
    """Types among the levels, whole and broken numbers being one."""
    names = {
        "number" if isinstance(v, Real) and not isinstance(v, bool) else type(v).__name__
        for v in column.factorized[1][: 50 * LOOK]
    }
    return sorted(names)


def _shown(value: Any) -> str:
    return "blank" if value is None or value != value else f"'{value}'"


def _outcome(y: Any, n: int, sample: int) -> tuple[NDArray[np.intp], Outcome | None]:
    """Rows on which leakage is judged, and who of them left."""
    if y is None:
        return np.zeros(0, dtype=np.intp), None
    left, known = binary(y, n)
    rows = np.flatnonzero(known)
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), sample)).astype(int))]
    return rows, Outcome.of(left[rows])


def _snapshots(when: Any, n: int) -> Instants | None:
    """Read the snapshots of the rows."""
    return (
        None
        if when is None
        else read_dates(pd.DataFrame({"dates": _of_length(when, n, "dates")}), "dates", "arguments")
    )


def _of_length(values: Any, n: int, name: str) -> pd.Series:
    """Check that an argument has one value per row."""
    out = values.reset_index(drop=True) if isinstance(values, pd.Series) else pd.Series(values)
    if len(out) != n:
        raise DataError(f"There are {len(out)} {name} for {n} rows: give one each.")
    return out


def _shares(**numbers: Any) -> list[float]:
    """Check shares."""
    for name, value in numbers.items():
        if not isinstance(value, Real) or isinstance(value, bool) or not 0 < float(value) <= 1:
            raise SpecError(f"`{name}` must be a number above 0 and up to 1, not {value!r}.")
    return [float(v) for v in numbers.values()]
