"""Tests between nested models."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError, SpecError, listed, near
from .estimate import Estimate
from .inference import information, invert, sandwich_parts, scaled_test
from .objective import weigh
from .result import SEMResult
from .robust_tests import Traces, scaled_shifted

Array = NDArray[Any]

__all__ = ["compare"]

METHODS = ("satorra.bentler.2001", "satorra.bentler.2010", "satorra.2000")


def compare(*models: SEMResult, method: str | None = None) -> pd.DataFrame:
    """Compare nested models by likelihood ratio (chi-square difference) tests.

    Parameters
    ----------
    *models : SEMResult
        Two or more fits of the same items and rows, less restricted first; each is tested against the one before.
    method : {"satorra.bentler.2001", "satorra.bentler.2010", "satorra.2000"}, optional
        How to scale the difference where tests are robust. By default that of 2001 for MLM and MLR, from the two
        scaling factors alone, which may come out negative in small samples (then the 2000 one takes over); that of 2010
        evaluates the wider model at the estimates of the narrower and cannot; that of 2000, the default for MLMV,
        WLSMV and ULSMV and as there scaled and shifted, takes the restrictions by the delta method (of incomplete rows
        and of two levels, where lavaan refuses it, with the first-order information).

    Returns
    -------
    DataFrame
        One row per model, in the order given: [df, chisq, chisq_diff, df_diff, pvalue, aic, bic]. `chisq` is
        uncorrected. ULS has no `pvalue`: its statistic is in the units of the items.

    Raises
    ------
    SpecError
        For fewer than two models, other estimators, models with the same degrees of freedom, or a method that does
        not apply to them.
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
    if method is not None and method not in METHODS:
        raise SpecError(f"method is one of {listed(METHODS)}, not '{method}'.{near(str(method), METHODS)}")
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
            diff = difference(wide, narrow) if likelihoods else _difference(wide, narrow, method)
            p = np.nan if e.plan.name == "ULS" else float(chdtrc(df_diff, max(diff, 0.0)))
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


def _difference(wide: Estimate, narrow: Estimate, method: str | None) -> float:
    """Test statistic of the restrictions that `narrow` adds to `wide`."""
    plain, df = narrow.chisq - wide.chisq, narrow.df - wide.df
    test = wide.plan.test
    if test == "standard":
        if method is not None:
            raise SpecError(f"method='{method}' is for robust tests; the models were fitted by {wide.plan.name}.")
        return plain
    if test == "scaled.shifted" and method not in (None, "satorra.2000"):
        raise SpecError(
            f"method='{method}' needs a test that is only scaled, as of MLM or MLR, not {wide.plan.name}."
        )
    if test != "scaled.shifted" and method != "satorra.2000":
        low, high = scaled_test(_at(wide, narrow) if method == METHODS[1] else wide), scaled_test(narrow)
        assert high is not None
        factor = (high.hat * narrow.df - (low.hat * wide.df if low is not None and wide.df else 0.0)) / df
        if factor > 0:
            return plain / factor
    return scaled_shifted(plain, df, _difference_traces(wide, narrow)).chisq


def _at(wide: Estimate, narrow: Estimate) -> Estimate:
    """The wider model at the estimates of the narrower (Satorra and Bentler 2010, their M10)."""
    known = {(x.key, x.group, x.level): v for x, v in zip(narrow.table.entries, narrow.values, strict=True)}
    x = np.zeros(wide.table.size)
    for entry, q in zip(wide.table.entries, wide.table.index, strict=True):
        if q >= 0:
            x[q] = known.get((entry.key, entry.group, entry.level), 0.0)
    found = replace(wide, minimum=replace(wide.minimum, x=x))
    for a, b, block in zip(found.states, narrow.states, wide.blocks, strict=True):
        p = block.p
        if not np.allclose(a.cov[:p, :p], b.cov[:p, :p], rtol=1e-5, atol=1e-8 * np.abs(b.cov).max()):
            raise SpecError(
                "method='satorra.bentler.2010' evaluates the wider model at the estimates of the narrower, which it does "
                "not contain as they are written; set the scale of the constructs the same way in both."
            )
    return found


def _difference_traces(wide: Estimate, narrow: Estimate) -> Traces:
    """Traces of U Gamma of the difference (Satorra 2000), restrictions by the delta method.

    Of incomplete rows and of two levels, where there is no Gamma of sample moments, Jacobian' W Gamma W Jacobian is the
    first-order information, whose expectation it is.
    """
    inverse = invert(information(wide), wide.basis)
    own = wide.basis if wide.basis is not None else np.eye(wide.table.size)
    into = np.vstack(narrow.jacobians) @ (narrow.basis if narrow.basis is not None else np.eye(narrow.table.size))
    reach = own @ np.linalg.lstsq(np.vstack(wide.jacobians) @ own, into, rcond=None)[0]
    size = narrow.df - wide.df
    left, _, _ = np.linalg.svd(own.T @ reach)
    a = (own @ left[:, left.shape[1] - size :]).T
    middle = inverse @ a.T @ np.linalg.inv(a @ inverse @ a.T) @ a @ inverse
    product = middle @ _meat(wide)
    return Traces(float(np.trace(product)), float(np.trace(product @ product)))


def _meat(e: Estimate) -> Array:
    """Covariance of the derivatives by the parameters, times the rows."""
    if e.plan.fiml or e.table.levels > 1:
        return information(e, "first.order")
    total = np.zeros((e.table.size, e.table.size))
    for share, gamma, weight, jacobian in zip(*sandwich_parts(e), strict=True):
        side = weigh(weight, jacobian)
        total += share * (side.T @ gamma @ side)
    return total
