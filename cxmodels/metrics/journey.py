"""A metric along the touchpoints of a customer's journey."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError, listed
from ..inference import Adjustment
from ..results import Result
from .answers import Answers, design_of, labels, read
from .comparison import differences


@dataclass(frozen=True, eq=False, repr=False)
class Journey(Result):
    """A metric at ordered touchpoints; made by :func:`journey`.

    Attributes
    ----------
    frame : DataFrame
        One row per touchpoint: [touchpoint, value, se, ci_lower, ci_upper, n, missing, ...].
    changes : DataFrame
        From each touchpoint to the next, as of :func:`differences`, with [group, reference, difference, se, t, pvalue,
        pvalue_adjusted, ...].
    metric : str
        Name of the metric.
    level : float
        Confidence level.
    """

    frame: pd.DataFrame
    changes: pd.DataFrame
    metric: str
    level: float

    @property
    def n_obs(self) -> int:
        """Answers used, over all touchpoints."""
        return int(self.frame["n"].sum())

    @property
    def excluded(self) -> pd.DataFrame:
        """Answers missing by touchpoint, [reason, rows]."""
        gone = self.frame[self.frame["missing"] > 0]
        return pd.DataFrame(
            {"reason": [f"no answer at {t}" for t in gone["touchpoint"]], "rows": list(gone["missing"])}
        )

    def headline(self) -> list[tuple[str, str]]:
        """Return the metric, its lowest point and its largest sure drop.

        Returns
        -------
        list of (label, value)
        """
        low = self.frame.sort_values("value", kind="stable").iloc[0]
        drops = self.changes[(self.changes["pvalue_adjusted"] < 1 - self.level) & (self.changes["difference"] < 0)]
        rows = [
            (f"Journey, {self.metric}", f"{len(self.frame)} touchpoints, {self.n_obs} answers"),
            ("Lowest", f"{low['touchpoint']} ({low['value']:.4g})".replace("-", "−")),
        ]
        if len(drops):
            worst = drops.sort_values("difference", kind="stable").iloc[0]
            said = f"{worst['reference']} to {worst['group']} ({worst['difference']:.4g})"
            return [*rows, ("Largest sure drop", said.replace("(-", "(−"))]
        return [*rows, ("Largest sure drop", "none")]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return touchpoints and changes for display.

        Returns
        -------
        dict of DataFrame
        """
        shown = ["group", "reference", "difference", "se", "pvalue", "pvalue_adjusted", "ci_lower", "ci_upper"]
        return {"Touchpoints": self.frame.drop(columns="method"), "Changes": self.changes[shown]}


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
    adjust : {"holm", "bh", "none"}, default "holm"
        Adjustment of the p-values for the number of steps.
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
    >>> stay = pd.DataFrame({"book": [5, 4, 5, 4], "arrive": [4, 4, 5, 3], "leave": [2, 3, 4, 2]})
    >>> j = journey(cx.metrics.csat, ["book", "arrive", "leave"], data=stay, measure="mean")
    >>> j.frame[["touchpoint", "value"]].values.tolist()
    [['book', 4.5], ['arrive', 4.0], ['leave', 2.75]]
    """
    if touchpoint is None:
        x, where, who, design = _stacked(answers, data, weights, strata, clusters)
        if order is not None or respondent is not None:
            raise SpecError("order= and respondent= are for long data, with touchpoint=.")
    else:
        x, where, who, design = _long(answers, touchpoint, data, order, respondent, weights, strata, clusters)
    if len(where.cat.categories) < 2:
        raise SpecError(f"A journey needs at least two touchpoints, not {listed(where.cat.categories)}.")
    common = {**options, "weights": design["weights"], "strata": design["strata"], "level": level}
    frame = metric(x, by=where.rename("touchpoint"), clusters=design["clusters"], **common)
    pairs = design["clusters"] if design["clusters"] is not None else who
    changes = differences(metric, x, by=where, compare="previous", adjust=adjust, clusters=pairs, **common)
    return Journey(frame, changes, getattr(metric, "__name__", str(metric)), level)


def _stacked(answers: Any, data: Any, weights: Any, strata: Any, clusters: Any) -> tuple[Any, pd.Series, Any, dict]:
    """Wide answers as one long column; the respondent is the row."""
    names = list(answers) if isinstance(answers, Mapping) and data is not None else None
    wide = read([answers[n] for n in names] if names else answers, data)
    said = [str(n) for n in names] if names else wide.names
    k = len(said)
    design = _design(wide, weights, strata, clusters)
    x = pd.Series(wide.values.T.ravel(), name="answers")
    where = pd.Series(pd.Categorical(np.repeat(said, wide.n), categories=said))
    repeated = {role: None if v is None else np.tile(v, k) for role, v in design.items()}
    return x, where, np.tile(np.arange(wide.n), k), repeated


def _long(
    answers: Any, touchpoint: Any, data: Any, order: Any, respondent: Any, weights: Any, strata: Any, clusters: Any
) -> tuple[Any, pd.Series, Any, dict]:
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
    return x, where, who, _design(one, weights, strata, clusters)


def _design(answers: Answers, weights: Any, strata: Any, clusters: Any) -> dict[str, Any]:
    """Weights and labels by value, since the rows are about to be stacked."""
    design = design_of(answers, weights, None, None, np.ones(answers.n, dtype=bool))
    given = {"strata": strata, "clusters": clusters}
    out = {k: None if v is None else labels(answers, v, k).to_numpy() for k, v in given.items()}
    if any(v is not None and pd.isna(v).any() for v in out.values()):
        raise DataError("strata or clusters are missing in some rows; fill them or drop those rows.")
    return {"weights": design.weights if design.weighted else None, **out}
