"""Tests between nested models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError, SpecError
from .estimate import Estimate
from .inference import information, invert, sandwich_parts
from .objective import weigh
from .result import SEMResult
from .robust_tests import Traces, scaled_shifted

Array = NDArray[Any]

__all__ = ["compare"]


def compare(*models: SEMResult) -> pd.DataFrame:
    """Compare nested models by likelihood ratio (chi-square difference) tests.

    Parameters
    ----------
    *models : SEMResult
        Two or more fits of the same items and rows, less restricted first; each is tested against the one before.

    Returns
    -------
    DataFrame
        One row per model, in the order given: [df, chisq, chisq_diff, df_diff, pvalue, aic, bic]. `chisq` is
        uncorrected (none for interaction='lms', whose likelihood is compared with those of others). Where tests are robust the difference is scaled: Satorra and Bentler (2001) for MLM and
        MLR, Satorra (2000) scaled and shifted for MLMV, WLSMV and ULSMV.

    Raises
    ------
    SpecError
        For fewer than two models, other estimators, or models with the same degrees of freedom.
    DataError
        If the models are about different items or rows.

    Examples
    --------
    >>> import cxmodels as cx
    >>> data = cx.datasets.load("holzinger")
    >>> model = "visual =~ x1 + x2 + x3; textual =~ x4 + x5 + x6"
    >>> free, simple = (cx.SEM(model, orthogonal=o).fit(data) for o in (False, True))
    >>> cx.compare(free, simple)[["df", "chisq_diff", "df_diff"]].round(2)
       df  chisq_diff  df_diff
    0   8         NaN      NaN
    1   9       35.58      1.0
    """
    from scipy.special import chdtrc

    from .lms import LMSEstimate, difference

    if len(models) < 2 or not all(isinstance(m, SEMResult) for m in models):
        raise SpecError("compare() takes two or more fitted SEM results.")
    _check(models)
    means = [m.estimate.table.options.means for m in models]
    rows = []
    for i, m in enumerate(models):
        e = m.estimate
        diff, df_diff, p = np.nan, np.nan, np.nan
        if i:
            wide, narrow = sorted((models[i - 1].estimate, e), key=lambda x: x.df)
            df_diff = float(narrow.df - wide.df)
            if df_diff == 0:
                raise SpecError(
                    f"Models {i} and {i + 1} both have {e.df} degrees of freedom, so they are not nested."
                )
            likelihoods = isinstance(wide, LMSEstimate) or isinstance(narrow, LMSEstimate)
            diff = difference(wide, narrow) if likelihoods else _difference(wide, narrow)
            p = float(chdtrc(df_diff, max(diff, 0.0)))
        measures = m.fit_measures
        unseen = sum(b.p for b in e.blocks) if any(means) and not means[i] else 0  # means that others count
        aic = measures.get("aic", np.nan) + 2 * unseen
        bic = measures.get("bic", np.nan) + np.log(e.data.n) * unseen
        chisq = np.nan if isinstance(e, LMSEstimate) else e.chisq
        rows.append((e.df, chisq, diff, df_diff, p, aic, bic))
    return pd.DataFrame(rows, columns=["df", "chisq", "chisq_diff", "df_diff", "pvalue", "aic", "bic"])


def _check(models: tuple[SEMResult, ...]) -> None:
    """Refuse models that cannot be compared."""
    first = models[0].estimate
    items = sorted(first.blocks[0].names[: first.blocks[0].p])
    for i, m in enumerate(models[1:], 2):
        e = m.estimate
        if e.plan.name != first.plan.name:
            raise SpecError(
                f"Model 1 was fitted by {first.plan.name}, model {i} by {e.plan.name}; use one estimator."
            )
        if sorted(e.blocks[0].names[: e.blocks[0].p]) != items or len(e.blocks) != len(first.blocks):
            raise DataError(f"Models 1 and {i} are about different items or groups, so they are not nested.")
        if m.n_obs != models[0].n_obs:
            raise DataError(f"Model 1 used {models[0].n_obs} rows, model {i} {m.n_obs}; fit both to the same rows.")


def _difference(wide: Estimate, narrow: Estimate) -> float:
    """Test statistic of the restrictions that `narrow` adds to `wide`."""
    from .inference import scaled_test

    plain = narrow.chisq - wide.chisq
    test = wide.plan.test
    if test == "standard":
        return plain
    if test in ("satorra.bentler", "yuan.bentler.mplus", "mean.var.adjusted"):
        low, high = scaled_test(wide), scaled_test(narrow)
        assert high is not None
        c0 = high.hat * narrow.df
        c1 = low.hat * wide.df if low is not None and wide.df else 0.0
        factor = (c0 - c1) / (narrow.df - wide.df)
        if factor > 0:
            return plain / factor
    found = scaled_shifted(plain, narrow.df - wide.df, _difference_traces(wide, narrow))
    return found.chisq


def _difference_traces(wide: Estimate, narrow: Estimate) -> Traces:
    """Traces of U Gamma of the difference (Satorra 2000), restrictions by the delta method."""
    information_wide = information(wide, "expected")
    inverse = invert(information_wide, wide.basis)
    between = np.zeros((wide.table.size, narrow.table.size))
    for share, a, b, weight in zip(wide.data.shares, wide.jacobians, narrow.jacobians, wide.weights, strict=True):
        between += share * (a.T @ weigh(weight, b))
    reach = inverse @ between
    reach = reach if narrow.basis is None else reach @ narrow.basis
    own = wide.basis if wide.basis is not None else np.eye(wide.table.size)
    size = narrow.df - wide.df
    left, _, _ = np.linalg.svd(own.T @ reach)
    a = (own @ left[:, left.shape[1] - size :]).T
    middle = inverse @ a.T @ np.linalg.inv(a @ inverse @ a.T) @ a @ inverse
    total = np.zeros_like(middle)
    for share, gamma, weight, jacobian in zip(*sandwich_parts(wide), strict=True):
        side = weigh(weight, jacobian)
        total += share * (side.T @ gamma @ side)
    product = middle @ total
    return Traces(float(np.trace(product)), float(np.trace(product @ product)))
