"""Logistic regression for the researcher: odds ratios and average marginal effects with their standard errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError, EstimationError, NotIdentifiedError, listed
from ..inference import choose, quantile
from ..results import Result
from ..survey.frames import to_pandas
from .terms import Terms

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class LogitResult(Result):
    """A fitted logistic regression.

    Parameters
    ----------
    estimates : DataFrame
        [term, est, se, z, pvalue, ci_lower, ci_upper, odds_ratio, or_ci_lower, or_ci_upper]; est in log-odds.
    marginal_effects : DataFrame
        [term, est, se, z, pvalue, ci_lower, ci_upper]: change of the probability per unit, averaged over the rows.
    fit_measures : Series
        n_obs, churners, loglik, loglik_null, mcfadden, aic, bic, chisq, df, pvalue (likelihood-ratio test of all terms).
    covariance : str
        ``"classic"`` or ``"HC1"``.
    n_obs : int
        Rows used.
    excluded : DataFrame
        [reason, rows].
    references : dict of str to str
        Level of each category that the others are compared with.
    event : str
        The label that is modelled.
    """

    estimates: pd.DataFrame
    marginal_effects: pd.DataFrame
    fit_measures: pd.Series
    covariance: str
    n_obs: int
    excluded: pd.DataFrame
    references: dict[str, str] = field(default_factory=dict)
    event: str = "1"

    def headline(self) -> list[tuple[str, str]]:
        """Model, rows, standard errors."""
        out = int(self.excluded["rows"].sum())
        rows = [
            ("Logistic regression", f"log-odds of '{self.event}', maximum likelihood"),
            ("Rows", f"{self.n_obs} used" + (f", {out} left out ({listed(self.excluded['reason'])})" if out else "")),
            ("Standard errors", "from the information matrix" if self.covariance == "classic" else "robust (HC1)"),
        ]
        if self.references:
            rows.append(("Compared with", ", ".join(f"{k} = {v}" for k, v in self.references.items())))
        return rows

    def tables(self) -> dict[str, pd.DataFrame]:
        """Odds ratios, average marginal effects, fit."""
        return {
            "Odds ratios": self.estimates.set_index("term"),
            "Average marginal effects": self.marginal_effects.set_index("term"),
            "Fit": self.fit_measures.rename("value").to_frame(),
        }


def logit(
    X: Any,
    y: ArrayLike,
    *,
    covariance: str = "classic",
    weights: ArrayLike | None = None,
    level: float = 0.95,
) -> LogitResult:
    """Fit a logistic regression with inference, by statsmodels.

    Numbers enter as they are, categories as one term per level but the most frequent one. Rows with a blank are left out
    and counted. For prediction use :class:`cxmodels.Churn`; this is for reading coefficients.

    Parameters
    ----------
    X : frame of shape (n, columns)
        Explanatory columns.
    y : array-like of shape (n,)
        Two labels; the later in sorted order is the event.
    covariance : {"classic", "HC1"}, default "classic"
        Standard errors from the information matrix, or robust to a wrong variance: the sandwich of White (1982), which
        statsmodels calls HC1 for a logit and gives without a factor for small samples.
    weights : array-like of shape (n,), optional
        Rows that each row stands for (frequencies).
    level : float, default 0.95
        Of the intervals.

    Returns
    -------
    LogitResult

    Raises
    ------
    DataError
        Labels that are not of two kinds, no rows left.
    NotIdentifiedError
        Columns that repeat each other, or that separate the outcome perfectly.

    Examples
    --------
    >>> import cxmodels as cx
    >>> from cxmodels.churn import logit
    >>> data = cx.datasets.load("telco")
    >>> found = logit(data[["tenure", "contract"]], data["churn"])
    >>> found.estimates[["term", "odds_ratio"]].round(2).to_dict("list")
    {'term': ['intercept', 'tenure', 'contract: Two year', 'contract: One year'], 'odds_ratio': [1.0, 0.98, 0.07, 0.25]}
    """
    choose("covariance", covariance, ("classic", "HC1"))
    frame = to_pandas(X)
    labels = pd.Series(np.asarray(y)).reset_index(drop=True)
    if len(labels) != len(frame):
        raise DataError(f"y has {len(labels)} labels for {len(frame)} rows; give one each.")
    terms = Terms.learn(frame, np.ones(len(frame)))
    design, references = terms.matrix(frame), terms.references
    blank = np.isnan(design).any(axis=1)
    w = np.ones(len(labels)) if weights is None else np.asarray(weights, dtype=float)
    if len(w) != len(labels) or (w < 0).any() or not np.isfinite(w).all():
        raise DataError(f"weights must be {len(labels)} numbers that are not negative; give one per row.")
    no_label = labels.isna().to_numpy()
    here = ~blank & ~no_label & (w > 0)
    reasons = {
        "blank in a column": blank & ~no_label,
        "no label": no_label,
        "weight 0": ~blank & ~no_label & (w == 0),
    }
    excluded = pd.DataFrame([(k, int(v.sum())) for k, v in reasons.items() if v.any()], columns=["reason", "rows"])
    kinds = np.unique(labels[here].astype(str) if labels.dtype == object else labels[here])
    if len(kinds) != 2:
        raise DataError(
            f"y must hold two labels in the {int(here.sum())} rows without blanks, but holds {len(kinds)}."
        )
    names = ["intercept", *terms.names]
    event = (labels[here].astype(kinds.dtype) == kinds[1]).to_numpy(dtype=float)
    matrix = np.column_stack([np.ones(int(here.sum())), design[here]])
    return _result(matrix, event, w[here], names, covariance, level, excluded, references, str(kinds[1]))


def _result(
    X: Array,
    y: Array,
    w: Array,
    names: list[str],
    covariance: str,
    level: float,
    excluded: pd.DataFrame,
    references: dict[str, str],
    event: str,
) -> LogitResult:
    """Fit and read off."""
    import warnings

    import statsmodels.api as sm

    if (rank := np.linalg.matrix_rank(X / np.maximum(np.abs(X).max(axis=0), 1e-300))) < X.shape[1]:
        raise NotIdentifiedError(
            f"{X.shape[1] - rank} of the terms {listed(names[1:])} follow from the others; leave one out."
        )
    model = sm.GLM(y, X, family=sm.families.Binomial(), freq_weights=w)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            fit = model.fit(maxiter=100, tol=1e-12)
        except (np.linalg.LinAlgError, ValueError) as error:
            raise EstimationError(f"The logistic regression has no estimate: {error}.") from None
    beta = np.asarray(fit.params)
    p = 1 / (1 + np.exp(-np.clip(X @ beta, -500, 500)))
    if not np.isfinite(beta).all() or (w @ np.abs(y - p)) / w.sum() < 1e-6 or np.abs(X @ beta).max() > 30:
        raise NotIdentifiedError(
            "Some terms separate the outcome (nearly) perfectly, so that their coefficients are infinite; "
            "leave out the column that gives the outcome away."
        )
    bread = np.linalg.inv((X * (w * p * (1 - p))[:, None]).T @ X)
    V = bread if covariance == "classic" else bread @ ((X * (w * (y - p) ** 2)[:, None]).T @ X) @ bread
    effect, slope_se = _marginal(X, beta, p, w, V)
    est = _frame(names, beta, np.sqrt(np.diag(V)), level)
    est["odds_ratio"] = np.exp(est["est"])
    est["or_ci_lower"], est["or_ci_upper"] = np.exp(est["ci_lower"]), np.exp(est["ci_upper"])
    return LogitResult(
        est,
        _frame(names[1:], effect, slope_se, level),
        _measures(X, y, w, beta),
        covariance,
        len(y),
        excluded,
        references,
        event,
    )


def _marginal(X: Array, beta: Array, p: Array, w: Array, V: Array) -> tuple[Array, Array]:
    """Average of the derivative p(1 - p) b over the rows, and its standard error by the delta method."""
    share = w / w.sum()
    density = p * (1 - p)
    mean = share @ density
    bend = X.T @ (share * density * (1 - 2 * p))  # derivative of the mean density by beta
    gradient = mean * np.eye(len(beta))[1:] + np.outer(beta[1:], bend)
    return mean * beta[1:], np.sqrt(np.einsum("ij,jk,ik->i", gradient, V, gradient))


def _measures(X: Array, y: Array, w: Array, beta: Array) -> pd.Series:
    """Log-likelihoods and what follows from them."""
    from scipy.special import chdtrc

    eta = X @ beta
    rate = w @ y / w.sum()
    ll = float(w @ (y * eta - np.logaddexp(0, eta)))
    null = float(w.sum() * (rate * np.log(rate) + (1 - rate) * np.log(1 - rate)))
    n, k = float(w.sum()), X.shape[1]
    values = {"n_obs": n, "churners": float(w @ y), "loglik": ll, "loglik_null": null, "mcfadden": 1 - ll / null}
    values |= {"aic": 2 * k - 2 * ll, "bic": k * np.log(n) - 2 * ll, "chisq": 2 * (ll - null), "df": k - 1}
    return pd.Series(values | {"pvalue": float(chdtrc(k - 1, 2 * (ll - null))) if k > 1 else np.nan})


def _frame(names: list[str], est: Array, se: Array, level: float) -> pd.DataFrame:
    """Estimates with normal intervals."""
    from scipy.special import ndtr

    half = quantile(level) * se
    z = est / se
    columns = {"est": est, "se": se, "z": z, "pvalue": 2 * ndtr(-np.abs(z))}
    return pd.DataFrame({"term": names, **columns, "ci_lower": est - half, "ci_upper": est + half})
