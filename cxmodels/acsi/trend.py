"""Indices over three waves or more: what is left of their ups and downs when sampling error is taken out.

Local level: an index wanders and every wave measures it with an error of known size,

    y_t = mu_t + e_t,  e_t ~ N(0, se_t²);    mu_t = mu_{t-1} + u_t,  u_t ~ N(0, step² (time between waves)),

with mu_1 unknown (diffuse). The step is estimated by exact maximum likelihood, which is then that of the differences
between waves, and mu_t by the Kalman smoother given all waves (Durbin and Koopman 2012, *Time Series Analysis by State Space
Methods*, ch. 2; for repeated surveys Scott and Smith 1974, JASA 69). Line: the trend is straight, fitted by least
squares with weights 1 / se_t²; its lack of fit is sum (y_t - line_t)² / se_t², chi-squared with waves - 2 df.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError, DataWarning, SpecError, listed, near
from ..inference import ADJUSTMENTS, adjusted_pvalues, choose, quantile
from ..results import Result, axes
from .hierarchy import in_order

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .result import IndexResult

Array = NDArray[np.float64]
METHODS = ("local_level", "line")
STEPS = ("pooled", "unit")
_GRID = np.linspace(-6, 4, 41)  # decades of step² over the typical sampling variance
_GOLDEN = (np.sqrt(5) - 1) / 2


@dataclass(frozen=True, eq=False, repr=False)
class Trend(Result):
    """Indices over time, smoothed; made by :func:`trends`.

    Attributes
    ----------
    smoothed : DataFrame
        [unit..., construct, wave, index, index_se, smoothed, se, ci_lower, ci_upper], a line for every wave of every unit;
        the index and its own standard error are NaN where the unit was not measured, and se is that of the smoothed value.
    slopes : DataFrame
        [unit..., construct, slope, se, z, pvalue, pvalue_adjusted, ci_lower, ci_upper, lack_of_fit, waves]: straight lines,
        in points per unit of time, or per wave where waves are not numbers; lack_of_fit is the p-value of the line (NaN
        with two waves), and where it is small the se of the slope is too.
    steps : DataFrame
        [(unit...), construct, step, loglik]: standard deviation of the true movement per unit of time; empty for lines.
    method : str
        "local_level" or "line".
    level : float
        Confidence level.
    n_obs : int
        Measurements used.
    excluded : DataFrame
        Lines left out, [reason, rows].

    Examples
    --------
    >>> import cxmodels as cx
    >>> data, _ = cx.datasets.simulate_study(companies=3, respondents=60, years=5, seed=1)
    >>> waves = {year: cx.SatisfactionIndex().fit(part, "company", bootstrap=0) for year, part in data.groupby("year")}
    >>> trend = cx.acsi.trends(waves)
    >>> trend.series("Company 1", construct="Satisfaction")[["wave", "index", "smoothed", "se"]].round(1)
       wave  index  smoothed   se
    0  2024   78.7      77.5  1.1
    1  2025   79.2      77.5  1.1
    2  2026   74.7      77.5  1.1
    3  2027   77.9      77.5  1.1
    4  2028   75.0      77.4  1.1
    """

    smoothed: pd.DataFrame
    slopes: pd.DataFrame
    steps: pd.DataFrame
    method: str
    level: float
    n_obs: int
    excluded: pd.DataFrame
    warnings: tuple[str, ...] = ()

    def headline(self) -> list[tuple[str, str]]:
        """Method, waves, series, measurements used and left out.

        Returns
        -------
        list of (label, value)
        """
        waves = self.smoothed["wave"].unique()
        out = ", ".join(f"{r.rows} {r.reason}" for r in self.excluded.itertuples())
        said = "random walk and sampling error, Kalman smoother" if self.method == "local_level" else "straight line"
        return [
            ("Trend", said),
            ("Waves", f"{len(waves)}: {listed(waves)}"),
            ("Series", f"{len(self.slopes)}"),
            ("Measurements", f"{self.n_obs} used" + (f", excluded: {out}" if out else "")),
        ]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Frames of the summary, by title.

        Returns
        -------
        dict of DataFrame
        """
        tables = {"Smoothed indices (0-100)": self.smoothed, "Slopes, points per unit of time": self.slopes}
        return tables | ({"Steps, points": self.steps} if len(self.steps) else {})

    def series(self, *unit: Any, construct: str | None = None) -> pd.DataFrame:
        """Return one line over time.

        Parameters
        ----------
        *unit : object
            Values of the columns that name a unit; none if there is one.
        construct : str, optional
            By default Satisfaction, or the first there is.

        Returns
        -------
        DataFrame
            The lines of ``smoothed``.

        Raises
        ------
        SpecError
            If there is no such unit or construct.
        """
        keys = list(self.smoothed.columns[: self.smoothed.columns.get_loc("construct")])
        known = list(dict.fromkeys(self.smoothed[keys].itertuples(index=False, name=None)))
        unit = unit if unit or len(known) > 1 else known[0]
        if unit not in known:
            names = [", ".join(map(str, u)) for u in known]
            said = ", ".join(map(str, unit))
            raise SpecError(f"There is no unit '{said}'; there are {listed(names)}.{near(said, names)}")
        constructs = list(self.smoothed["construct"].unique())
        construct = construct or ("Satisfaction" if "Satisfaction" in constructs else constructs[0])
        if construct not in constructs:
            raise SpecError(f"There is no construct '{construct}'.{near(construct, constructs)}")
        mine = self.smoothed["construct"] == construct
        for key, value in zip(keys, unit, strict=True):
            mine &= self.smoothed[key] == value
        return self.smoothed[mine].reset_index(drop=True)

    def plot(self, *unit: Any, construct: str | None = None, ax: Axes | None = None) -> Axes:
        """Draw the measurements of a unit with their intervals, and the smoothed line with its own.

        Parameters
        ----------
        *unit : object
            As for :meth:`series`.
        construct : str, optional
            As for :meth:`series`.
        ax : Axes, optional
            Where to draw; a new one by default.

        Returns
        -------
        matplotlib.axes.Axes

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> import cxmodels as cx
        >>> data, _ = cx.datasets.simulate_study(companies=3, respondents=60, years=4, seed=1)
        >>> waves = {year: cx.SatisfactionIndex().fit(part, "company", bootstrap=0) for year, part in data.groupby("year")}
        >>> figure = Figure()
        >>> ax = cx.acsi.trends(waves).plot("Company 1", construct="Satisfaction", ax=figure.subplots())
        >>> figure.savefig("picture.png", dpi=300)  # doctest: +SKIP
        """
        return axes("index_trend", self, unit, construct, ax)


def trends(
    scores: pd.DataFrame | Mapping[Any, IndexResult],
    unit: str | Sequence[str] = (),
    wave: str = "wave",
    *,
    method: Literal["local_level", "line"] = "local_level",
    step: Literal["pooled", "unit"] = "pooled",
    waves: Sequence[Any] | None = None,
    adjust: str = "holm",
    level: float = 0.95,
) -> Trend:
    """Smooth indices over three waves or more, and test whether they rise or fall.

    Parameters
    ----------
    scores : DataFrame or mapping of wave to IndexResult
        [unit..., construct, wave, index, se], such as scores or aggregates of several waves one below the other; samples
        of different waves are independent. From results of :class:`cxmodels.SatisfactionIndex` units are known.
    unit : str or sequence of str, default ()
        Columns that name a unit; none for a single one, such as the nation.
    wave : str, default "wave"
        Column of the wave.
    method : {"local_level", "line"}, default "local_level"
        Whether the smoothed values follow a random walk, or a straight line.
    step : {"pooled", "unit"}, default "pooled"
        Whether all units share the size of the random walk's step, by construct, or each has its own, which takes
        many waves (ten, say) to be told from sampling error. Standard errors hold the step as estimated.
    waves : sequence, optional
        Waves in order, those without any measurement included. By default those that occur, in the order of time, and results in the
        order given. The distance of waves is that of their numbers, such as years, or 1 where they are not numbers.
    adjust : {"holm", "bh", "none"}, default "holm"
        Adjustment of the slopes' p-values for many units, within each construct.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    Trend

    Raises
    ------
    SpecError
        For an unknown option or column.
    DataError
        With fewer than three waves, a unit twice in a wave, standard errors that are missing or not above zero, or
        a wave that `waves` does not know.

    Warns
    -----
    DataWarning
        By "line", where indices scatter about straight lines by more than their sampling errors (p < 0.01 over all units
        of a construct): slopes are then averages of what bends, and their standard errors too small.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodels.acsi import trends
    >>> scores = pd.DataFrame({"year": [2021, 2022, 2023, 2025], "construct": "Satisfaction",
    ...                        "index": [70.0, 73.0, 71.0, 75.0], "se": 1.0})
    >>> found = trends(scores, wave="year")
    >>> found.smoothed[["wave", "smoothed", "se"]].round(2).values.tolist()
    [[2021.0, 70.47, 0.91], [2022.0, 72.34, 0.84], [2023.0, 71.58, 0.87], [2025.0, 74.62, 0.95]]
    >>> found.slopes[["slope", "se"]].round(3).values.tolist()
    [[1.057, 0.338]]
    """
    choose("method", method, METHODS)
    choose("step", step, STEPS)
    choose("adjust", adjust, ADJUSTMENTS)
    z = quantile(level)
    if not isinstance(scores, pd.DataFrame):
        if not isinstance(scores, Mapping) or not scores:
            raise SpecError(
                "trends takes a frame of scores, or results by wave, such as {2024: result, 2025: result}."
            )
        waves = list(scores) if waves is None else waves
        unit, wave = next(iter(scores.values())).keys, "wave"
        scores = _of_results(scores)
    keys = [unit] if isinstance(unit, str) else list(unit)
    table, order, excluded = _table(scores, keys, wave, waves)
    series = table[[*keys, "construct"]].drop_duplicates().reset_index(drop=True)
    place = (
        table[[*keys, "construct"]].merge(series.assign(_s=series.index), on=[*keys, "construct"])["_s"].to_numpy()
    )
    y = np.full((len(series), len(order)), np.nan)
    h = y.copy()
    at = pd.Index(order).get_indexer(table[wave])
    y[place, at], h[place, at] = table["index"], table["se"] ** 2
    time = _times(order)
    line = fit_lines(y, h, time)
    steps = pd.DataFrame(columns=["construct", "step", "loglik"])
    mean, variance = line.mean, line.variance
    if method == "local_level":
        shared = pd.factorize(series["construct"])[0]
        family = shared if step == "pooled" else np.arange(len(series))
        q, loglik = estimate_steps(y, h, time, family)
        mean, variance, _ = smooth(y, h, time, q[family])
        named = series[["construct"]].drop_duplicates() if step == "pooled" else series
        steps = named.assign(step=np.sqrt(q), loglik=loglik).reset_index(drop=True)
    se = np.sqrt(variance)
    lines = series.loc[np.repeat(series.index, len(order))].reset_index(drop=True)
    smoothed = lines.assign(
        wave=np.tile(np.array(order, dtype=object), len(series)),
        index=y.ravel(),
        index_se=np.sqrt(h).ravel(),
        smoothed=mean.ravel(),
        se=se.ravel(),
    ).infer_objects()
    smoothed["ci_lower"] = (smoothed["smoothed"] - z * smoothed["se"]).clip(lower=0)
    smoothed["ci_upper"] = (smoothed["smoothed"] + z * smoothed["se"]).clip(upper=100)
    slopes = pd.concat([series, _slopes(line, series["construct"], adjust, z)], axis=1)
    said = _bends(line, series["construct"]) if method == "line" else []
    for message in said:
        warnings.warn(message, DataWarning, stacklevel=2)
    return Trend(smoothed, slopes, steps, method, level, len(table), excluded, tuple(said))


# --- what comes in ------------------------------------------------------------------------------------------


def _of_results(results: Mapping[Any, IndexResult]) -> pd.DataFrame:
    """Scores of several waves, one below the other."""
    if len({r.keys for r in results.values()}) != 1:
        raise SpecError("The waves have different units; fit all with the same by=.")
    return pd.concat([r.scores.assign(wave=[w] * len(r.scores)) for w, r in results.items()], ignore_index=True)


def _table(
    scores: pd.DataFrame, keys: list[str], wave: str, waves: Sequence[Any] | None
) -> tuple[pd.DataFrame, list[Any], pd.DataFrame]:
    """Measurements, checked; waves in order; what was left out."""
    for column in (*keys, "construct", wave, "index", "se"):
        if column not in scores:
            raise SpecError(f"The scores have no column '{column}'.{near(column, map(str, scores.columns))}")
    if unnamed := int(scores[wave].isna().sum()):
        raise DataError(f"{unnamed} lines of the scores have no '{wave}'; fill it, or drop those lines.")
    for column in ("index", "se"):
        if not pd.api.types.is_numeric_dtype(scores[column]):
            raise DataError(f"The column '{column}' of the scores holds text; it must hold numbers.")
    blank = scores["index"].isna()
    table = scores[~blank].reset_index(drop=True)
    order = in_order(table[wave], "waves") if waves is None else list(waves)
    if strange := [w for w in table[wave].unique() if w not in order]:
        raise DataError(f"The scores hold {wave} {listed(strange)}, which waves= does not name.")
    if table[wave].nunique() < 3:
        raise DataError(f"A trend needs three waves or more; there are {table[wave].nunique()}.")
    if (twice := table.duplicated([*keys, "construct", wave])).any():
        raise DataError(f"{_named(table[twice], keys, wave)} stands twice in the scores; give one line per wave.")
    if (bad := ~(table["se"] > 0) | ~np.isfinite(table["se"])).any():
        raise DataError(
            f"{int(bad.sum())} standard errors are missing or not above zero, first of {_named(table[bad], keys, wave)}; "
            "leave those lines out."
        )
    gone = [("without an index", int(blank.sum()))] if blank.any() else []
    return table, order, pd.DataFrame(gone, columns=["reason", "rows"])


def _named(lines: pd.DataFrame, keys: list[str], wave: str) -> str:
    """The first line as text for a message."""
    first = lines.iloc[0]
    return ", ".join(str(first[c]) for c in (*keys, "construct", wave))


def _times(order: list[Any]) -> Array:
    """Waves on the time axis."""
    if all(isinstance(w, int | float | np.number) and not isinstance(w, bool) for w in order):
        time = np.array(order, dtype=float)
        if not (np.diff(time) > 0).all():
            raise SpecError("waves= must rise; give them from the earliest to the latest.")
        return time
    return np.arange(len(order), dtype=float)


# --- random walk --------------------------------------------------------------------------------------------


def smooth(y: Array, h: Array, time: Array, q: Array) -> tuple[Array, Array, Array]:
    """Kalman filter and smoother of many local levels at once, the first state diffuse.

    Parameters
    ----------
    y : ndarray of shape (series, waves)
        Measurements; NaN where there is none.
    h : ndarray of shape (series, waves)
        Their variances.
    time : ndarray of shape (waves,)
    q : ndarray of shape (series,)
        Variance of the step per unit of time.

    Returns
    -------
    mean, variance : ndarray of shape (series, waves)
        Of the states given all measurements.
    loglik : ndarray of shape (series,)
        Diffuse log-likelihood, without constants: - (log F_t + v_t² / F_t) / 2 over all measurements but the first.

    Examples
    --------
    >>> mean, variance, _ = smooth(np.array([[1.0, 3.0]]), np.ones((1, 2)), np.arange(2.0), np.zeros(1))
    >>> mean.tolist(), variance.tolist()
    ([[2.0, 2.0]], [[0.5, 0.5]])
    """
    n, waves = y.shape
    a, p = np.zeros((n, waves)), np.zeros((n, waves))
    begun, loglik = np.zeros(n, dtype=bool), np.zeros(n)
    for t in range(waves):
        if t:
            a[:, t], p[:, t] = a[:, t - 1], p[:, t - 1] + q * (time[t] - time[t - 1])
        seen = ~np.isnan(y[:, t])
        first, later = seen & ~begun, seen & begun
        a[first, t], p[first, t] = y[first, t], h[first, t]
        v, f = y[later, t] - a[later, t], p[later, t] + h[later, t]
        loglik[later] -= (np.log(f) + v**2 / f) / 2
        gain = p[later, t] / f
        a[later, t] += gain * v
        p[later, t] *= 1 - gain
        begun |= seen
    started = np.cumsum(~np.isnan(y), axis=1) > 0
    for t in range(waves - 2, -1, -1):
        ahead = q * (time[t + 1] - time[t])
        back = p[:, t] / np.where(started[:, t], p[:, t] + ahead, 1.0)
        mean = a[:, t] + back * (a[:, t + 1] - a[:, t])
        variance = p[:, t] + back**2 * (p[:, t + 1] - p[:, t] - ahead)
        a[:, t] = np.where(started[:, t], mean, a[:, t + 1])  # before the first measurement it walks back from there
        p[:, t] = np.where(started[:, t], variance, p[:, t + 1] + ahead)
    return a, p, loglik


def estimate_steps(y: Array, h: Array, time: Array, family: NDArray[np.intp]) -> tuple[Array, Array]:
    """Maximum-likelihood variances of the random walk's step, one for each family of series.

    Parameters
    ----------
    y, h, time
        As for :func:`smooth`.
    family : ndarray of int of shape (series,)
        Which series share a step.

    Returns
    -------
    q, loglik : ndarray of shape (families,)
    """
    unit = np.nanmedian(h) / np.diff(time).mean()

    families = int(family.max()) + 1

    def summed(values: Array) -> Array:
        return np.bincount(family, values, minlength=families).astype(float)

    def loglik(decades: Array) -> Array:
        return summed(smooth(y, h, time, unit * 10 ** decades[family])[2])

    grid = np.stack([loglik(np.full(families, d)) for d in _GRID])
    best = grid.argmax(axis=0)
    low, high = _GRID[np.maximum(best - 1, 0)], _GRID[np.minimum(best + 1, len(_GRID) - 1)]
    for _ in range(40):  # golden section of every family's bracket at once
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        up = loglik(left) < loglik(right)
        low, high = np.where(up, left, low), np.where(up, high, right)
    middle = (low + high) / 2
    found, still = loglik(middle), summed(smooth(y, h, time, np.zeros(len(y)))[2])
    return np.where(found > still + 1e-9, unit * 10**middle, 0.0), np.maximum(found, still)


# --- straight lines -----------------------------------------------------------------------------------------


class Lines(NamedTuple):
    """Weighted straight lines of many series: slope, its se, line and its variance by wave, chi-squared and df."""

    slope: Array
    se: Array
    mean: Array
    variance: Array
    misfit: Array
    df: Array


def fit_lines(y: Array, h: Array, time: Array) -> Lines:
    """Least squares with known variances, many series at once.

    Parameters
    ----------
    y, h, time
        As for :func:`smooth`.

    Returns
    -------
    Lines
        A series with one measurement has no slope (NaN) and a level line with its own error where it was measured.
    """
    seen = ~np.isnan(y)
    w = np.where(seen, 1 / np.where(seen, h, 1.0), 0.0)
    total = w.sum(axis=1)
    filled = np.where(seen, y, 0.0)
    middle, level = (w @ time) / total, (w * filled).sum(axis=1) / total
    away = time - middle[:, None]
    spread = (w * away**2).sum(axis=1)
    two = seen.sum(axis=1) > 1
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = np.where(two, (w * away * filled).sum(axis=1) / spread, np.nan)
        se = np.where(two, 1 / np.sqrt(spread), np.nan)
    mean = level[:, None] + slope[:, None] * away
    variance = 1 / total[:, None] + away**2 * se[:, None] ** 2
    alone = ~two[:, None] & seen
    mean, variance = np.where(alone, y, mean), np.where(alone, h, variance)
    misfit = (w * np.where(seen, filled - mean, 0.0) ** 2).sum(axis=1)
    return Lines(slope, se, mean, variance, misfit, seen.sum(axis=1) - 2.0)


def _slopes(line: Lines, construct: pd.Series, adjust: str, z: float) -> pd.DataFrame:
    """Tests and intervals of slopes."""
    from scipy.special import chdtrc, ndtr

    score = line.slope / line.se
    p = pd.Series(2 * ndtr(-np.abs(score)))
    adjusted = p.groupby(construct.to_numpy()).transform(lambda v: adjusted_pvalues(v.to_numpy(float), adjust))
    with np.errstate(invalid="ignore"):
        bends = np.where(line.df > 0, chdtrc(np.maximum(line.df, 1.0), line.misfit), np.nan)
    columns = {"slope": line.slope, "se": line.se, "z": score, "pvalue": p, "pvalue_adjusted": adjusted}
    ends = {"ci_lower": line.slope - z * line.se, "ci_upper": line.slope + z * line.se}
    return pd.DataFrame(columns | ends | {"lack_of_fit": bends, "waves": (line.df + 2).astype(int)})


def _bends(line: Lines, construct: pd.Series) -> list[str]:
    """Constructs whose indices do not follow straight lines, as sentences."""
    from scipy.special import chdtrc

    said = []
    for name, rows in construct.groupby(construct, sort=False).groups.items():
        own = [r for r in rows if line.df[r] > 0]
        misfit, df = line.misfit[own].sum(), line.df[own].sum()
        if df and chdtrc(df, misfit) < 0.01:
            said.append(
                f"Indices of '{name}' scatter about straight lines by more than their sampling errors "
                f"(chi-squared {misfit:.0f}, df {df:.0f}): standard errors of their slopes are too small."
            )
    return said
