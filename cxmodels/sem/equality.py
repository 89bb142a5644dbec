"""Measurement invariance over groups, step by step."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..errors import SpecError, listed, near
from ..model import Model
from .comparison import compare
from .fit import form_of
from .result import SEMResult
from .spec import SEM, _names

__all__ = ["LADDER", "LADDER_ORDINAL", "invariance"]

LADDER: dict[str, tuple[str, ...]] = {
    "configural": (),
    "metric": ("loadings",),
    "scalar": ("loadings", "intercepts"),
    "strict": ("loadings", "intercepts", "residuals"),
    "means": ("loadings", "intercepts", "residuals", "means"),
}
LADDER_ORDINAL: dict[str, tuple[str, ...]] = {
    "configural": (),
    "thresholds": ("thresholds",),
    "scalar": ("thresholds", "loadings"),
    "strict": ("thresholds", "loadings", "residuals"),
    "means": ("thresholds", "loadings", "residuals", "means"),
}
_OPS = {"loadings": "=~", "intercepts": "~1", "residuals": "~~", "thresholds": "|"}


def invariance(
    model: str | Model | SEM,
    data: Any,
    group: str,
    *,
    levels: Sequence[str] | None = None,
    partial: Iterable[str] | str = (),
    missing: str = "listwise",
    weights: Any = None,
    cluster: str | None = None,
    strata: str | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Test measurement invariance over groups.

    Parameters
    ----------
    model : str, Model or SEM
        The measurement model; a SEM brings its own options.
    data : Survey or DataFrame
        One row per respondent.
    group : str
        Column that names the groups.
    levels : sequence of str, optional
        Steps wanted, in order: configural, metric (equal loadings), scalar (and intercepts), strict (and residual
        variances), means (and latent means); by default the first four. With ordinal items configural, thresholds,
        scalar (thresholds and loadings), strict, means, under the theta parameterisation.
    partial : str or sequence of str, optional
        Parameters that may differ at every step, such as ``"x3~1"``.
    missing, weights, cluster, strata
        As for :meth:`SEM.fit`.
    **options
        As for :class:`SEM`, for example ``estimator="MLR"`` or ``ordered=True``.

    Returns
    -------
    DataFrame
        Index model, columns [df, chisq, chisq_diff, df_diff, pvalue, cfi, delta_cfi, rmsea, delta_rmsea, srmr, aic, bic,
        release, proper]. Robust forms where the estimator has them. `release` names the parameter whose equality
        fits worst (by score test) where the step is rejected at 5 %: the candidate for `partial`. A drop of the CFI
        by more than .01 speaks against a step (Cheung and Rensvold 2002; Chen 2007 adds .015 for the RMSEA).

    Raises
    ------
    SpecError
        For unknown steps, or fewer than two groups.

    Examples
    --------
    >>> import cxmodels as cx
    >>> model = "visual =~ x1 + x2 + x3; textual =~ x4 + x5 + x6; speed =~ x7 + x8 + x9"
    >>> steps = cx.invariance(model, cx.datasets.load("holzinger"), group="school")
    >>> steps[["df", "pvalue", "delta_cfi", "release"]].round(3)
                df  pvalue  delta_cfi release
    model
    configural  48     NaN        NaN
    metric      54   0.224     -0.002
    scalar      60   0.000     -0.038    x3~1
    strict      69   0.043     -0.009  x6~~x6
    """
    if isinstance(model, SEM):
        if options:
            raise SpecError("Give options to SEM or to invariance(), not to both.")
        spec = model
    else:
        ordinal = bool(options.get("ordered"))
        spec = SEM(model, **({"parameterization": "theta"} | options if ordinal else options))
    ladder = LADDER_ORDINAL if spec.ordered else LADDER
    names = tuple(ladder)[:4] if levels is None else _names(levels, "levels")
    if unknown := [x for x in names if x not in ladder]:
        raise SpecError(f"levels names '{unknown[0]}'; known are {listed(ladder)}.{near(unknown[0], ladder)}")
    if list(names) != [x for x in ladder if x in names]:
        raise SpecError(f"levels must go up: {listed(x for x in ladder if x in names)}.")
    fits = {}
    for name in names:
        equal = ladder[name]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # said in the column `proper`
            fits[name] = spec.fit(
                data, group=group, equal=equal, partial=partial if equal else (), missing=missing,  # type: ignore[arg-type]
                weights=weights, cluster=cluster, strata=strata,
            )  # fmt: skip
        if len(fits[name].rows.labels) < 2:
            raise SpecError(
                f"'{group}' has one group only, '{fits[name].rows.labels[0]}'; invariance compares groups."
            )
    return _table(fits, ladder)


def _table(fits: dict[str, SEMResult], ladder: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    """All steps side by side."""
    results = list(fits.values())
    if len(results) > 1:
        out = compare(*results)
    else:
        m = results[0].fit_measures
        row = {"df": m["df"], "chisq": m["chisq"], "chisq_diff": np.nan, "df_diff": np.nan, "pvalue": np.nan}
        out = pd.DataFrame([row | {"aic": m.get("aic", np.nan), "bic": m.get("bic", np.nan)}])
    for key in ("cfi", "rmsea"):
        out[key] = [_robust(r, key) for r in results]
        out[f"delta_{key}"] = out[key].diff()
    out["srmr"] = [r.fit_measures["srmr"] for r in results]
    out["release"] = [""] + [
        _release(now, set(ladder[name]) - set(ladder[before])) if p < 0.05 else ""
        for (before, _), (name, now), p in zip(
            list(fits.items())[:-1], list(fits.items())[1:], out["pvalue"][1:], strict=True
        )
    ]
    out["proper"] = [r.proper for r in results]
    order = ["df", "chisq", "chisq_diff", "df_diff", "pvalue", "cfi", "delta_cfi", "rmsea", "delta_rmsea", "srmr", "aic",
             "bic", "release", "proper"]  # fmt: skip
    out = out[order]
    out.index = pd.Index(list(fits), name="model")
    return out


def _robust(r: SEMResult, key: str) -> float:
    m = r.fit_measures
    return float(m[key + form_of(m, key)])


def _release(r: SEMResult, new: set[str]) -> str:
    """The equality added by a step that fits worst; equal means are fixed at 0, so that no equality is theirs."""
    tests = r.score_tests()
    tests = tests[tests["op"].isin([_OPS[k] for k in new if k in _OPS])]
    if tests.empty:
        return ""
    worst = tests.iloc[int(tests["chisq"].to_numpy().argmax())]
    return f"{worst['lhs']}{worst['op']}{worst['rhs']}"
