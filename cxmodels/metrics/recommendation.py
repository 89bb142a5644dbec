"""Would customers, or employees, recommend us: NPS and eNPS."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DataError, SpecError
from .answers import Answers, Scale, read_one
from .estimate import evaluate
from .kinds import NetInterval, net_measure

ENOUGH = 30  # answers, of which none above 7 is no chance on a scale of 0-10


def nps(
    x: Any,
    *,
    data: Any = None,
    weights: Any = None,
    strata: Any = None,
    clusters: Any = None,
    by: Any = None,
    scale: Scale | None = None,
    interval: NetInterval = "adjusted_wald",
    level: float = 0.95,
) -> Any:
    """Net Promoter Score: percent who answer 9 or 10 less percent who answer 0 to 6.

    Parameters
    ----------
    x : array-like of shape (n,), or column name
        Answers to "how likely are you to recommend", whole numbers 0-10; missing ones are NaN or None.
    data : Survey or DataFrame, optional
        The table that column names speak of. A survey brings its weights.
    weights, strata, clusters : column name or array-like of shape (n,), optional
        Case weights and the design of the sample. Clusters are nested in strata.
    by : column name(s) or labels of shape (n,), optional
        Groups, such as segment, channel or wave.
    scale : (0, 10), optional
        Confirms the scale where all answers happen to lie in 1-5 or 1-7, or where a codebook says otherwise.
    interval : {"adjusted_wald", "score", "wald", "t"}, default "adjusted_wald"
        The value is always the raw score. Adjusted Wald (Rocks 2016) keeps its level in small samples and where a
        group is empty, but is wider than it need be where nearly all answer alike (98-100 % in place of 95 %); the score
        interval (Tango 1998) is not, and 93-96 % there. Wald and t have no width if all answer alike.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    Estimate or DataFrame
        In points; ``parts`` holds the shares of promoters, passives and detractors. With `by` one row per group.

    Raises
    ------
    DataError
        For answers outside 0-10 or not whole (with counts), and for answers that come from a scale of 1-5 or
        (30 answers or more) 1-7.
    SpecError
        For another scale, or an unknown option.

    Notes
    -----
    NPS = 100 (P - D) (Reichheld 2003, Harvard Business Review 81(12)); se = 100 sqrt((P + D - (P - D)²) / n). With
    ``interval="t"`` or a design the divisor is n - 1, as in R's survey package; weighted scores are linearised.

    Examples
    --------
    >>> from cxmodels.metrics import nps
    >>> e = nps([10] * 60 + [8] * 25 + [3] * 15)
    >>> round(e.value, 1), round(e.se, 3), round(e.ci_lower, 2), round(e.ci_upper, 2)
    (45.0, 7.399, 29.34, 58.04)
    """
    return _nps("NPS", x, data, weights, strata, clusters, by, scale, interval, level)


def enps(
    x: Any,
    *,
    data: Any = None,
    weights: Any = None,
    strata: Any = None,
    clusters: Any = None,
    by: Any = None,
    scale: Scale | None = None,
    interval: NetInterval = "adjusted_wald",
    level: float = 0.95,
) -> Any:
    """Employee Net Promoter Score: the NPS of the firm as a place to work.

    Parameters
    ----------
    x, data, weights, strata, clusters, by, scale, interval, level
        As for :func:`nps`.

    Returns
    -------
    Estimate or DataFrame

    Examples
    --------
    >>> from cxmodels.metrics import enps
    >>> enps([10, 9, 8, 2]).value
    25.0
    """
    return _nps("eNPS", x, data, weights, strata, clusters, by, scale, interval, level)


def _nps(
    name: str, x: Any, data: Any, weights: Any, strata: Any, clusters: Any, by: Any,
    scale: Scale | None, interval: str, level: float,
) -> Any:  # fmt: skip
    answers = read_one(x, data)
    _check_recommendation(answers, scale)
    measure = net_measure(name, (9, 10), (0, 6), ("promoters", "passives", "detractors"), interval)
    return evaluate(measure, answers, weights=weights, strata=strata, clusters=clusters, by=by, level=level)


def _check_recommendation(answers: Answers, scale: Scale | None) -> None:
    """Refuse what cannot be answers on 0-10."""
    column, why = answers.names[0], "promoters (9-10) and detractors (0-6) are defined on 0-10 only (Reichheld 2003)"
    known = answers.survey.scale(column)
    if scale is not None and tuple(scale) != (0, 10):
        raise SpecError(f"The NPS needs the scale 0-10, not {scale[0]:g}-{scale[1]:g}: {why}; use csat() instead.")
    if scale is None and known is not None and tuple(known) != (0, 10):
        raise DataError(
            f"Item '{column}' has the scale {known[0]:g}-{known[1]:g} in the codebook: {why}; use csat(), or correct "
            "the codebook."
        )
    answers.scale((0, 10), (0, 10))
    answers.whole()
    x = answers.values[~np.isnan(answers.values)]
    if scale is None and known is None and x.min() == 0 < x.max() == 1:
        raise DataError(
            f"All {len(x)} answers of '{column}' are 0 or 1, as of a yes or no, and {why}; use rate(), or, if the question did "
            "offer 0-10, pass scale=(0, 10)."
        )
    narrow = "five" if x.max() <= 5 else "seven" if x.max() == 7 and len(x) >= ENOUGH else ""
    if scale is None and known is None and 1 <= x.min() < x.max() and narrow:
        raise DataError(
            f"All {len(x)} answers of '{column}' lie in {x.min():g}-{x.max():g}, as on a {narrow}-point question, and "
            f"{why}: nobody would be a promoter. Use csat(); if the question did offer 0-10, pass scale=(0, 10)."
        )
