"""How the index of a customer is read off the answers, and how large the error in it is.

The index of a row is 100 (sum v x - sum v lo) / (sum v hi - sum v lo) over the items answered. The variance of its error
is what a row carries whoever is asked; the reliability (true over observed variance) also depends on how much the
respondents differ, and changes with weights. So the error variance is what is estimated here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError, SpecError, near

Array = NDArray[np.float64]
Look = Callable[[str], tuple[float, float] | None]

LEAST_ROWS = 30  # complete answers from which a reliability is estimated
_SWEEPS = 500


@dataclass(frozen=True, eq=False)
class Measurement:
    """The index as measured, and the variance of its error as a function of weightings of the rows.

    Parameters
    ----------
    name : str
        What is measured.
    observed : ndarray of shape (n,)
        Index of each row, 0-100 (or as it stands in its column); NaN where nothing was answered.
    items : ndarray of shape (n, p)
        Items on 0-100 times their share in the index; empty where there is a single column.
    given : float
        Reliability that was given, among the rows that answered; NaN where the items tell it.
    factor : float
        Error variance of a fitted model over the one that its items tell by themselves.
    how : str
        Where the reliability comes from, in words.
    rule : {"omega", "alpha", "given"}
    """

    name: str
    observed: Array
    items: Array
    given: float
    factor: float
    how: str
    rule: str

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Rows that have an index."""
        return np.isfinite(self.observed)

    def error_variance(self, w: Array) -> float:
        """Variance of the error of measurement.

        Parameters
        ----------
        w : ndarray of shape (n,)
            Weights, 0 outside the rows that answered; those of the resample, not of nonresponse.

        Returns
        -------
        float
        """
        if self.rule == "given":
            here = self.answered & (w > 0)
            share = w[here] / w[here].sum()
            x = self.observed[here]
            return float((1 - self.given) * (share @ (x - share @ x) ** 2))
        full = np.isfinite(self.items).all(axis=1) & (w > 0)
        share = w[full] / w[full].sum()
        x = self.items[full] - share @ self.items[full]
        cov = (x * share[:, None]).T @ x
        return float(self.factor * cov.sum() * (1 - composite_reliability(cov, self.rule)))


def composite_reliability(cov: Array, rule: str = "omega") -> float:
    """Reliability of a sum of items.

    Parameters
    ----------
    cov : ndarray of shape (p, p)
        Covariances of the items, each times its weight.
    rule : {"omega", "alpha"}, default "omega"
        Omega has one factor with loadings of their own, fitted to the correlations by least squares (McDonald 1999);
        alpha takes the items as equally good (Cronbach 1951). Of two items only alpha can be known.

    Returns
    -------
    float
        In (-inf, 1]; with one item NaN.

    Examples
    --------
    >>> loadings = np.array([0.9, 0.8, 0.7])
    >>> cov = np.outer(loadings, loadings) + np.diag(1 - loadings**2)
    >>> round(composite_reliability(cov), 4), round(float(loadings.sum() ** 2 / cov.sum()), 4)
    (0.8446, 0.8446)
    """
    p, total = len(cov), cov.sum()
    if p < 2 or not total > 0:
        return np.nan
    if rule == "alpha" or p == 2:
        return float(p / (p - 1) * (1 - np.trace(cov) / total))
    sd = np.sqrt(np.diagonal(cov))
    return float((_loadings(cov / np.outer(sd, sd)) @ sd) ** 2 / total)


def _loadings(cor: Array) -> Array:
    """Loadings of one factor: least squares on the correlations beside the diagonal, one loading at a time."""
    off = cor - np.eye(len(cor))
    values, vectors = np.linalg.eigh(cor)
    x = vectors[:, -1] * np.sqrt(values[-1])
    x = x * np.sign(x.sum() or 1.0)
    for _ in range(_SWEEPS):
        before = x.copy()
        for i in range(len(x)):
            rest = x @ x - x[i] ** 2
            x[i] = off[i] @ x / rest if rest > 0 else 0.0
        if np.abs(x - before).max() < 1e-10:
            break
    return x


def measure(
    frame: pd.DataFrame, index: Any, construct: str | None, reliability: Any, scale: Any, look: Look
) -> Measurement:
    """Read an index off a frame.

    Parameters
    ----------
    frame : DataFrame
        Rows with the answers.
    index : str, sequence of str, or fitted PLS, SEM or SatisfactionIndex
        A column that is the index; its items; or the model that defines it.
    construct : str, optional
        Which construct of a model.
    reliability : float, "omega", "alpha" or None
    scale : (lo, hi) or mapping, optional
        Ends of the items' scale.
    look : callable
        Gives the scale that a codebook knows for an item, or None.

    Returns
    -------
    Measurement

    Raises
    ------
    SpecError
        For a reliability that is none, a construct that does not exist, or items without a scale.
    DataError
        For columns that are missing or hold no numbers, answers outside the scale, or too few complete answers.
    """
    if isinstance(index, str):
        if construct is not None:
            raise SpecError("construct names a part of a fitted model; with a column as the index leave it out.")
        return _of_column(frame, index, reliability)
    if isinstance(index, Sequence):
        if construct is not None:
            raise SpecError("construct names a part of a fitted model; with items as the index leave it out.")
        return _of_items(frame, list(index), reliability, scale, look)
    return _of_model(frame, index, construct, reliability, scale, look)


def _of_column(frame: pd.DataFrame, name: str, reliability: Any) -> Measurement:
    """One column whose reliability is known."""
    values = numbers(frame, name)
    if reliability is None or isinstance(reliability, str):
        raise SpecError(
            f"The reliability of the column '{name}' cannot be told from one column: give reliability=0.85 (1 for none of the "
            "error), its items, or the fitted model."
        )
    known = _share(reliability)
    return Measurement(name, values, np.empty((len(frame), 0)), known, 1.0, "as given", "given")


def _of_items(frame: pd.DataFrame, items: list[str], reliability: Any, scale: Any, look: Look) -> Measurement:
    """The mean of items with equal shares."""
    if len(set(items)) < len(items) or not items:
        raise SpecError("The items of an index must be one or more different columns.")
    lo, hi = _ends(items, scale, look)
    observed, parts = _combined(frame, items, np.full(len(items), 1 / len(items)), lo, hi)
    name = " + ".join(items)
    if reliability is None or isinstance(reliability, str):
        rule = "omega" if reliability is None else reliability
        if rule not in ("omega", "alpha"):
            raise SpecError(f"reliability must be a share, 'omega' or 'alpha', not {reliability!r}.")
        if len(items) < 2:
            raise SpecError(
                f"One item, '{items[0]}', does not tell its reliability; give reliability=0.8, for instance."
            )
        rule = "alpha" if len(items) == 2 else rule
        return _told(name, observed, parts, 1.0, f"{rule} of {len(items)} items", rule)
    return Measurement(name, observed, parts, _share(reliability), 1.0, "as given", "given")


def _of_model(
    frame: pd.DataFrame, fit: Any, construct: str | None, reliability: Any, scale: Any, look: Look
) -> Measurement:
    """A construct of a fitted model: its items, their shares, its reliability."""
    from ..acsi.result import IndexResult
    from ..pls import PLSResult
    from ..sem import SEMResult

    if isinstance(fit, IndexResult):
        if len(fit.fits) != 1:
            raise SpecError(
                f"The index was fitted to {len(fit.fits)} units; give the model of one, index=result.fit_of(...)."
            )
        unit = next(iter(fit.fits))
        m = fit.measured[unit]
        ends = dict(zip(m.items, zip(m.lo.tolist(), m.hi.tolist(), strict=True), strict=True))
        return _of_model(frame, fit.fits[unit], construct, reliability, scale, lambda i: ends.get(i) or look(i))
    if not isinstance(fit, PLSResult | SEMResult):
        raise SpecError(
            f"index must be a column, a list of items, or a fitted PLS, SEM or SatisfactionIndex, not {type(fit).__name__}."
        )
    names, items, shares, known, how = _from_pls(fit) if isinstance(fit, PLSResult) else _from_sem(fit)
    if construct is None:
        raise SpecError(f"Say which construct acts: construct={names[-1]!r}; the model has {', '.join(names)}.")
    if construct not in names:
        raise SpecError(
            f"The model has no construct '{construct}'; it has {', '.join(names)}.{near(construct, names)}"
        )
    j = names.index(construct)
    own = np.flatnonzero(shares[:, j])
    mine = [items[i] for i in own]
    survey = fit.survey
    lo, hi = _ends(mine, scale, lambda item: look(item) or (survey.scale(item) if survey is not None else None))
    observed, parts = _combined(frame, mine, shares[own, j], lo, hi)
    if reliability is not None and not isinstance(reliability, str):
        return Measurement(construct, observed, parts, _share(reliability), 1.0, "as given", "given")
    if isinstance(reliability, str):
        raise SpecError(
            "With a fitted model leave reliability out (it is the model's), or give a share such as 0.85."
        )
    value = known(j)
    if len(mine) < 2 or not value < 1:
        raise SpecError(
            f"The model takes '{construct}' as measured without error; give reliability=0.85, for instance, or 1 to agree."
        )
    if not value > 0:
        raise SpecError(
            f"The reliability of '{construct}' in the model is {value:.2f}, so its index measures nothing."
        )
    rule = "alpha" if len(mine) == 2 else "omega"
    plain = _told(construct, observed, parts, 1.0, "", rule)
    here = plain.answered.astype(float)
    share = here / here.sum()
    x = np.where(plain.answered, observed, 0.0)
    spread = float(share @ (x - share @ x) ** 2)
    own_error = plain.error_variance(here)
    if not own_error > 0:
        raise DataError(
            f"The items of '{construct}' leave no error of measurement in {int(here.sum())} rows; give reliability=."
        )
    return Measurement(construct, observed, parts, np.nan, (1 - value) * spread / own_error, how, rule)


def _from_pls(fit: Any) -> tuple[list[str], list[str], Array, Any, str]:
    from .. import index as ix

    names = list(fit.linear)
    shares = ix.normalized_weights(fit.raw_weights)
    return (
        names,
        list(fit.item_names),
        shares,
        lambda j: float(fit.reliability.loc[names[j], "rho_a"]),
        "rho_A of the path model",
    )


def _from_sem(fit: Any) -> tuple[list[str], list[str], Array, Any, str]:
    m, v = fit.index_parts()
    block, state = fit.estimate.blocks[0], fit.estimate.states[0]
    place = [block.names.index(i) for i in m.items]

    def known(j: int) -> float:
        """Squared correlation of the index and its construct, as the model implies."""
        k = m.place[j]
        variance = v[:, j] @ state.cov[np.ix_(place, place)] @ v[:, j]
        return float((v[:, j] @ state.cov[place, k]) ** 2 / (variance * state.cov[k, k]))

    return list(m.constructs), list(m.items), v, known, "squared correlation with the factor in the SEM"


def _told(name: str, observed: Array, parts: Array, factor: float, how: str, rule: str) -> Measurement:
    """A measurement whose items tell the error; refuse too few complete answers and items that contradict each other."""
    full = np.isfinite(parts).all(axis=1)
    if full.sum() < LEAST_ROWS:
        raise DataError(
            f"Only {int(full.sum())} customers answered all items of '{name}', fewer than {LEAST_ROWS}; give reliability=."
        )
    if still := int((np.ptp(parts[full], axis=0) == 0).sum()):
        raise DataError(f"{still} items of '{name}' have one answer only in {int(full.sum())} rows; leave them out.")
    value = composite_reliability(np.cov(parts[full].T), rule)
    if not value > 0:
        raise DataError(
            f"The items of '{name}' do not go together (reliability {value:.2f} in {int(full.sum())} rows); turn the items "
            "around that are worded the other way."
        )
    return Measurement(name, observed, parts, np.nan, factor, how, rule)


def _combined(frame: pd.DataFrame, items: list[str], shares: Array, lo: Array, hi: Array) -> tuple[Array, Array]:
    """Index over the items answered, and each item's part of it; weights follow the ranges of the scales."""
    from ..index import check_inside

    x = np.column_stack([numbers(frame, i) for i in items])
    check_inside(x, items, lo, hi)
    part = shares * (hi - lo) / (shares @ (hi - lo))
    points = 100 * (x - lo) / (hi - lo)
    there = np.isfinite(points)
    mass = there @ part
    with np.errstate(invalid="ignore", divide="ignore"):
        observed = np.where(there, points, 0.0) @ part / mass
    return np.where(there.any(axis=1), observed, np.nan), points * part


def _ends(items: list[str], scale: Any, look: Look) -> tuple[Array, Array]:
    """Ends of the scale of each item, from the argument or from a codebook."""
    from ..index import scale_ends

    return scale_ends(items, scale, look)


def numbers(frame: pd.DataFrame, name: str) -> Array:
    """A column as numbers, blanks as NaN.

    Parameters
    ----------
    frame : DataFrame
    name : str

    Returns
    -------
    ndarray of shape (n,)

    Raises
    ------
    DataError
        If it is missing, or holds text or infinities.
    """
    if name not in frame:
        raise DataError(f"There is no column '{name}' in the joined table.{near(name, map(str, frame.columns))}")
    values = pd.to_numeric(frame[name], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    if bad := int((np.isnan(values) & frame[name].notna().to_numpy()).sum()):
        raise DataError(f"Column '{name}' holds text in {bad} of {len(frame)} rows; give numbers.")
    if bad := int(np.isinf(values).sum()):
        raise DataError(f"Column '{name}' is infinite in {bad} of {len(frame)} rows; correct these.")
    return values


def _share(reliability: Any) -> float:
    if (
        isinstance(reliability, bool)
        or not isinstance(reliability, int | float | np.number)
        or not 0 < reliability <= 1
    ):
        raise SpecError(f"reliability must be a share above 0 and at most 1, such as 0.85, not {reliability!r}.")
    return float(reliability)
