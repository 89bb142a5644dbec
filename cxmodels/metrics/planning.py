"""How many answers a wanted margin takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from ..errors import SpecError
from ..inference import choose, net_interval, quantile, share_interval
from ..results import Result
from .estimate import Estimate

Kind = Literal["share", "net", "mean", "csi", "geometric_mean", "percentile", "count"]
KINDS = ("share", "net", "mean", "csi", "geometric_mean", "percentile", "count")
#: Which kind each metric of the module is; csat, ces and duration are whichever of these their measure is.
METRICS = {
    "rate": "share", "fcr": "share", "fcr_from_log": "share", "response_rate": "share", "conversion": "share", "churn_rate": "share",
    "retention_rate": "share", "repeat_purchase": "share", "returning_customers": "share", "dissatisfaction": "share",
    "service_level": "share", "csat": "share", "top_box": "share", "within": "share", "nps": "net", "enps": "net",
    "ces": "mean", "expectation_gap": "mean", "duration": "mean", "first_response_time": "mean",
    "resolution_time": "mean", "handling_time": "mean", "quality_score": "mean", "checklist": "mean", "clv": "mean", "csi_indicators": "csi", "csi_tree": "csi", "csi": "csi",
    "median": "percentile", "p90": "percentile", "contact_rate": "count",
}  # fmt: skip


@dataclass(frozen=True, repr=False)
class SampleSize(Result):
    """How many answers are needed; made by :func:`sample_size`.

    Attributes
    ----------
    answers : int
        Answers, in each group.
    invitations : int or None
        People to ask, in each group, at the expected response rate.
    margin : float
        Half the width of the interval aimed at.
    method : str
        What was assumed.
    metric : str
        What is planned for.
    groups : int
        1, or 2 where the margin is that of a difference.

    Examples
    --------
    >>> import cxmodels as cx
    >>> cx.metrics.sample_size("nps", 5, promoters=0.4, detractors=0.2)
    Answers needed  858
    For             nps within ±5
    Assumed         promoters 0.4, detractors 0.2, 95% interval
    """

    answers: int
    invitations: int | None
    margin: float
    method: str
    metric: str
    groups: int = 1

    def __int__(self) -> int:
        return self.answers

    @property
    def n_obs(self) -> int:
        """Answers needed, in each group."""
        return self.answers

    @property
    def excluded(self) -> pd.DataFrame:
        """Nothing is left out: [reason, rows], empty."""
        return pd.DataFrame(columns=["reason", "rows"])

    def headline(self) -> list[tuple[str, str]]:
        """Return the answers needed and what was assumed.

        Returns
        -------
        list of (label, value)
        """
        each = " in each of 2 groups" if self.groups == 2 else ""
        rows = [("Answers needed", f"{self.answers}{each}"), ("For", f"{self.metric} within ±{self.margin:g}")]
        if self.invitations is not None:
            rows.append(("Invitations", f"{self.invitations}{each}"))
        return [*rows, ("Assumed", self.method)]


def sample_size(
    metric: str | Estimate,
    margin: float,
    *,
    share: float = 0.5,
    promoters: float | None = None,
    detractors: float | None = None,
    sd: float | None = None,
    quantile_at: float | None = None,
    rate: float | None = None,
    difference: bool = False,
    deff: float = 1.0,
    population: int | None = None,
    response_rate: float | None = None,
    level: float = 0.95,
) -> SampleSize:
    """Number of answers so that the interval of a metric is no wider than ± a margin.

    Parameters
    ----------
    metric : str or Estimate
        Name of a metric ("nps", "csat", "ces", "csi", "fcr", "duration", ...), a kind ("share", "net", "mean",
        "geometric_mean", "percentile", "count"), or an estimate from a pilot, which knows its own spread.
    margin : float
        Half the width of the interval: 0.03 for a share, 5 for NPS points, 0.1 for a mean on its scale, 2 for CSI
        points; for "geometric_mean" and "percentile" relative, such as 0.1 for 10 %.
    share : float, default 0.5
        Share expected; 0.5 is the worst case. The interval meant is Wilson's.
    promoters, detractors : float, optional
        Shares expected, for the net score; by default 0.4 and 0.25, variance 0.6275. The interval meant is adjusted
        Wald.
    sd : float, optional
        Standard deviation of the answers (mean), of respondents' own indices (csi, by default 15 points), or of the logs
        of the durations (geometric mean and percentile).
    quantile_at : float, optional
        Share below the percentile, by default 0.5 for a median ("p90": 0.9); the durations are taken as log-normal.
    rate : float, optional
        Contacts per transaction expected; answers are then transactions.
    difference : bool, default False
        Whether the margin is that of a difference of two groups or waves of that size each.
    deff : float, default 1
        Design effect of weights and clusters, by which the number is multiplied.
    population : int, optional
        Size of the population; a large part of it says more (Cochran 1977, ch. 4).
    response_rate : float, optional
        Share of the invited who answer.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    SampleSize
        ``int()`` of it is the number of answers.

    Raises
    ------
    SpecError
        For an unknown metric, a margin of 0 or less, or an assumption that is missing or impossible.

    Notes
    -----
    n = (z sd / margin)² with sd = sqrt(P + D - (P - D)²) 100 for net scores; for shares and net scores the smallest n
    at which the interval named has the margin. For a percentile p of log-normal times the relative se is
    sd sqrt(p (1 - p) / n) / phi(z_p).

    Examples
    --------
    >>> from cxmodels.metrics import sample_size
    >>> int(sample_size("share", 0.05)), int(sample_size("nps", 5, promoters=0.5, detractors=0.2))
    (381, 935)
    >>> int(sample_size("mean", 0.1, sd=1.0)), int(sample_size("csat", 0.05, population=1000))
    (385, 277)
    """
    z = quantile(level)
    if not (np.isfinite(margin) and margin > 0):
        raise SpecError(f"The margin is half the width of the interval, above 0, not {margin!r}.")
    if not (np.isfinite(deff) and deff > 0):
        raise SpecError(f"deff is how many times more answers the design needs, above 0, not {deff!r}.")
    _inside("share", share)
    narrow = margin / np.sqrt(2) if difference else margin
    if isinstance(metric, Estimate):
        if not metric.n > 1 or not metric.se > 0:
            raise SpecError(f"The pilot of {metric.metric} has no standard error, so it cannot tell its spread.")
        n, said, name = (
            (z * metric.se / narrow) ** 2 * metric.n,
            f"the pilot's se with {metric.n} answers",
            metric.metric,
        )
    else:
        name = metric
        kind = METRICS.get(metric, metric)
        choose("metric", kind if kind in KINDS else metric, (*KINDS, *METRICS))
        at = quantile_at if quantile_at is not None else 0.9 if metric == "p90" else 0.5
        n, said = _needed(
            kind, narrow, z, level, share=share, promoters=promoters, detractors=detractors, sd=sd, at=at, rate=rate
        )
    n *= deff
    if deff != 1:
        said += f", design effect {deff:g}"
    if population is not None:
        if not population >= 1:
            raise SpecError(f"population must be 1 or more, not {population!r}.")
        n = n / (1 + (n - 1) / population)
        said += f", population {population}"
    answers = max(int(np.ceil(n - 1e-9)), 2)
    invited = None
    if response_rate is not None:
        _inside("response_rate", response_rate, zero=False)
        invited = int(np.ceil(answers / response_rate - 1e-9))
        said += f", response rate {response_rate:g}"
    said = f"{said}, {100 * level:g}% interval" + (", of a difference" if difference else "")
    return SampleSize(answers, invited, margin, said, name, 2 if difference else 1)


def _needed(kind: str, margin: float, z: float, level: float, **assumed: Any) -> tuple[float, str]:
    """Answers by kind, and what they rest on."""
    sd = assumed["sd"]
    if kind == "share":
        p = assumed["share"]
        return _smallest(lambda n: share_interval(p, n, "wilson", level), margin), f"share {p:g}"
    if kind == "net":
        top, bottom = assumed["promoters"], assumed["detractors"]
        top, bottom = 0.4 if top is None else top, 0.25 if bottom is None else bottom
        _inside("promoters", top)
        _inside("detractors", bottom)
        if top + bottom > 1:
            raise SpecError(f"promoters {top:g} and detractors {bottom:g} are more than all.")
        n = _smallest(lambda n: tuple(100 * v for v in net_interval(top, bottom, n, level)), margin)
        return n, f"promoters {top:g}, detractors {bottom:g}"
    if kind == "count":
        rate = assumed["rate"]
        if rate is None or not rate > 0:
            raise SpecError("contact_rate needs rate=, the contacts per transaction expected, above 0.")
        return z * z * rate / margin**2, f"Poisson contacts, {rate:g} per transaction"
    if kind == "csi" and sd is None:
        sd = 15.0
    if sd is None or not (np.isfinite(sd) and sd > 0):
        raise SpecError(
            f"A {kind.replace('_', ' ')} needs sd=, the standard deviation expected, above 0, not {sd!r}."
        )
    if kind == "geometric_mean":
        return (z * sd / np.log1p(margin)) ** 2, f"sd {sd:g} of logs"
    if kind == "percentile":
        from scipy.special import ndtri

        p = assumed["at"]
        if not 0 < p < 1:
            raise SpecError(f"quantile_at must be a share above 0 and below 1, not {p!r}.")
        density = np.exp(-(ndtri(p) ** 2) / 2) / np.sqrt(2 * np.pi)
        return (
            z * sd * np.sqrt(p * (1 - p)) / density / np.log1p(margin)
        ) ** 2, f"log-normal, sd {sd:g} of logs, p {p:g}"
    return (z * sd / margin) ** 2, f"sd {sd:g}"


def _smallest(interval: Any, margin: float) -> int:
    """Smallest n at which half the width of an interval is within the margin; widths fall with n."""

    def fits(n: int) -> bool:
        lower, upper = interval(n)
        return (upper - lower) / 2 <= margin * (1 + 1e-12)

    high = 2
    while not fits(high):
        high *= 2
        if high > 1e15:
            raise SpecError(f"No sample is large enough for a margin of {margin:g}.")
    low = 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


def _inside(name: str, value: float, zero: bool = True) -> None:
    if not (np.isfinite(value) and (0 <= value <= 1 if zero else 0 < value <= 1)):
        raise SpecError(f"{name} must be a share between 0 and 1, not {value!r}.")
