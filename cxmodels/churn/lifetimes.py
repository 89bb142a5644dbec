"""What the models of lifetimes and purchases share: maximum likelihood with standard errors, and the result's display."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..errors import ConvergenceWarning, DataError, EstimationError, SpecError, listed, near
from ..inference import quantile
from ..results import Result
from ..survey.validation import check_weights

Array = NDArray[np.float64]
LogLik = Callable[[Array], tuple[float, Array]]

_STEP = 1e-4  # of the central differences of the gradient, on the logarithmic scale
_NEWTON = 50
_FLAT = 1e-3  # information below this on the logarithmic scale is none
_EDGE = 12.0  # logarithms of parameters beyond this say that the data do not bound them


@dataclass(frozen=True, repr=False, eq=False)
class LifetimeResult(Result):
    """A fitted model of lifetimes, purchases or spend.

    Attributes
    ----------
    params : Series
        Estimates by name.
    covariance : DataFrame
        Of the estimates, from the inverse of the observed information.
    loglik : float
        Log-likelihood at the maximum.
    n_obs : int
        Customers (sum of the weights, rounded).
    rows : int
        Distinct rows that the likelihood was computed on.
    converged : bool
        Whether the gradient vanished.
    level : float
        Confidence level of the intervals.
    """

    params: pd.Series
    covariance: pd.DataFrame
    loglik: float
    n_obs: int
    rows: int
    converged: bool
    name: str
    level: float = 0.95
    warnings: tuple[str, ...] = ()
    excluded: pd.DataFrame = field(default_factory=lambda: pd.DataFrame({"reason": [], "rows": []}))

    @property
    def estimates(self) -> pd.DataFrame:
        """Index parameter: [est, se, ci_lower, ci_upper]; intervals on the log scale for positive parameters."""
        se = pd.Series(np.sqrt(np.diag(self.covariance)), self.params.index)
        z = quantile(self.level)
        positive = np.array([not str(k).startswith("gamma_") for k in self.params.index])
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            width = np.exp(z * se / self.params)
            low = np.where(positive, self.params / width, self.params - z * se)
            high = np.where(positive, self.params * width, self.params + z * se)
        return pd.DataFrame({"est": self.params, "se": se, "ci_lower": low, "ci_upper": high})

    @property
    def aic(self) -> float:
        """Akaike's information criterion."""
        return 2 * len(self.params) - 2 * self.loglik

    @property
    def bic(self) -> float:
        """Schwarz's information criterion."""
        return len(self.params) * float(np.log(self.n_obs)) - 2 * self.loglik

    def headline(self) -> list[tuple[str, str]]:
        """Return model, customers, convergence and log-likelihood.

        Returns
        -------
        list of (label, value)
        """
        return [
            ("Model", self.name),
            ("Customers", f"{self.n_obs:,} in {self.rows:,} distinct rows"),
            ("Converged", "yes" if self.converged else "NO"),
            ("Log-likelihood", f"{self.loglik:,.2f}, AIC {self.aic:,.2f}"),
        ]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the estimates.

        Returns
        -------
        dict of DataFrame
        """
        return {"Estimates": self.estimates.rename_axis("parameter").reset_index()}

    def interval_of(self, value: Callable[[pd.Series], ArrayLike]) -> pd.DataFrame:
        """Standard errors and intervals of anything computed from the parameters, by the delta method.

        Parameters
        ----------
        value : callable
            Takes the parameters and returns one number or an array (k,).

        Returns
        -------
        DataFrame
            [est, se, ci_lower, ci_upper], a line per number.
        """
        est, jacobian = self.slopes_of(value)
        se = np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", jacobian, self.covariance.to_numpy(), jacobian), 0))
        half = quantile(self.level) * se
        return pd.DataFrame({"est": est, "se": se, "ci_lower": est - half, "ci_upper": est + half})

    def slopes_of(self, value: Callable[[pd.Series], ArrayLike]) -> tuple[Array, Array]:
        """Return anything computed from the parameters, and its derivatives by them.

        Parameters
        ----------
        value : callable
            Takes the parameters and returns one number or an array (k,).

        Returns
        -------
        value : ndarray of shape (k,)
        slopes : ndarray of shape (k, parameters)
            By central differences.
        """
        est = np.atleast_1d(np.asarray(value(self.params), dtype=float))
        jacobian = np.empty((len(est), len(self.params)))
        for j, name in enumerate(self.params.index):
            step = 1e-5 * max(abs(float(self.params[name])), 1e-3)
            ends = []
            for sign in (1, -1):
                moved = self.params.copy()
                moved[name] += sign * step
                ends.append(np.atleast_1d(np.asarray(value(moved), dtype=float)))
            jacobian[:, j] = (ends[0] - ends[1]) / (2 * step)
        return est, jacobian


def maximise(
    loglik: LogLik, names: Sequence[str], starts: Sequence[Array], positive: NDArray[np.bool_], what: str
) -> tuple[pd.Series, pd.DataFrame, float, bool, tuple[str, ...]]:
    """Maximise a log-likelihood of positive (and free) parameters, with standard errors.

    Parameters
    ----------
    loglik : callable
        Takes parameters (k,) and returns the log-likelihood and its gradient with respect to them.
    names : sequence of str
        Of the parameters.
    starts : sequence of ndarray of shape (k,)
        The best of their maxima is taken.
    positive : ndarray of bool of shape (k,)
        Parameters that move on the log scale.
    what : str
        Name of the model in messages.

    Returns
    -------
    params : Series
    covariance : DataFrame
        Inverse observed information.
    value : float
        Log-likelihood.
    converged : bool
    messages : tuple of str

    Raises
    ------
    EstimationError
        If no start gives a finite likelihood.
    """
    from scipy.optimize import minimize

    def turned(theta: Array) -> tuple[float, Array]:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            p = np.where(positive, np.exp(np.clip(theta, -_EDGE - 8, _EDGE + 8)), theta)
            value, slope = loglik(p)
        if not np.isfinite(value) or not np.isfinite(slope).all():
            return 1e300, np.zeros_like(theta)
        return -value, -slope * np.where(positive, p, 1.0)

    best: tuple[float, Array] | None = None
    for start in starts:
        theta = np.where(positive, np.log(np.where(positive, start, 1.0)), start)
        if turned(theta)[0] >= 1e300:
            continue
        found = minimize(turned, theta, jac=True, method="BFGS", options={"gtol": 1e-6, "maxiter": 500})
        if best is None or found.fun < best[0] - 1e-9:
            best = (float(found.fun), found.x)
    if best is None:
        raise EstimationError(f"The likelihood of the {what} is not finite at any starting value; check the data.")
    theta, converged, hessian = _polish(turned, best[1])
    p = np.where(positive, np.exp(theta), theta)
    messages = []
    far = [n for n, t, q in zip(names, theta, positive, strict=True) if q and abs(t) > _EDGE]
    known = np.isfinite(hessian).all()
    weakest, along = (v[..., 0] for v in np.linalg.eigh(hessian)) if known else (0.0, np.ones(len(theta)))
    if weakest < _FLAT:  # a ridge: parameters that may be anything together
        far = far or [n for n, size in zip(names, np.abs(along), strict=True) if size > 0.3]
    if far:
        converged = False
        messages.append(
            f"The likelihood of the {what} has no finite maximum: {listed(far)} runs away, so the customers hardly differ "
            "in what it describes; read no standard errors."
        )
    elif not converged:
        messages.append(f"The likelihood of the {what} had not settled; read the estimates with caution.")
    for message in messages:
        warnings.warn(message, ConvergenceWarning, stacklevel=4)
    scale = np.where(positive, p, 1.0)
    try:
        inverse = np.linalg.inv(hessian)
    except np.linalg.LinAlgError:
        inverse = np.full_like(hessian, np.nan)
    covariance = inverse * scale[:, None] * scale[None, :]
    if far or (np.diag(covariance) <= 0).any():
        covariance = np.full_like(covariance, np.nan)
    table = pd.DataFrame(covariance, list(names), list(names))
    return pd.Series(p, list(names)), table, -turned(theta)[0], converged, tuple(messages)


def _polish(turned: LogLik, theta: Array) -> tuple[Array, bool, Array]:
    """Newton steps to the exact optimum; the Hessian by central differences of the gradient."""
    value, slope = turned(theta)
    hessian = _hessian(turned, theta)
    for _ in range(_NEWTON):
        if np.abs(slope).max() < 1e-8 * (1 + abs(value)) ** 0.5:
            return theta, True, hessian
        try:
            step = np.linalg.solve(hessian, slope)
        except np.linalg.LinAlgError:
            break
        size, moved = 1.0, False
        while size > 1e-4 and not moved:
            new = theta - size * step
            found = turned(new)
            moved = found[0] <= value + 1e-12 * abs(value)
            size /= 2
        if not moved:
            break
        gain, theta, (value, slope) = np.abs(new - theta).max(), new, found
        hessian = _hessian(turned, theta)
        if gain < 1e-10:
            return theta, True, hessian
    return theta, bool(np.abs(slope).max() < 1e-5 * (1 + abs(value)) ** 0.5), hessian


def _hessian(turned: LogLik, theta: Array) -> Array:
    """Second derivatives from the gradient."""
    out = np.empty((len(theta), len(theta)))
    for j in range(len(theta)):
        step = np.zeros_like(theta)
        step[j] = _STEP
        out[j] = (turned(theta + step)[1] - turned(theta - step)[1]) / (2 * _STEP)
    return (out + out.T) / 2


def framed(data: Any) -> Any:
    """Return any table as pandas, and anything else as it is.

    Parameters
    ----------
    data : frame or array-like

    Returns
    -------
    DataFrame or object
    """
    if isinstance(data, pd.DataFrame) or not (hasattr(data, "columns") or isinstance(data, dict)):
        return data
    from ..survey.frames import to_pandas

    return to_pandas(data)


def columns_of(
    data: Any, given: Mapping[str, Any], weights: Any, *, least: Mapping[str, float]
) -> tuple[dict[str, Array], Array]:
    """Read columns of customers, from a frame by name or as arrays, and check them.

    Parameters
    ----------
    data : DataFrame or array-like
        A frame, or the first of the columns.
    given : mapping of str to str or array-like
        Column names in the frame, or the arrays; the first may be None where `data` is it.
    weights : array-like of shape (n,), str or None
        Customers that each row stands for.
    least : mapping of str to float
        Smallest value of each column.

    Returns
    -------
    columns : dict of ndarray of shape (n,)
    weights : ndarray of shape (n,)

    Raises
    ------
    DataError
        For missing columns, lengths that differ, and values that are missing, no numbers or too small.
    SpecError
        If arrays and a frame are mixed.
    """
    raw = dict(given)
    if isinstance(data, pd.DataFrame):
        for name, column in given.items():
            if not isinstance(column, str):
                raise SpecError(f"{name} must name a column of the frame, not be {type(column).__name__}.")
            if column not in data:
                raise DataError(f"There is no column '{column}'.{near(column, map(str, data.columns))}")
            raw[name] = data[column]
        if isinstance(weights, str):
            if weights not in data:
                raise DataError(f"There is no column '{weights}' of weights.{near(weights, map(str, data.columns))}")
            weights = data[weights]
    else:
        raw[next(iter(given))] = data
    out = {name: _numbers(name, values) for name, values in raw.items()}
    n = len(next(iter(out.values())))
    for name, values in out.items():
        if len(values) != n:
            raise DataError(
                f"{name} has {len(values)} entries, but {next(iter(out))} has {n}; give one per customer."
            )
        if bad := int((~np.isfinite(values)).sum()):
            raise DataError(f"{name} is missing or infinite for {bad} of {n} customers; leave them out first.")
        if bad := int((values < least.get(name, -np.inf)).sum()):
            raise DataError(f"{name} is below {least[name]:g} for {bad} of {n} customers.")
    if n == 0:
        raise DataError("There are no customers.")
    return out, np.ones(n) if weights is None else check_weights(weights, n)


def _numbers(name: str, values: Any) -> Array:
    """One-dimensional floats; a number is one customer."""
    try:
        out = np.atleast_1d(np.asarray(values, dtype=float))
    except (TypeError, ValueError):
        raise DataError(f"{name} holds something that is not a number.") from None
    if out.ndim != 1:
        raise DataError(f"{name} must have one dimension, not {out.ndim}.")
    return out


def grouped(columns: Sequence[Array], weights: Array) -> tuple[list[Array], Array, NDArray[np.intp]]:
    """Distinct rows, the customers that each stands for, and the one of each row.

    Parameters
    ----------
    columns : sequence of ndarray of shape (n,)
    weights : ndarray of shape (n,)

    Returns
    -------
    columns : list of ndarray of shape (m,)
    weights : ndarray of shape (m,)
    place : ndarray of shape (n,)

    Examples
    --------
    >>> grouped([np.array([1.0, 1.0, 2.0])], np.ones(3))
    ([array([1., 2.])], array([2., 1.]), array([0, 0, 1]))
    """
    order = np.lexsort(columns[::-1])
    fresh = np.ones(len(order), dtype=bool)
    fresh[1:] = np.logical_or.reduce([np.diff(c[order]) != 0 for c in columns])
    starts = np.flatnonzero(fresh)
    place = np.empty(len(order), dtype=np.intp)
    place[order] = np.cumsum(fresh) - 1
    return [c[order][starts] for c in columns], np.add.reduceat(weights[order], starts), place


def _start(start: ArrayLike, k: int) -> Array:
    """Starting values, all positive."""
    try:
        values = np.asarray(start, dtype=float)
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.shape != (k,) or not (np.isfinite(values) & (values > 0)).all():
        raise SpecError(f"start must be {k} numbers above zero, not {start!r}.")
    return values
