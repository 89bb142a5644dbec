"""Weights that make a sample agree with what is known of the population.

Calibration changes given weights d as little as a distance allows so that weighted shares and means equal the known
ones (Deville and Särndal 1992, JASA 87): w = d F(x' lambda), solved for lambda by Newton's method. F = exp is raking
(the limit of iterative proportional fitting, Deming and Stephan 1940), F = 1 + u the regression estimator, and
the logit form keeps every ratio w / d between two bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError, EstimationError, SpecError, listed, near
from ..results import Result
from ..survey import check_weights

Array = NDArray[np.float64]
Margin = Mapping[Any, float] | float
Method = Literal["raking", "linear", "logit"]

METHODS = ("raking", "linear", "logit")
_STEPS = 100
_TIGHT = 1e-10


@dataclass(frozen=True, repr=False, eq=False)
class Weighting(Result):
    """Calibrated weights and what they did.

    Attributes
    ----------
    weights : Series
        One weight per row, with the data's index; their mean is 1.
    margins : DataFrame
        [column, category, target, before, after]: shares (means of numeric columns) that were wanted, under the
        weights given, and now.
    n_obs : int
        Rows.
    n_eff : float
        Kish's effective sample size, (sum w)² / sum w².
    deff : float
        n / n_eff, by how much unequal weights inflate the variance of a mean (Kish 1965).
    trimmed : int
        Weights that were cut.

    Examples
    --------
    >>> import pandas as pd
    >>> import cxmodels as cx
    >>> sample = pd.DataFrame({"sex": ["f"] * 30 + ["m"] * 70})
    >>> found = cx.fieldwork.calibrate(sample, {"sex": {"f": 0.5, "m": 0.5}})
    >>> round(found.deff, 2), found.weights[[0, 99]].round(2).tolist()
    (1.19, [1.67, 0.71])
    """

    weights: pd.Series
    margins: pd.DataFrame
    n_eff: float
    method: str
    trimmed: int = 0

    @property
    def n_obs(self) -> int:
        """Rows."""
        return len(self.weights)

    @property
    def excluded(self) -> pd.DataFrame:
        """Rows left out, [reason, rows]: none."""
        return pd.DataFrame(columns=["reason", "rows"])

    @property
    def deff(self) -> float:
        """Inflation of the variance of a mean by unequal weights."""
        return self.n_obs / self.n_eff

    def headline(self) -> list[tuple[str, str]]:
        """Return method, rows, effective rows and the range of the weights.

        Returns
        -------
        list of (label, value)
        """
        w = self.weights
        return [
            ("Weights", self.method + (f", {self.trimmed} trimmed" if self.trimmed else "")),
            ("Rows", f"{self.n_obs}, worth {self.n_eff:.0f} of a simple random sample"),
            ("Range", f"{w.min():.2f} to {w.max():.2f} about a mean of 1; design effect {self.deff:.2f}"),
        ]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the margins.

        Returns
        -------
        dict of DataFrame
        """
        return {"Margins": self.margins}


def calibrate(
    data: pd.DataFrame,
    margins: Mapping[str, Margin],
    *,
    weights: str | ArrayLike | None = None,
    method: Method = "raking",
    bounds: tuple[float, float] | None = None,
) -> Weighting:
    """Weight a sample so that it agrees with known margins of the population.

    Parameters
    ----------
    data : DataFrame of shape (n, columns)
        The sample.
    margins : mapping of column to margin
        For a column of categories a mapping of each category to its share or count in the population; for a numeric
        column the population's mean.
    weights : str or array-like of shape (n,), optional
        Weights to start from, such as design weights; by default 1.
    method : {"raking", "linear", "logit"}, default "raking"
        Raking keeps weights positive. ``"linear"`` is the regression estimator and may give negative weights, which
        is refused. ``"logit"`` keeps the ratio of new to given weights inside `bounds`.
    bounds : (float, float), optional
        For ``"logit"``: lower bound below 1 and upper above 1, on new over given weight; default (.2, 5).

    Returns
    -------
    Weighting

    Raises
    ------
    DataError
        If a column is missing or blank in some rows, a category of the margin does not occur in the sample or one
        of the sample not in the margin, or weights are invalid.
    SpecError
        For an unknown method, impossible bounds, or margins that are negative.
    EstimationError
        If no weights meet the margins.

    Notes
    -----
    Deville and Särndal (1992), JASA 87, 376-382, cases 1, 2 and 6.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodels.fieldwork import calibrate
    >>> sample = pd.DataFrame({"sex": ["f"] * 30 + ["m"] * 70, "age": ["old", "young"] * 50})
    >>> found = calibrate(sample, {"sex": {"f": 0.5, "m": 0.5}, "age": {"old": 0.4, "young": 0.6}})
    >>> found.margins[["category", "target", "before", "after"]].round(3).values.tolist()
    [['f', 0.5, 0.3, 0.5], ['m', 0.5, 0.7, 0.5], ['old', 0.4, 0.5, 0.4], ['young', 0.6, 0.5, 0.6]]
    """
    if method not in METHODS:
        raise SpecError(f"Unknown method={method!r}; choose from {listed(METHODS)}.{near(str(method), METHODS)}")
    if not margins:
        raise SpecError("calibrate needs at least one margin.")
    d = _start(data, weights)
    x, target, names = _constraints(data, margins)
    ratio = _solve(x, target, d / d.sum(), *_function(method, bounds))
    w = d * ratio
    if bad := int((w < 0).sum()):
        raise EstimationError(f'{bad} weights would be negative; use method="raking" or "logit".')
    w = w / w.mean()
    before, after = (d / d.sum()) @ x, (w / w.sum()) @ x
    table = names.assign(target=target, before=before, after=after)
    label = {"raking": "raking", "linear": "linear calibration", "logit": "bounded calibration"}[method]
    return Weighting(pd.Series(w, data.index, name="weight"), table, float(w.sum() ** 2 / (w @ w)), label)


def trim(
    weights: ArrayLike, *, upper: float | None = None, lower: float | None = None, keep_total: bool = True
) -> tuple[Array, int]:
    """Cut extreme weights and spread what was cut over the others.

    Parameters
    ----------
    weights : array-like of shape (n,)
        Positive weights.
    upper, lower : float, optional
        Ends as multiples of the mean weight. Without `upper` it is 5; without `lower` nothing is raised.
    keep_total : bool, default True
        Scale the weights inside the ends so that the total stays, again and again until none exceeds them.

    Returns
    -------
    weights : ndarray of shape (n,)
    trimmed : int
        How many weights were at an end.

    Raises
    ------
    DataError
        For weights that are missing, negative or all zero.
    SpecError
        If the ends are not on either side of 1.

    Notes
    -----
    Trimming trades a little bias for less variance; margins hold only roughly afterwards, so look at them again
    (Potter 1990, Proc. Survey Research Methods Section, ASA).

    Examples
    --------
    >>> from cxmodels.fieldwork import trim
    >>> cut, count = trim([1.0, 1.0, 1.0, 1.0, 16.0], upper=2)
    >>> [round(float(v), 2) for v in cut], count
    ([3.0, 3.0, 3.0, 3.0, 8.0], 1)
    """
    w = check_weights(weights, len(np.asarray(weights)))
    top = 5.0 if upper is None else float(upper)
    bottom = 0.0 if lower is None else float(lower)
    if not 0 <= bottom < 1 < top:
        raise SpecError(f"lower must be below 1 and upper above it, not {lower!r} and {upper!r}.")
    mean, total = w.mean(), w.sum()
    low, high = bottom * mean, top * mean
    out, at = np.clip(w, low, high), (w > high) | (w < low)
    while keep_total and (~at).any() and abs(out.sum() - total) > 1e-12 * total:
        out = np.where(at, out, out * (total - out[at].sum()) / out[~at].sum())
        beyond = (out > high * (1 + 1e-12)) | (out < low * (1 - 1e-12))
        out, at = np.clip(out, low, high), at | beyond
        if not beyond.any():
            break
    return out, int(at.sum())


def _start(data: pd.DataFrame, weights: str | ArrayLike | None) -> Array:
    """Weights to start from."""
    if len(data) == 0:
        raise DataError("The sample has no rows to weight.")
    if weights is None:
        return np.ones(len(data))
    if isinstance(weights, str):
        if weights not in data:
            raise DataError(f"There is no column '{weights}' of weights.{near(weights, map(str, data.columns))}")
        weights = data[weights]
    return check_weights(weights, len(data))


def _constraints(data: pd.DataFrame, margins: Mapping[str, Margin]) -> tuple[Array, Array, pd.DataFrame]:
    """Columns whose weighted means are known (n, k), these means, and their names."""
    columns: list[Array] = []
    target: list[float] = []
    names: list[tuple[str, Any]] = []
    for name, margin in margins.items():
        if name not in data:
            raise DataError(f"The margin '{name}' is not a column of the sample.{near(name, map(str, data.columns))}")
        column = data[name]
        if gone := int(column.isna().sum()):
            raise DataError(f"'{name}' is blank in {gone} of {len(data)} rows; fill these, or make blank a category.")
        if isinstance(margin, Mapping):
            shares = _shares(name, margin, set(column.unique()))
            columns += [(column == k).to_numpy(dtype=float) for k in shares]
            target += list(shares.values())
            names += [(name, k) for k in shares]
        else:
            if not pd.api.types.is_numeric_dtype(column):
                raise DataError(
                    f"'{name}' is not numeric, so a mean of {margin!r} cannot be met; give shares by category."
                )
            columns.append(column.to_numpy(dtype=float))
            target.append(float(margin))
            names.append((name, "mean"))
    return np.column_stack(columns), np.array(target), pd.DataFrame(names, columns=["column", "category"])


def _shares(name: str, margin: Mapping[Any, float], present: set[Any]) -> dict[Any, float]:
    """Shares of the categories of a margin, adding up to 1."""
    values = np.array(list(margin.values()), dtype=float)
    if not np.isfinite(values).all() or (values < 0).any() or values.sum() <= 0:
        raise SpecError(f"The shares of '{name}' must be zero or more and not all zero.")
    if extra := sorted(map(str, present - set(margin))):
        raise DataError(
            f"The sample has {listed(extra)} in '{name}', of which the margin says nothing; add or recode."
        )
    if gone := [k for k, v in margin.items() if v > 0 and k not in present]:
        raise DataError(f"Nobody in the sample has {listed(gone)} in '{name}'; merge it with another category.")
    total = values.sum()
    return {k: float(v / total) for k, v in margin.items() if k in present}


def _function(
    method: str, bounds: tuple[float, float] | None
) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    """F and its derivative."""
    if bounds is not None and method != "logit":
        raise SpecError('bounds belong to method="logit".')
    if method == "raking":
        return lambda u: np.exp(np.clip(u, -50, 50)), lambda u: np.exp(np.clip(u, -50, 50))
    if method == "linear":
        return lambda u: 1 + u, np.ones_like
    low, high = (0.2, 5.0) if bounds is None else (float(b) for b in bounds)
    if not 0 <= low < 1 < high:
        raise SpecError(f"bounds must have the lower one below 1 and the upper one above, not {bounds!r}.")
    a = (high - low) / ((1 - low) * (high - 1))

    def f(u: Array) -> Array:
        e = np.exp(np.clip(a * u, -50, 50))
        return (low * (high - 1) + high * (1 - low) * e) / (high - 1 + (1 - low) * e)

    def slope(u: Array) -> Array:
        e = np.exp(np.clip(a * u, -50, 50))
        return (high - low) ** 2 * e / (high - 1 + (1 - low) * e) ** 2

    return f, slope


def _solve(x: Array, target: Array, d: Array, f: Callable[[Array], Array], slope: Callable[[Array], Array]) -> Array:
    """Ratios F(x' lambda) that meet the margins, by damped Newton steps; d sums to 1."""
    spread = np.where((s := np.sqrt(d @ (x - d @ x) ** 2)) > 0, s, 1.0)
    z, goal = (x - target) / spread, np.zeros(x.shape[1])
    z = np.column_stack([np.ones(len(x)), z])
    goal = np.append(1.0, goal)
    lam = np.zeros(z.shape[1])
    miss = z.T @ (d * f(z @ lam)) - goal
    for _ in range(_STEPS):
        if np.abs(miss).max() < _TIGHT:
            return f(z @ lam)
        u = z @ lam
        step = np.linalg.pinv(z.T @ (z * (d * slope(u))[:, None]), hermitian=True) @ miss
        size = 1.0
        while size > 1e-6:
            new = z.T @ (d * f(z @ (lam - size * step))) - goal
            if np.abs(new).max() < np.abs(miss).max():
                break
            size /= 2
        lam, miss = lam - size * step, new
    if np.abs(miss).max() < 1e-8:
        return f(z @ lam)
    raise EstimationError(
        f"No weights meet all margins (the worst is missed by {np.abs(miss).max():.2g}); "
        "merge small categories, drop a margin, or widen the bounds."
    )
