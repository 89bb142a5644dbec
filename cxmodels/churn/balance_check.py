"""Whether two groups of customers are alike: the same columns side by side, and one test of all of them together.

A campaign measures something only if chance alone decided who got the offer. Then no column tells the groups apart:
standardised differences are small (Austin 2009, Statistics in Medicine 28), a logistic regression of the group on all
columns explains nothing (likelihood-ratio test; Hansen and Bowers 2008, Statistical Science 23, for why one test and not
one per column), and a classifier does no better than a coin (Lopez-Paz and Oquab 2017, ICLR), which also sees what is not
linear, such as an offer to those of middling risk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError, SpecError, listed
from ..inference import adjusted_pvalues
from ..results import Result
from ..survey.frames import to_pandas

if TYPE_CHECKING:
    from .encoding import Column

Array = NDArray[np.float64]

ALPHA = 0.001  # a group is called not random below this p-value: one honest campaign in a thousand
CONTROL = {"control", "none", "no", "untreated", "holdout", "hold-out", "placebo", "false", "0"}
LARGE = 0.1  # absolute standardised difference that is customarily called large (Austin 2009)


@dataclass(frozen=True, eq=False)
class Covariates:
    """Columns as numbers, learned once: numbers as they are, categories as one column per level, blanks as their own.

    Parameters
    ----------
    columns : tuple of Column
        What was learned of the table.
    fill : ndarray of shape (columns,)
        Mean of each column of numbers, which stands for blanks; 0 for categories.
    blank : ndarray of bool of shape (columns,)
        Columns of numbers that had blanks.

    Examples
    --------
    >>> table = pd.DataFrame({"age": [30.0, 40.0, np.nan], "plan": ["a", "a", "b"]})
    >>> found = Covariates.learn(table)
    >>> found.names
    ['age', 'age: blank', 'plan: a', 'plan: b']
    >>> found.matrix(table).tolist()
    [[30.0, 0.0, 1.0, 0.0], [40.0, 0.0, 1.0, 0.0], [35.0, 1.0, 0.0, 1.0]]
    """

    columns: tuple[Column, ...]
    fill: Array
    blank: NDArray[np.bool_]

    @classmethod
    def learn(cls, frame: pd.DataFrame) -> Covariates:
        """Learn a table's columns.

        Parameters
        ----------
        frame : DataFrame of shape (n, columns)

        Returns
        -------
        Covariates
        """
        from .encoding import learn, read

        columns = tuple(_whole(c, frame) for c in learn(frame, np.ones(len(frame))))
        fill, blank = np.zeros(len(columns)), np.zeros(len(columns), dtype=bool)
        for j, (column, values) in enumerate(zip(columns, read(frame, columns).values, strict=True)):
            if column.kind == "number":
                here = np.isfinite(values)
                fill[j], blank[j] = values[here].mean() if here.any() else 0.0, not here.all()
        return cls(columns, fill, blank)

    @property
    def names(self) -> list[str]:
        """Names of the columns of the matrix; those of a category are "column: level"."""
        out: list[str] = []
        for column, blank in zip(self.columns, self.blank, strict=True):
            if column.kind == "number":
                out += [column.name, f"{column.name}: blank"] if blank else [column.name]
            else:
                out += [f"{column.name}: {column.label(code)}" for code in range(1, column.size)]
        return out

    @property
    def references(self) -> NDArray[np.bool_]:
        """Which columns of the matrix are the first level of a category, to be left out beside an intercept."""
        out: list[bool] = []
        for column, blank in zip(self.columns, self.blank, strict=True):
            if column.kind == "number":
                out += [False] * (1 + bool(blank))
            else:
                out += [code == 1 for code in range(1, column.size)]
        return np.array(out, dtype=bool)

    def matrix(self, frame: pd.DataFrame) -> Array:
        """Return a table as numbers.

        Parameters
        ----------
        frame : DataFrame of shape (n, columns)

        Returns
        -------
        ndarray of shape (n, terms)
        """
        from .encoding import read

        parts: list[Array] = []
        for j, (column, values) in enumerate(zip(self.columns, read(frame, self.columns).values, strict=True)):
            if column.kind == "number":
                gone = ~np.isfinite(values)
                parts.append(np.where(gone, self.fill[j], values))
                if self.blank[j]:
                    parts.append(gone.astype(float))
            else:
                parts += [(values == code).astype(float) for code in range(1, column.size)]
        return np.column_stack(parts) if parts else np.empty((len(frame), 0))


def _whole(column: Column, frame: pd.DataFrame) -> Column:
    """The column itself; refuse a category without any level, which says nothing."""
    if column.kind == "category" and column.size < 2:
        raise DataError(
            f"Column '{column.name}' has no level with five of the {len(frame)} rows; group its levels, or leave it out."
        )
    return column


def differences(
    matrix: Array, names: list[str], group: NDArray[np.bool_], weights: Array | None = None
) -> pd.DataFrame:
    """Compare the means of two groups in units of their common standard deviation.

    Parameters
    ----------
    matrix : ndarray of shape (n, terms)
    names : list of str
    group : ndarray of bool of shape (n,)
        The first group.
    weights : ndarray of shape (n,), optional

    Returns
    -------
    DataFrame
        [column, first, second, difference, variance_ratio]: means, and (m1 - m0) / sqrt((v1 + v0) / 2), where neither
        group varies 0 if they are equal and infinite if not; v1 / v0.
    """
    w = np.ones(len(matrix)) if weights is None else weights
    means, variances = [], []
    for inside in (group, ~group):
        share = w[inside] / w[inside].sum()
        mean = share @ matrix[inside]
        means.append(mean)
        variances.append(share @ (matrix[inside] - mean) ** 2)
    apart = means[0] - means[1]
    rounding = 1e-9 * np.abs(matrix).max(axis=0, initial=0.0)
    variances = [np.where(v > rounding**2, v, 0.0) for v in variances]
    spread = np.sqrt((variances[0] + variances[1]) / 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        gap = np.where(np.abs(apart) > rounding, apart / spread, 0.0)
        ratio = variances[0] / variances[1]
    return pd.DataFrame(
        {"column": names, "first": means[0], "second": means[1], "difference": gap, "variance_ratio": ratio}
    )


@dataclass(frozen=True, eq=False, repr=False)
class Balance(Result):
    """Whether chance alone decided who was treated; made by :func:`balance`.

    Attributes
    ----------
    table : DataFrame
        [column, treated, control, difference, variance_ratio], the largest standardised difference first; a category has one
        line per level.
    tests : DataFrame
        Index test: [statistic, df, pvalue]. ``regression`` is the likelihood-ratio test of a logistic regression of the
        treatment on all columns; ``classifier`` compares the area under the ROC curve of held-out boosted trees with 1/2.
    random : bool
        Whether neither test speaks against chance, at 0.001 by Holm.
    share : float
        Share treated.
    n_obs : int
        Customers.
    weighted : bool
        Whether customers were weighted by given propensities.
    """

    table: pd.DataFrame
    tests: pd.DataFrame
    random: bool
    share: float
    n_obs: int
    weighted: bool
    warnings: tuple[str, ...] = ()

    @property
    def excluded(self) -> pd.DataFrame:
        """Rows left out, [reason, rows]: none."""
        return pd.DataFrame(columns=["reason", "rows"])

    @property
    def verdict(self) -> str:
        """One sentence."""
        worst = self.table.iloc[0]
        p = float(self.tests["pvalue"].min())
        said = "< .001" if p < 0.001 else f"= {p:.3f}"
        if self.random:
            return f"Nothing speaks against chance (smallest p {said}; largest difference {worst['difference']:+.2f} sd)."
        return (
            f"Chance did not decide who was treated (p {said}): '{worst['column']}' differs by {worst['difference']:+.2f} "
            "standard deviations, and treated and control differ in more than the treatment."
        )

    def headline(self) -> list[tuple[str, str]]:
        """Customers, share treated, verdict.

        Returns
        -------
        list of (label, value)
        """
        large = int((self.table["difference"].abs() > LARGE).sum())
        return [
            (
                "Balance",
                f"{self.n_obs} customers, {self.share:.1%} treated"
                + ("; weighted by propensities" if self.weighted else ""),
            ),
            ("Differences", f"{large} of {len(self.table)} lines above {LARGE:g} standard deviations"),
            ("Verdict", self.verdict),
        ]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Frames of the summary, by title.

        Returns
        -------
        dict of DataFrame
        """
        return {"Tests": self.tests, "Columns": self.table.set_index("column")}


def balance(
    X: Any, treatment: ArrayLike, *, propensity: ArrayLike | None = None, treated: Any = None, seed: int = 0
) -> Balance:
    """Compare treated and control customers, column by column and all together.

    Parameters
    ----------
    X : frame of shape (n, columns)
        What was known before the treatment.
    treatment : array-like of shape (n,)
        Two labels, such as 1 and 0, or "offer" and "control".
    propensity : array-like of shape (n,), optional
        Known chances to be treated, where they were not the same for all (as with strata); they weight the comparison
        and stand in the tests.
    treated : label, optional
        Which label is the treated one; see :func:`arms`.
    seed : int, default 0
        Of the classifier's folds.

    Returns
    -------
    Balance

    Raises
    ------
    DataError
        For one arm only, blanks, or lengths that differ.

    Examples
    --------
    >>> import cxmodels as cx
    >>> from cxmodels.churn import balance
    >>> campaign, _ = cx.datasets.simulate_campaign(2000, targeting=0.5)
    >>> found = balance(campaign[["tenure", "tickets", "plan"]], campaign["treatment"])
    >>> found.random, found.table["column"][0]
    (False, 'tickets')
    """
    if isinstance(X, np.ndarray):
        table = X.reshape(len(X), -1)
        frame = pd.DataFrame(table, columns=[f"x{j}" for j in range(table.shape[1])])
    else:
        frame = to_pandas(X)
    frame = frame.set_axis([str(c) for c in frame.columns], axis=1)
    t = arms(treatment, len(frame), treated)
    learned = Covariates.learn(frame)
    return balance_of(learned, learned.matrix(frame), t, chances(propensity, t), seed)


def balance_of(learned: Covariates, matrix: Array, t: Array, e: Array | None, seed: int) -> Balance:
    """Balance of columns that are read already.

    Parameters
    ----------
    learned : Covariates
    matrix : ndarray of shape (n, terms)
    t : ndarray of shape (n,)
        1 treated, 0 control.
    e : ndarray of shape (n,) or None
        Known chances to be treated.
    seed : int

    Returns
    -------
    Balance
    """
    w = None if e is None else np.where(t > 0, 1 / e, 1 / (1 - e))
    table = differences(matrix, learned.names, t > 0, w).rename(columns={"first": "treated", "second": "control"})
    order = np.argsort(-table["difference"].abs().to_numpy(), kind="stable")
    varies = ~learned.references & (matrix.std(axis=0) > 0)
    offset = np.zeros(len(t)) if e is None else np.log(e / (1 - e))
    rows = {
        "regression": _regression(matrix[:, varies], t, offset, e is None),
        "classifier": _classifier(matrix, t, offset, seed),
    }
    tests = pd.DataFrame.from_dict(rows, orient="index", columns=["statistic", "df", "pvalue"]).rename_axis("test")
    p = adjusted_pvalues(tests["pvalue"].to_numpy(), "holm")
    random = not bool(np.nanmin(p) < ALPHA) if np.isfinite(p).any() else True
    return Balance(table.iloc[order].reset_index(drop=True), tests, random, float(t.mean()), len(t), e is not None)


def _regression(x: Array, t: Array, offset: Array, free: bool) -> tuple[float, float, float]:
    """Likelihood-ratio test of all columns; the null has an intercept where chances are not known."""
    from scipy.stats import chi2

    if not x.shape[1]:
        return np.nan, np.nan, np.nan
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    values, vectors = np.linalg.eigh(z.T @ z / len(z))
    z = z @ vectors[:, values > 1e-8]  # columns that repeat others say nothing new
    design = np.column_stack([np.ones(len(t)), z])
    full, null = _loglik(design, t, offset), _loglik(design[:, :1], t, offset)
    if not free:  # known chances have nothing to fit
        eta = offset
        null = float((t * eta - np.logaddexp(0, eta)).sum())
    df = design.shape[1] - free
    if df >= min(t.sum(), len(t) - t.sum()):
        return np.nan, float(df), np.nan
    statistic = max(2 * (full - null), 0.0)
    return float(statistic), float(df), float(chi2.sf(statistic, df))


def _loglik(design: Array, t: Array, offset: Array) -> float:
    """Largest log-likelihood of a logistic regression, with the slightest of ridges against separation."""
    b = np.zeros(design.shape[1])
    for _ in range(50):
        eta = offset + design @ b
        p = 1 / (1 + np.exp(-np.clip(eta, -500, 500)))
        hessian = (design * (p * (1 - p))[:, None]).T @ design + 1e-6 * np.eye(len(b))
        step = np.linalg.solve(hessian, design.T @ (t - p))
        b = b + step * min(1.0, 5 / max(float(np.abs(design @ step).max()), 1e-12))
        if np.abs(step).max() < 1e-8:
            break
    eta = offset + design @ b
    return float((t * eta - np.logaddexp(0, eta)).sum())


def _classifier(x: Array, t: Array, offset: Array, seed: int) -> tuple[float, float, float]:
    """Whether held-out trees tell the arms apart: area under the curve, and its one-sided p against chance.

    What the known chances tell is taken off: trees learn the treatment less its chance. The p-value is the normal one of
    sum s (t - e) over the held-out scores s, with twice their variance: every two customers speak twice, each in the
    scores of the other.
    """
    from scipy.special import ndtr
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    from .ranking import Ranking

    if min(t.sum(), len(t) - t.sum()) < 25:
        return np.nan, np.nan, np.nan
    flat = bool(np.ptp(offset) == 0)
    e = np.full(len(t), t.mean()) if flat else 1 / (1 + np.exp(-offset))
    fold = np.random.default_rng(seed).permutation(len(t)) % 3
    score = np.empty(len(t))
    with threadpool_limits(1 if len(t) < 100_000 else None, user_api="openmp"):
        for k in range(3):
            model = HistGradientBoostingRegressor(
                max_iter=60, max_leaf_nodes=5, min_samples_leaf=20, early_stopping=False, random_state=seed
            )
            model.fit(x[fold != k], (t - e)[fold != k])
            held = model.predict(x[fold == k])
            score[fold == k] = held - held.mean()
    spread = np.sqrt(2 * (score**2 * e * (1 - e)).sum())
    z = float(score @ (t - e) / spread) if spread > 0 else 0.0
    return float(Ranking(t, score).auc(np.ones((1, len(t))))[0]), np.nan, float(ndtr(-z))


def arms(treatment: Any, n: int, treated: Any = None) -> Array:
    """Return 1 for treated and 0 for control customers.

    Parameters
    ----------
    treatment : array-like of shape (n,)
        1 and 0, True and False, or two labels.
    n : int
        Customers.
    treated : label, optional
        The treated one of two labels; not needed for 1 and 0, nor where the other is called control.

    Returns
    -------
    ndarray of shape (n,)

    Raises
    ------
    DataError
        For one arm, more than two, blanks or another length.
    SpecError
        If it cannot be told which label is the treated one.

    Examples
    --------
    >>> arms(["offer", "control", "offer"], 3)
    array([1., 0., 1.])
    """
    given = treatment.to_numpy(dtype=object) if isinstance(treatment, pd.Series) else np.asarray(treatment)
    if given.ndim != 1:
        raise DataError(f"The treatment must be one label per customer, not a table of shape {given.shape}.")
    labels = pd.Series(given)
    if len(labels) != n:
        raise DataError(f"The treatment has {len(labels)} entries for {n} customers; give one each.")
    if blank := int(labels.isna().sum()):
        raise DataError(
            f"The treatment is blank for {blank} of {n} customers; leave out those who were not in the campaign."
        )
    if not n:
        raise DataError("There are no customers.")
    known = sorted(labels.unique().tolist(), key=str)
    if len(known) != 2:
        if len(known) == 1:
            raise DataError(
                f"All {n} customers have the treatment '{known[0]}'; without the other arm nothing tells what the treatment did."
            )
        raise DataError(f"The treatment has {len(known)} values, {listed(known)}; compare two arms at a time.")
    if treated is None:
        treated = _treated(known)
    elif treated not in known:
        raise SpecError(f"treated={treated!r} is not a value of the treatment; it holds {listed(known)}.")
    return (labels == treated).to_numpy(dtype=float)


def _treated(known: list[Any]) -> Any:
    """The treated one of two labels."""
    if set(known) == {0, 1}:
        return 1
    control = [k for k in known if str(k).strip().casefold() in CONTROL]
    if len(control) != 1:
        raise SpecError(f"Say which of {listed(known)} is the treated arm: treated={known[-1]!r}, for instance.")
    return next(k for k in known if k != control[0])


def chances(propensity: Any, t: Array) -> Array | None:
    """Check known chances to be treated.

    Parameters
    ----------
    propensity : float, array-like of shape (n,) or None
    t : ndarray of shape (n,)

    Returns
    -------
    ndarray of shape (n,) or None

    Raises
    ------
    DataError
        For chances that are not between 0 and 1, or another length.
    """
    if propensity is None:
        return None
    try:
        e = np.broadcast_to(np.asarray(propensity, dtype=float), t.shape)
    except (TypeError, ValueError):
        raise DataError(f"propensity must be one chance for all or one for each of {len(t)} customers.") from None
    if bad := int((~((e > 0) & (e < 1))).sum()):
        raise DataError(
            f"{bad} of {len(t)} propensities are not between 0 and 1; who was certain to be treated has no counterpart."
        )
    return e.astype(float)
