"""Fit measures, by lavaan's names.

Sources: Bentler (1990) for CFI; Tucker and Lewis (1973); Steiger (1990) and Browne and Cudeck (1993) for RMSEA; Brosseau-
Liard, Savalei and Li (2012, 2014) for the robust CFI, TLI and RMSEA (`robust_indices` for incomplete and ordinal items); Bentler (1995) for SRMR; Bollen (1986) for CRMR.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .estimate import Estimate
from .incomplete import available_moments
from .inference import Scaled
from .missing import information
from .objective import moments, weigh
from .responses import Responses
from .robust_indices import rescaled
from .samples import vech
from .twolevel import TwoLevelEstimate

Array = NDArray[Any]

__all__ = ["fit_measures", "form_of", "loglikelihoods"]

_ROBUST = (
    "cfi_robust", "tli_robust", "nnfi_robust", "rni_robust", "rmsea_robust", "rmsea_ci_lower_robust",
    "rmsea_ci_upper_robust", "rmsea_pvalue_robust", "rmsea_notclose_pvalue_robust",
)  # fmt: skip
_LOG_2PI = float(np.log(2 * np.pi))


def fit_measures(e: Estimate, base: Estimate, scaled: Scaled | None, base_scaled: Scaled | None) -> dict[str, float]:
    """All measures of a fitted model.

    Parameters
    ----------
    e, base : Estimate
        The model and the independence model.
    scaled, base_scaled : Scaled or None
        Their corrected tests.

    Returns
    -------
    dict of float
        In lavaan's order.
    """
    x, df, xb, dfb = e.chisq, float(e.df), base.chisq, float(base.df)
    if scaled is not None and not df:
        scaled, base_scaled = None, None
    out: dict[str, float] = {
        "npar": float(e.npar),
        "fmin": _fmin(e),
    }
    uls = e.plan.kind == "ULS"  # its statistic is in the units of the items, so no chi-square
    out |= {"chisq": x, "df": df, "pvalue": np.nan if uls else _upper(x, df)}
    if scaled is not None:
        out |= {"chisq_scaled": scaled.chisq, "df_scaled": scaled.df}
        out |= {"pvalue_scaled": _upper(scaled.chisq, scaled.df), "chisq_scaling_factor": scaled.factor}
    out |= {"baseline_chisq": xb, "baseline_df": dfb, "baseline_pvalue": np.nan if uls else _upper(xb, dfb)}
    if base_scaled is not None:
        out |= {"baseline_chisq_scaled": base_scaled.chisq, "baseline_df_scaled": base_scaled.df}
        out["baseline_pvalue_scaled"] = _upper(base_scaled.chisq, base_scaled.df)
        out["baseline_chisq_scaling_factor"] = base_scaled.factor
    plain = _incremental(x, df, xb, dfb)
    out |= plain
    if scaled is not None and base_scaled is not None:
        against = _incremental(scaled.chisq, scaled.df, base_scaled.chisq, base_scaled.df)
        out |= {f"{k}_scaled": v for k, v in against.items()}
        if e.plan.kind == "ML" and not e.plan.fiml:
            out |= _robust_incremental(x, df, scaled.hat, xb, dfb, base_scaled.hat)
    other = rescaled(e)
    if other is not None:
        null = rescaled(base)
        gaps = (null.chisq, dfb, null.bias / dfb) if null is not None else (np.nan,) * 3
        out |= _robust_incremental(other.chisq, df, other.bias / df, *gaps)
    if e.plan.kind == "ML":
        out |= _likelihood(e, scaled)
    out |= _rmsea(e, scaled)
    if other is not None:
        c = other.bias / df
        out |= _one_rmsea(other.chisq / c, df, c, e.multiplier, len(e.table.options.groups), "_robust")
    if scaled is not None:  # without a correction known, lavaan has the names too
        out |= {name: np.nan for name in _ROBUST if name not in out}
    if e.table.levels == 2:
        return out | _level_residuals(e)
    out |= _residual_measures(e)
    out |= _other(e, x, df)
    return out


def _fmin(e: Estimate) -> float:
    """Value at the minimum, on lavaan's scale."""
    if isinstance(e, TwoLevelEstimate):
        return e.fmin
    return e.minimum.value / 2 if e.plan.kind == "ML" else e.chisq / e.data.n / 2


def form_of(measures: Any, name: str) -> str:
    """Ending of the form of a measure to read: ``_robust`` where it is known, else ``_scaled``, else none."""
    return next((s for s in ("_robust", "_scaled") if np.isfinite(measures.get(f"{name}{s}", np.nan))), "")


def _upper(x: float, df: float) -> float:
    from scipy.special import chdtrc

    return float(chdtrc(df, x)) if df > 0 else np.nan


def _incremental(x: float, df: float, xb: float, dfb: float) -> dict[str, float]:
    """Measures against the baseline; without NFI and RFI where it has fewer degrees of freedom, so is no baseline."""
    with np.errstate(all="ignore"):
        d, db, dfb = np.float64(x - df), np.float64(xb - dfb), np.float64(dfb)
        worst = max(d, db, 0.0)
        cfi = 1 - max(d, 0.0) / worst if worst > 1e-9 else 1.0  # nothing to explain
        ratio, ratio_b = np.float64(x) / df, np.float64(xb) / dfb
        tli = 1 - d * dfb / (db * df) if df > 0 else 1.0
        share = (xb - x) / np.float64(xb)
        worse = ratio_b - ratio < 0 and np.isfinite(ratio)
        rfi = 1.0 if df <= 0 or worse else float((ratio_b - ratio) / ratio_b)
        return {
            "cfi": float(cfi),
            "tli": float(tli),
            "nnfi": float(tli),
            "rfi": rfi if df <= dfb else np.nan,
            "nfi": float(share) if df <= dfb else np.nan,
            "pnfi": float(df / dfb * share),
            "ifi": float((xb - x) / np.float64(xb - df)) if xb >= df else 1.0,
            "rni": float(1 - d / db),
        }


def _robust_incremental(x: float, df: float, c: float, xb: float, dfb: float, cb: float) -> dict[str, float]:
    """CFI and TLI that estimate what they would be with normal data."""
    d, db = x - c * df, xb - cb * dfb
    worst = max(d, db, 0.0)
    cfi = 1 - max(d, 0.0) / worst if worst > 0 else 1.0
    tli = 1 - d * dfb / (db * df) if db else np.nan
    return {"cfi_robust": cfi, "tli_robust": tli, "nnfi_robust": tli, "rni_robust": 1 - d / db if db else np.nan}


def loglikelihoods(e: Estimate) -> tuple[float, float]:
    """Log-likelihood of the model and of the unrestricted moments, given fixed predictors."""
    top = 0.0
    if isinstance(e, TwoLevelEstimate):
        top = e.top - e.exogenous
        return top - e.multiplier * e.minimum.value / 2, top
    if e.plan.fiml:
        top = sum(s.loglik for s in e.data.saturated)
        for number, patterns in enumerate(e.data.patterns):
            role = e.table.roles[number]
            fixed = [role.observed.index(n) for n in role.exogenous] if e.table.options.fixed_x else []
            if fixed:
                from .patterns import Patterns
                from .saturated import saturated

                top -= saturated(Patterns.of(patterns.table[:, fixed], patterns.weights)).loglik
    else:
        for number, sample in enumerate(e.data.samples):
            role = e.table.roles[number]
            fixed = [role.observed.index(n) for n in role.exogenous] if e.table.options.fixed_x else []
            top += _normal_loglik(sample.n, sample.cov)
            top -= _normal_loglik(sample.n, sample.cov[np.ix_(fixed, fixed)]) if fixed else 0.0
    return top - e.data.n * e.minimum.value / 2, top


def _normal_loglik(n: float, cov: Array) -> float:
    """Log-likelihood of normal data at their own moments (divisor n)."""
    p = len(cov)
    return -0.5 * n * (p * _LOG_2PI + float(np.linalg.slogdet(cov)[1]) + p)


def _likelihood(e: Estimate, scaled: Scaled | None) -> dict[str, float]:
    low, top = loglikelihoods(e)
    n, k = e.multiplier if e.table.levels == 2 else e.data.n, e.npar
    out = {"logl": low, "unrestricted_logl": top, "aic": 2 * k - 2 * low, "bic": k * np.log(n) - 2 * low}
    out |= {"ntotal": n, "bic2": k * np.log((n + 2) / 24) - 2 * low}
    if scaled is not None and np.isfinite(scaled.h1):
        out |= {"scaling_factor_h1": scaled.h1, "scaling_factor_h0": scaled.h0}
    return out


def _rmsea(e: Estimate, scaled: Scaled | None) -> dict[str, float]:
    """RMSEA with its interval and tests, plain, scaled and robust."""
    n, groups = e.multiplier, len(e.table.options.groups)
    out = _one_rmsea(e.chisq, e.df, 1.0, n, groups, "")
    out = {
        **{k: out[k] for k in ("rmsea", "rmsea_ci_lower", "rmsea_ci_upper")},
        "rmsea_ci_level": 0.9,
        "rmsea_pvalue": out["rmsea_pvalue"],
        "rmsea_close_h0": 0.05,
        "rmsea_notclose_pvalue": out["rmsea_notclose_pvalue"],
        "rmsea_notclose_h0": 0.08,
    }
    if scaled is not None:
        if e.plan.test == "scaled.shifted":
            out |= _one_rmsea(scaled.chisq, scaled.df, 1.0, n, groups, "_scaled")
        else:  # the statistic as it is, against the sum of its eigenvalues
            out |= _one_rmsea(e.chisq, scaled.hat * e.df, 1.0, n, groups, "_scaled")
        if e.plan.kind == "ML" and not e.plan.fiml:
            out |= _one_rmsea(scaled.chisq, scaled.df, scaled.factor, n, groups, "_robust")
    return out


def _one_rmsea(x: float, df: float, factor: float, n: float, groups: int, ending: str) -> dict[str, float]:
    from scipy.special import chdtrc, chndtr

    names = ("rmsea", "rmsea_ci_lower", "rmsea_ci_upper", "rmsea_pvalue", "rmsea_notclose_pvalue")
    if df < 1:
        return dict(zip((f"{k}{ending}" for k in names), (0.0, 0.0, 0.0, np.nan, np.nan), strict=True))
    scale = factor * groups / (n * df)
    point = np.sqrt(max(x - df, 0.0) * scale)
    low, high = (np.sqrt(_noncentrality(x, df, level) * scale) for level in (0.95, 0.05))
    close, far = 0.05**2 / scale, 0.08**2 / scale
    p_close = float(chdtrc(df, x)) if close == 0 else 1 - float(chndtr(x, df, close))
    found = (point, low, high, p_close, float(chndtr(x, df, far)))
    return dict(zip((f"{k}{ending}" for k in names), map(float, found), strict=True))


def _noncentrality(x: float, df: float, level: float) -> float:
    """Noncentrality at which the statistic is at the given quantile; 0 if there is none."""
    from scipy.special import chdtr, chndtrinc

    if chdtr(df, x) < level:
        return 0.0
    if not x < 1e10:  # beyond it its distribution is not computed, and the interval has no width to speak of
        return x - df
    return float(chndtrinc(x, df, level))


def _residual_measures(e: Estimate) -> dict[str, float]:
    """RMR, SRMR and CRMR, with and without means, averaged over groups by their rows."""
    means = e.table.options.means
    sums: dict[str, float] = {}
    for number, (block, s, share) in enumerate(zip(e.blocks, e.states, e.data.shares, strict=True)):
        p = block.p
        o = e.data.ordinal[number] if e.data.ordinal else None
        sample = e.data.samples[number]
        mean, cov = sample.mean, sample.cov
        sigma, mu = s.cov[:p, :p], s.mean[:p]
        level_gap = mean - mu if means else np.zeros(p)
        if o is not None:
            full = _ordinal_gap(e, number)
            cov, sigma, level_gap, count = full
        else:
            count = p
        without = p - len(cov)  # predictors have no residuals, but lavaan counts them
        sd, fitted = np.sqrt(np.diagonal(cov)), np.sqrt(np.abs(np.diagonal(sigma)))
        rows, cols = vech(len(cov))
        off = rows != cols
        raw = (cov - sigma)[rows, cols]
        unit = raw / (sd[rows] * sd[cols])
        cor = cov[rows, cols] / (sd[rows] * sd[cols]) - sigma[rows, cols] / (fitted[rows] * fitted[cols])
        if o is None:
            shift = {"rmr": level_gap, "bentler": level_gap / sd, "cor": mean / sd - mu / fitted}
        else:
            shift = {"rmr": level_gap, "bentler": level_gap, "cor": level_gap}
        parts = {
            "rmr": (raw, shift["rmr"], len(raw) + without),
            "srmr_bentler": (unit, shift["bentler"], len(raw) + without),
            "crmr": (cor[off], shift["bentler"], off.sum()),
            "srmr_mplus": (np.where(off, cor, unit), shift["cor"], len(raw)),
        }
        for name, (gap, level, size) in parts.items():
            alone = float(np.sqrt(gap @ gap / size)) if size else 0.0
            both = float(np.sqrt((gap @ gap + level @ level) / (size + count))) if means else alone
            sums[name] = sums.get(name, 0.0) + share * both
            sums[f"{name}_nomean"] = sums.get(f"{name}_nomean", 0.0) + share * alone
    srmr = sums["srmr_bentler_nomean" if e.data.ordinal else "srmr_bentler"]
    order = ["rmr", "rmr_nomean", "srmr", "srmr_bentler", "srmr_bentler_nomean", "crmr", "crmr_nomean"]
    order += [] if e.data.ordinal else ["srmr_mplus", "srmr_mplus_nomean"]
    sums["srmr"] = srmr
    return {k: sums[k] for k in order}


def _level_residuals(e: Estimate) -> dict[str, float]:
    """SRMR of each level, of correlations as in lavaan, averaged over groups by their rows, and their sum."""
    out = [0.0, 0.0]
    shares = [share * 2 for share in e.data.shares]  # every row is in a sample of both levels
    for number, (block, s, sample, share) in enumerate(zip(e.blocks, e.states, e.data.samples, shares, strict=True)):
        p = block.p
        both = (sample.cov, s.cov[:p, :p])
        with np.errstate(invalid="ignore"):
            seen, fitted = (c / np.sqrt(np.outer(np.diagonal(c), np.diagonal(c))) for c in both)
        gap = (seen - fitted)[vech(p)]
        out[number % 2] += share * float(np.sqrt(gap @ gap / len(gap)))
    return {"srmr": sum(out), "srmr_within": out[0], "srmr_between": out[1]}


def _ordinal_gap(e: Estimate, number: int) -> tuple[Array, Array, Array, int]:
    """Latent response moments, implied ones, and differences of thresholds and means."""
    from .objective import LeastSquares

    o = e.data.ordinal[number]
    assert isinstance(e.objective, LeastSquares)
    target = e.objective.targets[number]
    assert isinstance(target, Responses)
    implied = target.implied(e.values)
    gap = (o.stats - implied)[o.kind == "threshold"]
    return target.covariances(o.stats), target.covariances(implied), gap, len(gap)


def _other(e: Estimate, x: float, df: float) -> dict[str, float]:
    """Hoelter's critical n, GFI and its kin, McDonald's index, ECVI."""
    from scipy.special import chdtri

    n = e.multiplier
    out: dict[str, float] = {}
    for alpha in (0.05, 0.01):
        ratio = x / n
        out[f"cn_{alpha:.2f}"[:3] + f"{alpha:.2f}"[2:]] = (
            float(chdtri(df, alpha)) / ratio + 1 if df > 0 and ratio > 0 else np.nan
        )
    gfi = _gfi(e)
    nel = e.moments if e.data.ordinal else e.moments + sum(x.exo for x in e.table.entries)
    out |= {"gfi": gfi, "agfi": 1 - nel / df * (1 - gfi) if df > 0 else np.nan, "pgfi": df / nel * gfi}
    out["mfi"] = float(np.exp(-0.5 * (x - df) / n))
    if not e.data.ordinal:
        out["ecvi"] = x / n + 2 * e.npar / n
    if e.data.ordinal:
        out["wrmr"] = float(np.sqrt(x / (nel / len(e.data.samples))))
    return out


def _gfi(e: Estimate) -> float:
    """Share of the weighted squares of the moments that the model accounts for, averaged over groups.

    With missing values, as in lavaan, the moments are those available (of weighted rows the unrestricted ones) and their
    weight is the expected information.
    """
    from .objective import LeastSquares

    total = 0.0
    means = e.table.options.means
    for number, (share, s, sample, block) in enumerate(
        zip(e.data.shares, e.states, e.data.samples, e.blocks, strict=True)
    ):
        if e.plan.kind in ("ML", "GLS") and not e.plan.fiml:
            total += share * _normal_gfi(e, number)
            continue
        weight = e.weights[number]
        if isinstance(e.objective, LeastSquares):
            target = e.objective.targets[number]
            stats, implied = target.stats, target.implied(e.values)
        else:
            mean, cov = s.mean[: block.p], s.cov[: block.p, : block.p]
            seen = (sample.mean, sample.cov)
            if e.plan.fiml and sample.x is not None:
                if sample.weights is None:
                    seen = available_moments(sample.x)
                weight = information(e.data.patterns[number], mean, cov, "expected")
            stats, implied = moments(*seen, means), moments(mean, cov, means)
        exo = _exogenous(e, number)
        if exo.any() and weight.ndim == 2 and not e.data.ordinal:
            weight = np.where(exo[:, None] | exo, 0.0, weight)
        gap = stats - implied
        size = float(stats @ weigh(weight, stats))
        total += share * (1 - float(gap @ weigh(weight, gap)) / size) if size else np.nan
    return total


def _normal_gfi(e: Estimate, number: int) -> float:
    """The same by normal theory, where the weighted squares of covariances M are tr(V M V M) / 2."""
    s, sample, fixed = e.states[number], e.data.samples[number], _fixed(e, number)
    p, means = e.blocks[number].p, e.table.options.means
    v = sample.inverse if e.plan.kind == "GLS" else np.linalg.inv(s.cov[:p, :p])

    def size(mean: Array, cov: Array) -> float:
        if fixed.any():
            mean, cov = np.where(fixed, 0.0, mean), np.where(fixed[:, None] & fixed, 0.0, cov)
        both = v @ cov
        return float((both * both.T).sum() / 2 + (mean @ v @ mean if means else 0.0))

    whole = size(sample.mean, sample.cov)
    return 1 - size(sample.mean - s.mean[:p], sample.cov - s.cov[:p, :p]) / whole if whole else np.nan


def _fixed(e: Estimate, number: int) -> NDArray[np.bool_]:
    """Which items of a group are fixed predictors."""
    role = e.table.roles[number]
    return np.array([e.table.options.fixed_x and n in role.exogenous for n in role.observed])


def _exogenous(e: Estimate, number: int) -> NDArray[np.bool_]:
    """Which moments of a group belong to fixed predictors alone."""
    fixed = _fixed(e, number)
    cols, rows = np.triu_indices(len(fixed))
    pairs = fixed[rows] & fixed[cols]
    return np.concatenate([fixed, pairs]) if e.table.options.means else pairs
