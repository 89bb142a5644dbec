"""How long customers wait: first response, resolution and handling time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError
from ..inference import choose, quantile
from . import waiting
from .answers import Answers, read, read_one
from .design import Array
from .estimate import Bounds, Estimate, Known, Measure, Point, evaluate
from .kinds import SHARE_UNIT, mean_bounds, mean_point, share_bounds, share_point

TimeMeasure = Literal["mean", "median", "p90", "geometric_mean", "within"]
MEASURES = ("mean", "median", "p90", "geometric_mean", "within")


def duration(
    x: Any,
    *,
    measure: TimeMeasure | float | Sequence[TimeMeasure | float] = "mean",
    target: float | None = None,
    open: Any = None,
    horizon: float | None = None,
    data: Any = None,
    weights: Any = None,
    strata: Any = None,
    clusters: Any = None,
    by: Any = None,
    unit: str = "in the unit of the data",
    level: float = 0.95,
    name: str = "Duration",
) -> Any:
    """Mean, median, 90th percentile or geometric mean of durations, or their share within a target.

    Parameters
    ----------
    x : array-like of shape (n,), or column name
        Durations, 0 or more; timedeltas are taken as seconds.
    measure : {"mean", "median", "p90", "geometric_mean", "within"}, a share, or several, default "mean"
        A number between 0 and 1 is any other percentile. Several give a frame with a row for each.
    target : float, optional
        For "within": the longest time that keeps the promise.
    open : array-like of bool of shape (n,), or column name, optional
        True where the duration is still running, such as a ticket not yet settled; :func:`elapsed` makes both from a
        log. Leaving out open matters makes times look short, as those are the long ones: they count as longer than
        they have lasted so far (product-limit estimate of Kaplan and Meier 1958).
    horizon : float, optional
        For the mean with `open`: every duration counts up to it at most. Needed where the longest one is open.
    data : Survey or DataFrame, optional
        The table that column names speak of.
    weights, strata, clusters : column name or array-like of shape (n,), optional
        Case weights and the design of the sample. Clusters are nested in strata.
    by : column name(s) or labels of shape (n,), optional
        Groups.
    unit : str, default "in the unit of the data"
        For the output, such as "minutes".
    level : float, default 0.95
        Confidence level.
    name : str, default "Duration"
        What the estimate is called.

    Returns
    -------
    Estimate or DataFrame

    Raises
    ------
    DataError
        For negative durations, and zeros in a geometric mean, with counts; for a mean without end.
    SpecError
        For an unknown measure, "within" without a target, or a geometric mean of open durations.

    Notes
    -----
    Means have Student's interval. Times are skewed, so one long case moves the mean: the geometric mean, with
    Student's interval of the logs, or a percentile say more of the usual case. Percentiles interpolate linearly
    (type 7 of Hyndman and Fan 1996; row i of the sorted ones stands at its cumulated weight). Their interval goes by
    ranks (Woodruff 1952; Korn and Graubard 1998): from the observed value with p - z sqrt(p (1 - p) / n) of the answers
    up to it, to the first with more than p + z sqrt(p (1 - p) / n). Where no value lies that far out the end is 0 or
    infinite: thirty answers cannot bound a 90th percentile. se is the slope of the percentile times the se of the share
    below it. The share within the target has Wilson's interval. With `open` all three follow from the product-limit curve
    and its Greenwood variance, linearised where there is a design: the interval of a percentile is that of Brookmeyer and
    Crowley (1982), Biometrics 38, of a share Wilson's at the effective number (Rothman 1978). A percentile that too few
    have reached is NaN, with an infinite upper end.

    Examples
    --------
    >>> from cxmodels.metrics import duration
    >>> minutes = [3, 5, 8, 12, 15, 22, 30, 45, 75, 240]
    >>> every = duration(minutes, measure=["mean", "median", "p90", "geometric_mean", "within"], target=60)
    >>> every["value"].round(2).tolist()
    [45.5, 18.5, 91.5, 20.24, 0.8]
    >>> e = duration(minutes, open=[False] * 6 + [True] * 4, measure="median")
    >>> e.value, e.ci_lower, e.ci_upper
    (18.5, 5.0, inf)
    """
    answers = _times(x, data, name)
    if open is not None:
        answers = _with_open(answers, open, data)
    elif horizon is not None:
        raise SpecError("horizon= is for durations of which some are open; give open= too.")
    options = {"weights": weights, "strata": strata, "clusters": clusters, "by": by, "level": level}
    if isinstance(measure, str | float | int):
        return evaluate(_measure(measure, target, horizon, answers, unit, name), answers, **options)
    frames = []
    for one in measure:
        found = evaluate(_measure(one, target, horizon, answers, unit, name), answers, **options)
        frame = found.frame if isinstance(found, Estimate) else found
        frame = frame.drop(columns=["metric", "sd"], errors="ignore")
        frame.insert(0, "measure", one)
        frames.append(frame)
    if not frames:
        raise SpecError("measure is an empty list; name at least one.")
    return pd.concat(frames, ignore_index=True)


def first_response_time(x: Any, **options: Any) -> Any:
    """Time from a customer's message to the first answer.

    Parameters
    ----------
    x : array-like of shape (n,), or column name
        Durations.
    **options
        As for :func:`duration`.

    Returns
    -------
    Estimate or DataFrame

    Examples
    --------
    >>> from cxmodels.metrics import first_response_time
    >>> first_response_time([5, 10, 60], measure="median", unit="minutes").value
    10.0
    """
    return duration(x, **{"name": "First response time", **options})


def resolution_time(x: Any, **options: Any) -> Any:
    """Time from a customer's message until the matter is settled.

    Parameters
    ----------
    x : array-like of shape (n,), or column name
        Durations. For matters still open how long they have lasted, with ``open=``: leaving them out makes times look
        short, as they are the long ones.
    **options
        As for :func:`duration`.

    Returns
    -------
    Estimate or DataFrame

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodels.metrics import resolution_time
    >>> resolution_time([2, 4, 24], measure="within", target=8).value.__round__(4)
    0.6667
    >>> from cxmodels.metrics import elapsed
    >>> log = pd.DataFrame({"asked": ["2025-03-03", "2025-03-04", "2025-03-05"], "settled": ["2025-03-04", None, None]})
    >>> waited = elapsed("asked", "settled", data=log, until="2025-03-06", unit="days")
    >>> resolution_time("duration", open="open", data=waited, measure="within", target=1).value.__round__(4)
    0.3333
    """
    return duration(x, **{"name": "Resolution time", **options})


def handling_time(talk: Any, hold: Any = None, wrap: Any = None, *, data: Any = None, **options: Any) -> Any:
    """Handling time of a contact: talk, hold and wrap-up together.

    Parameters
    ----------
    talk : array-like of shape (n,), or column name
        Talk time, or the whole handling time.
    hold, wrap : array-like of shape (n,), or column name, optional
        Added row by row; a row that lacks one is missing.
    data : Survey or DataFrame, optional
        The table that column names speak of.
    **options
        As for :func:`duration`.

    Returns
    -------
    Estimate or DataFrame

    Examples
    --------
    >>> from cxmodels.metrics import handling_time
    >>> handling_time([200, 300], [20, 0], [60, 60]).value
    320.0
    """
    answers = _times(talk, data, "talk")
    total = answers.values
    for part, said in ((hold, "hold"), (wrap, "wrap")):
        if part is not None:
            more = _times(part, data, said)
            if more.n != answers.n:
                raise DataError(
                    f"There are {answers.n} talk times and {more.n} {said} times: give one for every row."
                )
            total = total + more.values
    column = pd.Series(total[:, 0], index=answers.survey.frame.index, name="handling time")
    return duration(column, data=data, **{"name": "Handling time", **options})


def _times(x: Any, data: Any, name: str) -> Answers:
    if isinstance(x, str) and data is not None:
        from ..survey import as_survey

        frame = as_survey(data).frame
        if x in frame.columns and frame[x].dtype.kind == "m":
            x = frame[x]
    if getattr(getattr(x, "dtype", None), "kind", "") == "m":
        seconds = pd.Series(x).dt.total_seconds()
        x = seconds.rename(getattr(x, "name", None))
    answers = read_one(x, data, name)
    answers.at_least(0, "a duration is 0 or more")
    return answers


def _with_open(answers: Answers, open: Any, data: Any) -> Answers:
    """Durations, and beside them 1 where they are still running."""
    running = read(open, data, "open")
    running.only((0, 1), "True and False only")
    if running.n != answers.n:
        raise DataError(f"There are {answers.n} durations and {running.n} entries of open: give one for every row.")
    return replace(answers, values=np.column_stack([answers.values, running.values]), names=[*answers.names, "open"])


def _measure(
    kind: Any, target: float | None, horizon: float | None, answers: Answers, unit: str, name: str
) -> Measure:
    """The measure by its name; see :func:`duration`."""
    some_open = answers.values.shape[1] > 1
    if not isinstance(kind, str):
        if isinstance(kind, bool) or not 0 < kind < 1:
            raise SpecError(f"A percentile is a share between 0 and 1, not {kind!r}.")
        return (waiting.percentile if some_open else _percentile)(float(kind), unit, name)
    choose("measure", kind, MEASURES)
    limit = np.nan if target is None else float(target)
    if kind == "within" and not 0 <= limit < np.inf:
        raise SpecError(f'measure="within" needs target=, the longest time that keeps the promise, not {target!r}.')
    if some_open:
        if kind == "geometric_mean":
            raise SpecError("A geometric mean of durations still open is not known; ask for the median.")
        if kind == "mean":
            return waiting.restricted_mean(horizon, unit, name)
        if kind == "within":
            return waiting.share_within(limit, name)
        return waiting.percentile(0.5 if kind == "median" else 0.9, unit, name)
    if kind == "mean":
        return Measure(
            f"{name}, mean", unit, "mean; interval t", lambda x, w: mean_point(x[:, 0], w), mean_bounds, student=True
        )
    if kind == "geometric_mean":
        answers.at_least(0, "a geometric mean needs durations above 0", strict=True)
        method = "geometric mean; interval t on logs"
        return Measure(f"{name}, geometric mean", unit, method, _log_point, _log_bounds, student=True)
    if kind in ("median", "p90"):
        return _percentile(0.5 if kind == "median" else 0.9, unit, name)

    def within(x: Array, w: Array) -> Point:
        return share_point((x[:, 0] <= limit).astype(float), w)

    method = f"share within {limit:g}; interval Wilson"
    return Measure(f"{name}, within target", SHARE_UNIT, method, within, share_bounds("wilson"), ddof=0)


def _log_point(x: Array, w: Array) -> Point:
    logs = np.log(x[:, 0])
    m = float(np.average(logs, weights=w))
    return Point(float(np.exp(m)), np.exp(m) * (logs - m), {})


def _log_bounds(point: Point, known: Known) -> Bounds:
    half = quantile(known.level, known.df) * known.se / point.value
    return float(point.value * np.exp(-half)), float(point.value * np.exp(half))


def _percentile(p: float, unit: str, name: str) -> Measure:
    """Percentile with Woodruff's interval, found by inverting the weighted distribution."""
    said = "median" if p == 0.5 else f"p{100 * p:g}"

    def point(x: Array, w: Array) -> Point:
        at, values = positions(x[:, 0], w)
        q = float(np.interp(p, at, values))
        below = (x[:, 0] <= q).astype(float)
        reach = np.sqrt(p * (1 - p) / len(x)) * quantile(0.95)
        ends = max(p - reach, 0.0), min(p + reach, 1.0)
        width = float(np.subtract(*np.interp(ends[::-1], at, values)))
        influence = (np.average(below, weights=w) - below) * width / (ends[1] - ends[0])
        return Point(q, influence, {}, _ranks(x[:, 0], w))

    def bounds(point: Point, known: Known) -> Bounds:
        reach = quantile(known.level) * np.sqrt(p * (1 - p) / known.n_eff)
        return point.between(p - reach, p + reach) if point.between else (np.nan, np.nan)

    return Measure(f"{name}, {said}", unit, f"{said}, linear interpolation; interval by ranks", point, bounds)


def _ranks(x: Array, w: Array) -> Callable[[float, float], Bounds]:
    """From two shares to the observed values outside which they lie; 0 or infinity where none is far enough out."""
    order = np.argsort(x, kind="stable")
    values, reached = x[order], np.cumsum(w[order]) / w.sum()

    def between(low: float, high: float) -> Bounds:
        first = int(np.searchsorted(reached, low + 1e-12, side="right"))  # values with at most that share below
        last = int(np.searchsorted(reached, high + 1e-12, side="right"))
        return float(values[first - 1]) if first else 0.0, float(values[last]) if last < len(x) else np.inf

    return between


def positions(x: Array, w: Array) -> tuple[Array, Array]:
    """Return where the sorted values stand between 0 and 1.

    Parameters
    ----------
    x, w : ndarray of shape (n,)
        Values and weights.

    Returns
    -------
    at, values : ndarray of shape (n,)
        With equal weights (i - 1) / (n - 1), type 7 of Hyndman and Fan (1996); else the middle of each value's part
        of the cumulated weight, stretched so that the first and last stand at 0 and 1.

    Examples
    --------
    >>> at, values = positions(np.array([3.0, 1.0, 2.0]), np.ones(3))
    >>> at.tolist(), values.tolist()
    ([0.0, 0.5, 1.0], [1.0, 2.0, 3.0])
    """
    order = np.argsort(x, kind="stable")
    values, w = x[order], w[order]
    middle = np.cumsum(w) - w / 2
    reach = middle[-1] - middle[0]
    return ((middle - middle[0]) / reach if reach > 0 else np.linspace(0, 1, len(x))), values
