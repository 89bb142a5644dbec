"""Whether importance differs between segments or waves: moderation, Chow's test, and bootstrap differences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError, SpecError, listed, near
from ..inference import adjusted_pvalues, choose
from ..resampling import check_level, entropy
from ..results import Result
from .bootstrap import DriverBootstrap, run
from .coefficients import freedom, linear, ordinal, simple, tested
from .likelihood import Ordinal, categories
from .table import filled

if TYPE_CHECKING:
    from .result import DriverResult

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Segments(Result):
    """Driver analyses of segments; made by :meth:`DriverResult.segments`.

    Attributes
    ----------
    by : str
        Column of the segments.
    fits : dict of DriverBootstrap
        One for each segment.
    importance : DataFrame
        [segment, attribute, n_obs, importance, share, rank, coef, se, ci_lower, ci_upper, rank_lower, rank_upper].
    differences : DataFrame
        [attribute, first, second, est, se, z, pvalue, pvalue_adjusted, ci_lower, ci_upper] of importance, or of shares.
    moderation : DataFrame
        Index attribute: test that its slope is the same in all segments, [F, df1, df2, pvalue, pvalue_adjusted].
    slopes : Series
        Test that all slopes are the same: F, df1, df2, pvalue.
    chow : Series
        Test that slopes and level are the same (Chow 1960): F, df1, df2, pvalue.
    n_obs : int
        Rows used, over all segments.
    excluded : DataFrame
        Rows left out, [reason, rows].

    Notes
    -----
    The tests are F tests of least squares; in logit and ordered models likelihood-ratio tests, F their chi-square over
    df1 and df2 infinite, where the level is one shift of all thresholds; with weights or a design Wald's of the linearised
    covariance. Over imputations chi-squares are pooled by D2 of Li, Meng, Raghunathan and Rubin (1991).

    Examples
    --------
    >>> import cxmodels as cx
    >>> data = cx.datasets.load("mobi").assign(region=["north", "south"] * 125)
    >>> res = cx.Drivers("CUSA1", ["PERQ1", "PERQ2"]).fit(data)
    >>> found = res.segments("region", 100, seed=1)
    >>> found.importance[["segment", "attribute", "importance", "se"]].round(2)
      segment attribute  importance    se
    0   north     PERQ1        0.32  0.07
    1   north     PERQ2        0.11  0.04
    2   south     PERQ1        0.25  0.06
    3   south     PERQ2        0.11  0.04
    """

    by: str
    fits: dict[Any, DriverBootstrap]
    importance: pd.DataFrame
    differences: pd.DataFrame
    moderation: pd.DataFrame
    slopes: pd.Series
    chow: pd.Series
    n_obs: int
    excluded: pd.DataFrame
    warnings: tuple[str, ...] = ()

    def headline(self) -> list[tuple[str, str]]:
        """Segments and the joint tests.

        Returns
        -------
        list of (label, value)
        """
        sizes = ", ".join(f"{k} (n = {f.n_obs})" for k, f in self.fits.items())

        def told(test: pd.Series) -> str:
            if test.isna().all():
                return "too few rows"
            if np.isinf(test["df2"]):
                return f"χ²({test['df1']:g}) = {test['F'] * test['df1']:.2f}, p = {test['pvalue']:.3g}"
            return f"F({test['df1']:g}, {test['df2']:g}) = {test['F']:.2f}, p = {test['pvalue']:.3g}"

        return [
            (f"Drivers by {self.by}", sizes),
            ("Rows", f"{self.n_obs} used, {int(self.excluded['rows'].sum())} excluded"),
            ("Same slopes", told(self.slopes)),
            ("Same slopes and level (Chow)", told(self.chow)),
        ]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Frames of the summary, by title.

        Returns
        -------
        dict of DataFrame
        """
        return {
            "Importance": self.importance,
            "Differences": self.differences,
            "Same slope in all segments": self.moderation,
        }


def segments(result: DriverResult, by: str, n: int, seed: int | None, of: str, level: float, adjust: str) -> Segments:
    """Analyse every segment; see :meth:`DriverResult.segments`."""
    choose("of", of, ("importance", "share"))
    check_level(level)
    frame = result.survey.frame
    if by not in frame.columns:
        raise SpecError(f"Column '{by}' is not in the data.{near(by, map(str, frame.columns))}")
    inside = (*result.spec.attributes, *result.spec.controls, result.spec.outcome)
    if by in inside:
        raise SpecError(
            f"Column '{by}' is in the model itself, and does not vary within its segments; leave it out there."
        )
    used = frame[by].iloc[result.positions]
    blank = int(used.isna().sum())
    names = [v for v in (used.cat.categories if isinstance(used.dtype, pd.CategoricalDtype) else sorted(used.dropna().unique())) if (used == v).any()]  # fmt: skip
    if len(names) < 2:
        raise DataError(
            f"Column '{by}' has {len(names)} segment in the {result.n_obs} rows used; two or more are needed."
        )
    root = entropy(seed)
    fits: dict[Any, DriverBootstrap] = {}
    for k, name in enumerate(names):
        rows = result.positions[(used == name).to_numpy()]
        try:
            part = result.refit_rows(rows)
        except DataError as error:
            raise DataError(f"Segment '{name}' of '{by}': {error}") from None
        fits[name] = run(part, n, [root, k], None, "percentile", level, adjust, 1, None)  # type: ignore[arg-type]
    tests = _tests(result, used, names)
    tests[0]["pvalue_adjusted"] = adjusted_pvalues(tests[0]["pvalue"].to_numpy(), adjust)
    parts = []
    for name, fit in fits.items():
        keep = ["importance", "share", "rank", "coef", "se", "ci_lower", "ci_upper", "rank_lower", "rank_upper"]
        lines = fit.importance[keep].reset_index()
        lines.insert(0, "segment", name)
        lines.insert(2, "n_obs", fit.n_obs)
        parts.append(lines)
    note = (f"{blank} of the rows used have no '{by}' and are in no segment.",) if blank else ()
    without = pd.DataFrame({"reason": [f"no {by}"], "rows": [blank]}) if blank else None
    return Segments(
        by, fits, pd.concat(parts, ignore_index=True), _differences(fits, of, level, adjust), *tests,
        result.n_obs - blank, pd.concat([result.excluded, without], ignore_index=True), note,
    )  # fmt: skip


def _differences(fits: dict[Any, DriverBootstrap], of: str, level: float, adjust: str) -> pd.DataFrame:
    """Differences between independent segments, with their bootstrap errors."""
    parts: list[pd.DataFrame] = []
    for first, second in combinations(fits, 2):
        a, b = (_table(fits[key], of) for key in (first, second))
        est = (a["est"] - b["est"]).to_numpy(float)
        se = np.sqrt(a["se"].to_numpy(float) ** 2 + b["se"].to_numpy(float) ** 2)
        tests = tested(est, se, np.inf, level).rename(columns={"t": "z"})
        tests.insert(0, "attribute", a.index)
        tests.insert(1, "first", first)
        tests.insert(2, "second", second)
        parts.append(tests)
    out = pd.concat(parts, ignore_index=True)
    out.insert(7, "pvalue_adjusted", adjusted_pvalues(out["pvalue"].to_numpy(), adjust))
    return out


def _table(fit: DriverBootstrap, of: str) -> pd.DataFrame:
    """Estimates with standard errors."""
    return fit.shares if of == "share" else fit.importance.assign(est=fit.importance["importance"])


def _tests(result: DriverResult, used: pd.Series, names: Sequence[Any]) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    """Moderation of each player, equality of all slopes, and Chow's test."""
    keep = used.notna().to_numpy()
    member = np.column_stack([(used[keep] == v).to_numpy(float) for v in names[1:]])
    owner = np.array(result.tables_used[0].owner)
    blocks: list[tuple[Any, bool]] = [(owner == i, True) for i in range(len(result.spec.players))]
    blocks += [(np.ones(len(owner), dtype=bool), True), (np.ones(len(owner), dtype=bool), False)]
    found = []
    for table in (t.rows(keep) for t in result.tables_used):
        x = filled(table)
        products = [_product(x[:, own], member) for own, _ in blocks]
        found.append(
            [
                _test(np.column_stack([x, member]), extra, table, result.spec.linear)
                if shifted
                else _test(x, np.column_stack([member, extra]), table, result.spec.linear)
                for extra, (_, shifted) in zip(products, blocks, strict=True)
            ]
        )
    columns = ["F", "df1", "df2", "pvalue"]
    rows = [_pooled(list(each)) for each in zip(*found, strict=True)]
    frame = pd.DataFrame(rows[:-2], columns=columns, index=result.importance.index)
    return frame, pd.Series(rows[-2], index=columns), pd.Series(rows[-1], index=columns)


def _test(base: Array, extra: Array, table: Any, linear_model: bool) -> tuple[float, float, float, float]:
    """Test that extra columns add nothing: F of residual sums, the likelihood ratio, or Wald's under a design."""
    from scipy.special import chdtrc, fdtrc

    full = np.column_stack([base, extra])
    n, y = len(table.y), table.y
    if n <= full.shape[1] + 1:
        return (np.nan,) * 4
    if not simple(table):
        return _wald(full, base.shape[1], table, linear_model)
    small, big = _residual(base, y), _residual(full, y)
    df1 = float(big[1] - small[1])
    if not df1:
        return np.nan, 0.0, np.nan, np.nan
    if linear_model:
        df2 = float(n - big[1])
        f = ((small[0] - big[0]) / df1) / (big[0] / df2)
        return f, df1, df2, float(fdtrc(df1, df2, f))
    gain = 2 * (_loglik(full, table) - _loglik(base, table))
    return gain / df1, df1, np.inf, float(chdtrc(df1, max(gain, 0.0)))


def _wald(full: Array, base: int, table: Any, linear_model: bool) -> tuple[float, float, float, float]:
    """Wald's test of the columns after the first `base`."""
    from scipy.special import chdtrc, fdtrc

    names = tuple(map(str, range(full.shape[1])))
    if linear_model:
        fit = linear(full, table.y, table, names)
    else:
        fit = ordinal(Ordinal(full, categories(table.y)), table, names)
    at = np.arange(fit.leading + base, fit.leading + full.shape[1])
    at = at[~np.isnan(fit.values[at])]
    df1 = float(len(at))
    df2 = float(max(freedom(table, fit.df) - df1 + 1, 1))
    f = float(fit.values[at] @ np.linalg.pinv(fit.cov[np.ix_(at, at)], hermitian=True) @ fit.values[at] / df1)
    return f, df1, df2, float(chdtrc(df1, f * df1) if np.isinf(df2) else fdtrc(df1, df2, f))


def _loglik(x: Array, table: Any) -> float:
    """Largest log-likelihood of a logit or ordered model."""
    found = Ordinal(x, categories(table.y)).fit(np.ones((1, len(x))), np.ones((1, x.shape[1]), dtype=bool))
    return float(found[0][0, 0])


def _pooled(tests: list[tuple[float, float, float, float]]) -> tuple[float, float, float, float]:
    """One test from those of every imputation: D2 of Li, Meng, Raghunathan and Rubin (1991), Statistica Sinica 1."""
    from scipy.special import fdtrc

    m, df1 = len(tests), tests[0][1]
    if m == 1 or not df1 > 0:
        return tests[0]
    chi = np.array([f * df1 for f, *_ in tests])
    r = (1 + 1 / m) * np.sqrt(chi).var(ddof=1)
    f = max((chi.mean() / df1 - (m + 1) / (m - 1) * r) / (1 + r), 0.0)
    df2 = min(df1 ** (-3 / m) * (m - 1) * (1 + 1 / r) ** 2, tests[0][2]) if r > 0 else tests[0][2]
    return float(f), df1, float(df2), float(fdtrc(df1, min(df2, 1e9), f))


def _residual(x: Array, y: Array) -> tuple[float, int]:
    """Residual sum of squares and rank of a regression with an intercept."""
    z = np.column_stack([np.ones(len(x)), x])
    scale = np.sqrt((z**2).sum(axis=0))
    beta, _, rank, _ = np.linalg.lstsq(z / np.where(scale > 0, scale, 1.0), y, rcond=1e-10)
    return float(((y - (z / np.where(scale > 0, scale, 1.0)) @ beta) ** 2).sum()), int(rank)


def _product(x: Array, member: Array) -> Array:
    return (x[:, :, None] * member[:, None, :]).reshape(len(x), -1)


def stack(
    data: Any,
    brands: Iterable[str],
    columns: Iterable[str],
    *,
    pattern: str = "{column}_{brand}",
    keep: Iterable[str] = (),
    center: bool = False,
) -> pd.DataFrame:
    """Turn one row per respondent with columns for every brand into one row per respondent and brand.

    Parameters
    ----------
    data : DataFrame
        Any frame that narwhals supports.
    brands : sequence of str
    columns : sequence of str
        Outcome and attributes, without the brand.
    pattern : str, default "{column}_{brand}"
        How the wide columns are called.
    keep : sequence of str, optional
        Columns of the respondent to carry along, such as weights.
    center : bool, default False
        Subtract each brand's mean, so that differences between brands do not pass for drivers.

    Returns
    -------
    DataFrame
        Columns respondent (the index of the data), brand, `columns`, `keep`. Rows without any answer to the columns are left
        out: the respondent did not rate that brand. Fit with ``clusters="respondent"``.

    Raises
    ------
    SpecError
        If no brand or column is given, or the pattern lacks a part.
    DataError
        If a wide column does not exist.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodels.drivers import stack
    >>> wide = pd.DataFrame({"csat_A": [8, 6], "csat_B": [5, None], "speed_A": [9, 7], "speed_B": [4, None]})
    >>> stack(wide, ["A", "B"], ["csat", "speed"])
       respondent brand  csat  speed
    0           0     A   8.0    9.0
    1           0     B   5.0    4.0
    2           1     A   6.0    7.0
    """
    from ..survey import as_survey

    frame = as_survey(data).frame
    brands, columns, keep = list(brands), list(columns), list(keep)
    if not brands or not columns:
        raise SpecError("Stacking needs at least one brand and one column.")
    if "{column}" not in pattern or "{brand}" not in pattern:
        raise SpecError(
            f"The pattern must hold {{column}} and {{brand}}, as '{{column}}_{{brand}}'; it is '{pattern}'."
        )
    wide = {(b, c): pattern.format(column=c, brand=b) for b in brands for c in columns}
    known = list(map(str, frame.columns))
    if lacking := [name for name in [*wide.values(), *keep] if name not in frame.columns]:
        raise DataError(f"Column {listed(lacking)} is not in the data.{near(lacking[0], known)}")
    parts = []
    for b in brands:
        part = frame[[wide[b, c] for c in columns]].astype(float).set_axis(columns, axis=1)
        if center:
            part = part - part.mean()
        part.insert(0, "respondent", frame.index)
        part.insert(1, "brand", b)
        for name in keep:
            part[name] = frame[name].to_numpy()
        parts.append(part.assign(_order=np.arange(len(part))))
    out = pd.concat(parts, ignore_index=True).sort_values("_order", kind="stable").drop(columns="_order")
    return out[out[columns].notna().any(axis=1)].reset_index(drop=True)
