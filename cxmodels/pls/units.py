"""Many units, one model: a path model fitted to hundreds of companies in one pass of the algorithm.

The rows of each unit give its moments; the algorithm then runs on the stack of all units' moments at once. The numbers
are those of fitting unit by unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from ..errors import CxError
from ..survey import Survey
from .kernel import Array, Estimate
from .result import PLSResult
from .spec import PLS
from .table import Table


def fit_units(
    spec: PLS,
    survey: Survey,
    rows: Sequence[np.ndarray],
    *,
    weights: Array | None = None,
    missing: str = "mean",
) -> list[PLSResult | CxError]:
    """Fit a path model to each of several sets of rows.

    Parameters
    ----------
    spec : PLS
        The model.
    survey : Survey
        All respondents.
    rows : sequence of ndarray of int
        Positions of the rows of each unit.
    weights : ndarray of shape (n,), optional
        Case weights of all respondents.
    missing : {"mean", "listwise", "pairwise", "error"}, default "mean"
        As for :meth:`PLS.fit`.

    Returns
    -------
    list of PLSResult or CxError
        For each unit its result, or the error that fitting it alone would have raised. ``rows`` of a result are
        positions in the whole survey.

    Examples
    --------
    >>> import cxmodels as cx
    >>> mobi = cx.Survey(cx.datasets.load("mobi"))
    >>> both = fit_units(cx.PLS(cx.acsi.ECSI.syntax), mobi, [np.arange(125), np.arange(125, 250)])
    >>> [r.n_obs for r in both]
    [125, 125]
    """
    x = survey.numeric(spec.plan.items)
    tables: list[Table | CxError] = []
    for own in rows:
        try:
            tables.append(spec.table(x[own], None if weights is None else weights[own], missing))
        except CxError as error:
            tables.append(error)
    good = [t for t in tables if isinstance(t, Table)]
    lines = iter(_estimates(spec, good))
    out: list[PLSResult | CxError] = []
    for own, table in zip(rows, tables, strict=True):
        if isinstance(table, CxError):
            out.append(table)
            continue
        try:
            out.append(spec.conclude(survey, own if table.keep is None else own[table.keep], table, next(lines)))
        except CxError as error:
            out.append(error)
    return out


def _estimates(spec: PLS, tables: Sequence[Table]) -> list[Estimate]:
    """One line of estimates for every table."""
    options: dict[str, Any] = {"tolerance": spec.tolerance, "max_iter": spec.max_iter}
    if not tables:
        return []
    if not spec.plan.simple:  # products are centred at each unit's own means
        return [spec.plan.run(t.means, t.cov, t.moments.center, **options) for t in tables]
    means, cov = np.concatenate([t.means for t in tables]), np.concatenate([t.cov for t in tables])
    stack = spec.plan.run(means, cov, tables[0].moments.center, **options)
    names = [f.name for f in fields(stack) if isinstance(getattr(stack, f.name), np.ndarray)]
    return [
        Estimate(**{f.name: None for f in fields(stack)} | {k: getattr(stack, k)[i : i + 1] for k in names})
        for i in range(len(tables))
    ]
