"""A metric along the touchpoints of a customer's journey."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError, listed
from ..inference import Adjustment, adjusted_pvalues
from ..results import Result
from .answers import Answers, design_of, key_frame, labels, read
from .comparison import differences


@dataclass(frozen=True, eq=False, repr=False)
class Journey(Result):
    """A metric at ordered touchpoints; made by :func:`journey`.

    Attributes
    ----------
    frame : DataFrame
        One row per touchpoint: [touchpoint, value, se, ci_lower, ci_upper, n, missing, ...]; with ``by=`` one per group
        and touchpoint, the columns of the groups first.
    changes : DataFrame
        From each touchpoint to the next, as of :func:`differences`, with [group, reference, difference, se, t, pvalue,
        pvalue_adjusted, ...]; with ``by=`` of every group.
    metric : str
        Name of the metric.
    level : float
        Confidence level.
    by : tuple of str
        Columns of `frame` that name the group; empty without ``by=``.
    gaps : DataFrame
        With ``by=``: differences between every two groups at each touchpoint, with tests; else empty.

    Examples
    --------
    >>> import pandas as pd
    >>> import cxmodels as cx
    >>> stay = pd.DataFrame({"book": [5, 4, 5, 4], "arrive": [4, 4, 5, 3], "leave": [2, 3, 4, 2]})
    >>> found = cx.metrics.journey(cx.metrics.csat, ["book", "arrive", "leave"], data=stay, measure="mean")
    >>> found.frame[["touchpoint", "value"]].values.tolist()
    [['book', 4.5], ['arrive', 4.0], ['leave', 2.75]]
    """

    frame: pd.DataFrame
    changes: pd.DataFrame
    metric: str
    level: float
    by: tuple[str, ...] = ()
    gaps: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def n_obs(self) -> int:
        """Answers used, over all touchpoints."""
        return int(self.frame["n"].sum())

    @property
    def excluded(self) -> pd.DataFrame:
        """Answers missing by touchpoint, [reason, rows]."""
        gone = self.frame[self.frame["missing"] > 0]
        return pd.DataFrame(
            {
                "reason": [f"no answer at {self._place(row)}" for _, row in gone.iterrows()],
                "rows": list(gone["missing"]),
            }
        )

    def _place(self, row: pd.Series) -> str:
        """A touchpoint, and whose."""
        return f"{row['touchpoint']}" + (f" ({', '.join(str(row[k]) for k in self.by)})" if self.by else "")

    def headline(self) -> list[tuple[str, str]]:
        """Return the metric, its lowest point and its largest sure drop.

        Returns
        -------
        list of (label, value)
        """
        low = self.frame.sort_values("value", kind="stable").iloc[0]
        drops = self.changes[(self.changes["pvalue_adjusted"] < 1 - self.level) & (self.changes["difference"] < 0)]
        rows = [
            (f"Journey, {self.metric}", f"{self.frame['touchpoint'].nunique()} touchpoints, {self.n_obs} answers"),
            ("Lowest", f"{self._place(low)}, " + f"{low['value']:.4g}".replace("-", "−")),
        ]
        if len(drops):
            worst = drops.sort_values("difference", kind="stable").iloc[0]
            whose = f"{', '.join(str(worst[k]) for k in self.by)}: " if self.by else ""
            size = f"{worst['difference']:.4g}".replace("-", "−")
            return [*rows, ("Largest sure drop", f"{whose}{worst['reference']} to {worst['group']}, {size}")]
        return [*rows, ("Largest sure drop", "none")]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return touchpoints and changes for display.

        Returns
        -------
        dict of DataFrame
        """
        shown = ["group", "reference", "difference", "se", "pvalue", "pvalue_adjusted", "ci_lower", "ci_upper"]
        out = {"Touchpoints": self.frame.drop(columns="method"), "Changes": self.changes[[*self.by, *shown]]}
        return out | ({"Between groups": self.gaps[["touchpoint", *shown]]} if len(self.gaps) else {})


def journey(
    metric: Callable[..., Any],
    answers: Any,
    touchpoint: Any = None,
    *,
    data: Any = None,
    order: Sequence[Any] | None = None,
    respondent: Any = None,
    weights: Any = None,
    strata: Any = None,
    clusters: Any = None,
    by: Any = None,
    adjust: Adjustment = "holm",
    level: float = 0.95,
    **options: Any,
) -> Journey:
    """Follow a metric along ordered touchpoints, with a test of every step.

    Parameters
    ----------
    metric : callable
        One that takes a single column, such as `csat`, `nps`, `rate` or `duration`.
    answers : list of column names, mapping of touchpoint to column, frame, or one column
        Wide: one column per touchpoint, in the order of the journey. Long: all answers, with `touchpoint`.
    touchpoint : column name or labels of shape (n,), optional
        Of each answer in long data; in the order of its categories, or as `order` says.
    data : Survey or DataFrame, optional
        The table that column names speak of.
    order : sequence, optional
        Touchpoints of long data in the order of the journey.
    respondent : column name or labels of shape (n,), optional
        Who answered, in long data: steps of the same person are then compared as pairs. Wide data do so by row.
    weights, strata, clusters : column name or array-like of shape (n,), optional
        Case weights and the design of the sample.
    by : column name(s) or labels of shape (n,), optional
        Groups whose journeys are followed side by side and compared at every touchpoint.
    adjust : {"holm", "bh", "none"}, default "holm"
        Adjustment of the p-values for the number of steps, of all groups; and for the number of gaps between groups.
    level : float, default 0.95
        Confidence level.
    **options
        Further arguments of the metric.

    Returns
    -------
    Journey

    Raises
    ------
    SpecError
        For fewer than two touchpoints, or an order that leaves one out.

    Examples
    --------
    >>> import cxmodels as cx
    >>> import pandas as pd
    >>> from cxmodels.metrics import journey
    >>> stay = pd.DataFrame({"book": [5, 4, 5, 4], "arrive": [4, 4, 5, 3], "leave": [2, 3, 4, 2]})
    >>> j = journey(cx.metrics.csat, ["book", "arrive", "leave"], data=stay, measure="mean")
    >>> j.frame[["touchpoint", "value"]].values.tolist()
    [['book', 4.5], ['arrive', 4.0], ['leave', 2.75]]
    """
    if touchpoint is None:
        if order is not None or respondent is not None:
            raise SpecError("order= and respondent= are for long data, with touchpoint=.")
        x, where, who, design, keys = _stacked(answers, data, weights, strata, clusters, by)
    else:
        x, where, who, design, keys = _long(
            answers, touchpoint, data, order, respondent, weights, strata, clusters, by
        )
    if len(where.cat.categories) < 2:
        raise SpecError(f"A journey needs at least two touchpoints, not {listed(where.cat.categories)}.")
    common = {**options, "weights": design["weights"], "strata": design["strata"], "level": level}
    pairs = design["clusters"] if design["clusters"] is not None else who
    where = where.rename("touchpoint")
    called = getattr(metric, "__name__", str(metric))
    if keys is None:
        frame = metric(x, by=where, clusters=design["clusters"], **common)
        changes = differences(metric, x, by=where, compare="previous", adjust=adjust, clusters=pairs, **common)
        return Journey(frame, changes, called, level)
    names = tuple(map(str, keys.columns))
    frame = metric(x, by=keys.assign(touchpoint=where), clusters=design["clusters"], **common)
    if hidden := [n for n in names if n == "touchpoint" or f"group_{n}" in set(frame) - set(names)]:
        raise SpecError(
            f"The groups may not be called {listed(hidden)}, which the result uses itself; rename the column."
        )
    groups = frame[list(names)].drop_duplicates().itertuples(index=False, name=None)
    inside = {
        g: np.logical_and.reduce([keys[n].to_numpy() == v for n, v in zip(names, g, strict=True)]) for g in groups
    }
    steps = {
        g: differences(metric, x.where(rows), by=where, compare="previous", clusters=pairs, **common)
        for g, rows in inside.items()
    }
    gaps = {
        (t,): differences(metric, x.where(where == t), by=keys, clusters=design["clusters"], **common)
        for t in where.cat.categories
    }
    return Journey(frame, _joined(steps, names, adjust), called, level, names, _joined(gaps, ("touchpoint",), adjust))


def _joined(parts: Mapping[tuple[Any, ...], pd.DataFrame], names: Sequence[str], adjust: Adjustment) -> pd.DataFrame:
    """Tests of several families below one another, adjusted as one."""
    frames = []
    for key, part in parts.items():
        for at, (name, value) in enumerate(zip(names, key, strict=True)):
            part.insert(at, name, value)
        frames.append(part)
    out = pd.concat(frames, ignore_index=True)
    return out.assign(pvalue_adjusted=adjusted_pvalues(out["pvalue"].to_numpy(float), adjust))


Parts = tuple[pd.Series, pd.Series, Any, dict[str, Any], pd.DataFrame | None]


def _stacked(answers: Any, data: Any, weights: Any, strata: Any, clusters: Any, by: Any) -> Parts:
    """Wide answers as one long column; the respondent is the row."""
    names = list(answers) if isinstance(answers, Mapping) and data is not None else None
    wide = read([answers[n] for n in names] if names else answers, data)
    said = [str(n) for n in names] if names else wide.names
    k = len(said)
    design = _design(wide, weights, strata, clusters)
    x = pd.Series(wide.values.T.ravel(), name="answers")
    where = pd.Series(pd.Categorical(np.repeat(said, wide.n), categories=said))
    repeated = {role: None if v is None else np.tile(v, k) for role, v in design.items()}
    keys = None if by is None else pd.concat([key_frame(wide, by)] * k, ignore_index=True)
    return x, where, np.tile(np.arange(wide.n), k), repeated, keys


def _long(
    answers: Any, touchpoint: Any, data: Any, order: Any, respondent: Any, weights: Any, strata: Any, clusters: Any,
    by: Any,
) -> Parts:  # fmt: skip
    one = read(answers, data)
    where = labels(one, touchpoint, "touchpoint")
    if order is not None:
        if left := [v for v in where.dropna().unique() if v not in order]:
            raise SpecError(f"order leaves out the touchpoints {listed(left)}.")
        where = where.astype(pd.CategoricalDtype(list(order)))
    elif not isinstance(where.dtype, pd.CategoricalDtype):
        where = where.astype("category")
    where = where.cat.remove_unused_categories()
    who = None if respondent is None else labels(one, respondent, "respondent").to_numpy()
    x = pd.Series(one.values[:, 0], name=one.names[0])
    keys = None if by is None else key_frame(one, by)
    return x, where, who, _design(one, weights, strata, clusters), keys


def _design(answers: Answers, weights: Any, strata: Any, clusters: Any) -> dict[str, Any]:
    """Weights and labels by value, since the rows are about to be stacked."""
    design = design_of(answers, weights, None, None, np.ones(answers.n, dtype=bool))
    given = {"strata": strata, "clusters": clusters}
    out = {k: None if v is None else labels(answers, v, k).to_numpy() for k, v in given.items()}
    if any(v is not None and pd.isna(v).any() for v in out.values()):
        raise DataError("strata or clusters are missing in some rows; fill them or drop those rows.")
    return {"weights": design.weights if design.weighted else None, **out}
