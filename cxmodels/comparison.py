"""One way to compare fitted models, whatever family they are of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import SpecError

if TYPE_CHECKING:
    import pandas as pd

    from .pls.comparison import PLSComparison

__all__ = ["compare"]


def compare(*models: Any, **options: Any) -> pd.DataFrame | PLSComparison:
    """Compare fitted models of one family.

    Parameters
    ----------
    *models : SEMResult or PLSResult
        Two or more fits to the same rows.
    **options
        Of :func:`cxmodels.sem.compare` or :func:`cxmodels.pls.compare`.

    Returns
    -------
    DataFrame or PLSComparison
        Covariance-based models: one line per model with likelihood ratio tests. Path models: coefficients side by
        side, explained variance, information criteria, fit, and ``cvpat()``.

    Raises
    ------
    SpecError
        For fewer than two models, or models of several families.

    Examples
    --------
    >>> import cxmodels as cx
    >>> spec = cx.PLS('''
    ...     Image =~ IMAG1 + IMAG2
    ...     Value =~ PERV1 + PERV2
    ...     Loyalty =~ CUSL1 + CUSL3
    ...     Loyalty ~ Image + Value
    ... ''')
    >>> mobi = cx.datasets.load("mobi")
    >>> cx.compare(spec.fit(mobi), spec.add("Value ~ Image").fit(mobi), names=["apart", "chain"]).paths.round(2)
       outcome predictor  apart  chain
    0  Loyalty     Image   0.22   0.22
    1  Loyalty     Value   0.43   0.43
    2    Value     Image    NaN   0.41
    """
    from .pls import PLSResult
    from .sem import SEMResult

    if len(models) < 2:
        raise SpecError(f"compare() takes two or more fitted models, not {len(models)}.")
    if all(isinstance(m, PLSResult) for m in models):
        from .pls.comparison import compare as compare_paths

        return compare_paths(*models, **options)
    if all(isinstance(m, SEMResult) for m in models):
        from .sem import compare as compare_covariances

        return compare_covariances(*models, **options)
    kinds = ", ".join(dict.fromkeys(type(m).__name__ for m in models))
    raise SpecError(f"compare() takes fitted models of one family, PLS or SEM, not {kinds}.")
