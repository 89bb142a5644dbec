"""What customers say in one question: CSAT, CES, and better or worse than expected."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from ..errors import DataError, SpecError
from ..inference import ShareInterval, choose
from .answers import Answers, Scale, read, read_one
from .design import Array
from .estimate import Measure, Point, evaluate
from .kinds import (
    NET_UNIT,
    mean_bounds,
    mean_measure,
    mean_point,
    net_bounds,
    net_measure,
    net_point,
    share_measure,
    span,
)


def csat(
    x: Any,
    *,
    data: Any = None,
    weights: Any = None,
    strata: Any = None,
    clusters: Any = None,
    by: Any = None,
    scale: Scale | None = None,
    measure: Literal["top_box", "mean", "index", "net"] = "top_box",
    top: int | None = None,
    neutral: Literal["dissatisfied", "excluded"] = "dissatisfied",
    interval: str | None = None,
    level: float = 0.95,
) -> Any:
    """Customer satisfaction score.

    Parameters
    ----------
    x : array-like of shape (n,), or column name
        Answers, a high one good.
    data, weights, strata, clusters, by
        As for :func:`nps`.
    scale : (lo, hi), optional
        Ends of the answer scale; by default those of the codebook, else 1-5.
    measure : {"top_box", "mean", "index", "net"}, default "top_box"
        Share of satisfied answers, 0-1; mean on the scale; mean on 0-100; satisfied less dissatisfied in points.
    top : int, optional
        How many of the highest answers count as satisfied. By default those above the middle of the scale: 4-5 on 1-5,
        5-7 on 1-7, 6-10 on 1-10.
    neutral : {"dissatisfied", "excluded"}, default "dissatisfied"
        By the strict rule the answer in the middle is no satisfied one and stays in the base; or it is left out.
    interval : str, optional
        For shares "wilson" (default), "wald", "agresti_coull" or "clopper_pearson"; for the net score as for
        :func:`nps`; for means always Student's.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    Estimate or DataFrame

    Raises
    ------
    DataError
        For answers outside the scale, with counts.
    SpecError
        For an unknown option.

    Notes
    -----
    se of a share is sqrt(p (1 - p) / n), of a mean sd / sqrt(n); with a design they are linearised.

    Examples
    --------
    >>> from cxmodels.metrics import csat
    >>> e = csat([5, 4, 4, 3, 2, 5, 4, 1, 5, 4])
    >>> e.value, e.method
    (0.7, 'share of answers 4-5 on 1-5; neutral 3 counts as dissatisfied; interval Wilson; simple random sample')
    """
    choose("measure", measure, ("top_box", "mean", "index", "net"))
    choose("neutral", neutral, ("dissatisfied", "excluded"))
    answers = read_one(x, data)
    ends = answers.scale(scale, (1, 5))
    middle = sum(ends) / 2
    if measure in ("mean", "index"):
        asked = mean_measure("CSAT", ends, index=measure == "index")
        return evaluate(asked, answers, weights=weights, strata=strata, clusters=clusters, by=by, level=level)
    answers.whole()
    high = (_cut(ends, top), ends[1])
    low = (ends[0], high[0] - 1 if neutral == "dissatisfied" and measure == "net" else np.ceil(middle) - 1)
    rule = ""
    if middle == round(middle):
        rule = (
            f"neutral {middle:g} counts as dissatisfied"
            if neutral == "dissatisfied"
            else f"without neutral {middle:g}"
        )
    if neutral == "excluded":
        answers = _without(answers, middle)
    if measure == "net":
        asked = net_measure(
            "CSAT net", high, low, ("satisfied", "neutral", "dissatisfied"), interval or "adjusted_wald", rule
        )
    else:
        asked = share_measure("CSAT", high, ends, interval or "wilson", rule)
    return evaluate(asked, answers, weights=weights, strata=strata, clusters=clusters, by=by, level=level)


def dissatisfaction(
    x: Any,
    *,
    data: Any = None,
    weights: Any = None,
    strata: Any = None,
    clusters: Any = None,
    by: Any = None,
    scale: Scale | None = None,
    neutral: Literal["dissatisfied", "neutral"] = "dissatisfied",
    interval: ShareInterval = "wilson",
    level: float = 0.95,
) -> Any:
    """Share of dissatisfied answers.

    Parameters
    ----------
    x : array-like of shape (n,), or column name
        Answers, a high one good.
    data, weights, strata, clusters, by
        As for :func:`nps`.
    scale : (lo, hi), optional
        Ends of the answer scale; by default those of the codebook, else 1-5.
    neutral : {"dissatisfied", "neutral"}, default "dissatisfied"
        Whether the answer in the middle counts as dissatisfied (the strict rule) or as neither.
    interval : {"wilson", "wald", "agresti_coull", "clopper_pearson"}, default "wilson"
        See :func:`cxmodels.inference.share_interval`.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    Estimate or DataFrame
        On 0-1.

    Raises
    ------
    DataError
        For answers outside the scale, with counts.

    Examples
    --------
    >>> from cxmodels.metrics import dissatisfaction
    >>> answers = [5, 4, 3, 3, 2]
    >>> dissatisfaction(answers).value, dissatisfaction(answers, neutral="neutral").value
    (0.6, 0.2)
    """
    choose("neutral", neutral, ("dissatisfied", "neutral"))
    answers = read_one(x, data)
    ends = answers.scale(scale, (1, 5))
    answers.whole()
    middle = sum(ends) / 2
    strict = neutral == "dissatisfied"
    low = (ends[0], np.floor(middle) if strict else np.ceil(middle) - 1)
    rule = f"neutral {middle:g} counts as {neutral}" if middle == round(middle) else ""
    asked = share_measure("Dissatisfied", low, ends, interval, rule)
    return evaluate(asked, answers, weights=weights, strata=strata, clusters=clusters, by=by, level=level)


def ces(
    x: Any,
    *,
    data: Any = None,
    weights: Any = None,
    strata: Any = None,
    clusters: Any = None,
    by: Any = None,
    scale: Scale | None = None,
    measure: Literal["mean", "top_box", "net", "index"] = "mean",
    top: int | None = None,
    bottom: int | None = None,
    reverse: bool = False,
    interval: str | None = None,
    level: float = 0.95,
) -> Any:
    """Customer Effort Score.

    Parameters
    ----------
    x : array-like of shape (n,), or column name
        Answers to "the company made it easy for me", a high one good.
    data, weights, strata, clusters, by
        As for :func:`nps`.
    scale : (lo, hi), optional
        Ends of the answer scale; by default those of the codebook, else 1-7.
    measure : {"mean", "top_box", "net", "index"}, default "mean"
        Mean on the scale; share of easy answers, 0-1; percent easy less percent hard, in points; mean on 0-100.
    top : int, optional
        How many of the highest answers count as easy. By default for the share those above the middle of the scale
        (5-7 on 1-7), for the net score the highest two (6-7).
    bottom : int, optional
        How many of the lowest count as hard in the net score; by default those below the middle (1-3 on 1-7).
    reverse : bool, default False
        True for the wording of 2010, "how much effort did you have to make", where a low answer is good.
    interval : str, optional
        As for :func:`csat`.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    Estimate or DataFrame

    Raises
    ------
    DataError
        For answers outside the scale, with counts.
    SpecError
        For an unknown option, or if easy and hard answers overlap.

    Notes
    -----
    Dixon, Freeman and Toman (2010), Harvard Business Review 88(7). There is no one convention for the net score: the
    boxes are named in ``method``.

    Examples
    --------
    >>> from cxmodels.metrics import ces
    >>> answers = [7, 6, 5, 7, 4, 6, 3, 7, 5, 6, 2, 6]
    >>> [round(ces(answers, measure=m).value, 4) for m in ("mean", "top_box", "net")]
    [5.3333, 0.75, 41.6667]
    """
    choose("measure", measure, ("mean", "top_box", "net", "index"))
    answers = read_one(x, data)
    ends = answers.scale(scale, (1, 7))
    if reverse:
        answers = Answers(sum(ends) - answers.values, answers.names, answers.survey, answers.named)
    if measure in ("mean", "index"):
        asked = mean_measure("CES", ends, index=measure == "index")
        return evaluate(asked, answers, weights=weights, strata=strata, clusters=clusters, by=by, level=level)
    answers.whole()
    if measure == "top_box":
        asked = share_measure("CES", (_cut(ends, top), ends[1]), ends, interval or "wilson")
    else:
        high = (_cut(ends, 2 if top is None else top), ends[1])
        low = (
            ends[0],
            np.ceil(sum(ends) / 2) - 1 if bottom is None else ends[0] + _count("bottom", bottom, ends) - 1,
        )
        if not ends[0] <= low[1] < high[0]:
            raise SpecError(f"The easy answers {span(high)} and the hard ones {span(low)} must not overlap.")
        asked = net_measure("CES net", high, low, ("easy", "neutral", "hard"), interval or "adjusted_wald")
    return evaluate(asked, answers, weights=weights, strata=strata, clusters=clusters, by=by, level=level)


def expectation_gap(
    x: Any,
    *,
    expected: Any = None,
    data: Any = None,
    weights: Any = None,
    strata: Any = None,
    clusters: Any = None,
    by: Any = None,
    scale: Scale | None = None,
    measure: Literal["gap", "mean", "index", "net"] = "gap",
    level: float = 0.95,
) -> Any:
    """How much better or worse than expected.

    Parameters
    ----------
    x : array-like of shape (n,), or column name
        Answers from "much worse" (low) to "much better than expected" (high); with `expected` the experience itself.
    expected : array-like of shape (n,), or column name, optional
        What each respondent had expected, on the same scale: the gap is then experience less expectation
        (Parasuraman, Zeithaml and Berry 1988, Journal of Retailing 64(1)).
    data, weights, strata, clusters, by
        As for :func:`nps`.
    scale : (lo, hi), optional
        Ends of the answer scale; by default those of the codebook, else 1-10.
    measure : {"gap", "mean", "index", "net"}, default "gap"
        Mean less the middle of the scale, so that 0 is "as expected"; mean on the scale; mean on 0-100; percent better
        less percent worse, in points. With `expected` "gap" or "net".
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    Estimate or DataFrame

    Raises
    ------
    DataError
        For answers outside the scale, with counts.

    Examples
    --------
    >>> from cxmodels.metrics import expectation_gap
    >>> expectation_gap([6, 7, 8, 5]).value
    1.0
    >>> expectation_gap([8, 7], expected=[9, 9]).value
    -1.5
    """
    choose("measure", measure, ("gap", "mean", "index", "net"))
    answers = read_one(x, data)
    ends = answers.scale(scale, (1, 10))
    middle = sum(ends) / 2
    if expected is not None:
        before = read(expected, data, "expected")
        if before.n != answers.n:
            raise DataError(f"There are {answers.n} experiences and {before.n} expectations: give one of each a row.")
        before.scale(ends, ends)
        if measure in ("mean", "index"):
            raise SpecError(f'measure="{measure}" speaks of one question; with expected= use "gap" or "net".')
        moved = answers.values - before.values
        answers = Answers(moved, answers.names, answers.survey, answers.named)
        middle = 0.0
    against = "expectation" if expected is not None else f"the middle {middle:g} of {span(ends)}"
    if measure == "net":
        shares = ("better", "as_expected", "worse")

        def point(x: Array, w: Array) -> Point:
            return net_point((x[:, 0] > middle).astype(float), (x[:, 0] < middle).astype(float), w, shares)

        method = f"percent above {against} less percent below; interval adjusted Wald"
        bounds = net_bounds("adjusted_wald", shares)
        asked = Measure("Expectation gap, net", NET_UNIT, method, point, bounds, ddof=0)
    elif measure == "gap":

        def gap(x: Array, w: Array) -> Point:
            return mean_point(x[:, 0] - middle, w)

        method = f"mean less {against}; interval t"
        asked = Measure("Expectation gap", f"points of {span(ends)}", method, gap, mean_bounds, student=True)
    else:
        asked = mean_measure("Better or worse than expected", ends, index=measure == "index")
    return evaluate(asked, answers, weights=weights, strata=strata, clusters=clusters, by=by, level=level)


def _cut(ends: Scale, top: int | None) -> float:
    """Lowest of the highest `top` answers; by default the first above the middle."""
    if top is None:
        return float(np.floor(sum(ends) / 2) + 1)
    return ends[1] - _count("top", top, ends) + 1


def _count(what: str, number: int, ends: Scale) -> int:
    """How many of the answers of a scale count, top or bottom."""
    if isinstance(number, bool) or number not in range(1, int(ends[1] - ends[0]) + 1):
        raise SpecError(
            f"{what} is how many of the answers {span(ends)} count, 1 to {ends[1] - ends[0]:g}, not {number!r}."
        )
    return number


def _without(answers: Answers, value: float) -> Answers:
    """Answers with one value set to missing."""
    left = np.where(answers.values == value, np.nan, answers.values)
    if np.isnan(left).all():
        raise DataError(f"All answers of '{answers.names[0]}' are the neutral {value:g}: without them none is left.")
    return Answers(left, answers.names, answers.survey, answers.named)
