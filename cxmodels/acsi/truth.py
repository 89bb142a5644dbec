"""What an ACSI-style study would find if it asked everybody: the exact population values of a simulated study."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

from ..errors import SpecError, near
from ..pls.kernel import Design, Estimate, estimate, total_effects
from .answers import ANALYSED, CONSTRUCTS, PATHS, QUESTIONS, Array, moments

__all__ = ["Truth"]

What = Literal["paths", "weights", "loadings", "r_squared", "effects"]

_OWN = tuple(CONSTRUCTS.index(q.construct) for q in QUESTIONS[: len(ANALYSED)])
_ITEMS = tuple(range(len(ANALYSED)))
_OUTCOME = tuple(CONSTRUCTS.index(outcome) for outcome, _, _ in PATHS)
_PREDICTOR = tuple(CONSTRUCTS.index(predictor) for _, predictor, _ in PATHS)


@dataclass(frozen=True, eq=False)
class Truth:
    """Population values of a simulated study: no sampling error, no missing answers.

    The parameters are those of the composite model that the analysis estimates: PLS with Mode A, the path
    weighting scheme and standardised items, run on the exact covariances of the answers. They differ from the
    coefficients between the latent variables in `latent`, because composites of items carry measurement error.
    Everything is computed when first asked for.

    Parameters
    ----------
    units : DataFrame
        One row per company and year: ``company``, ``industry``, ``sector``, ``year``, ``revenue``,
        ``gdp_share``, ``changed``.
    latent_means : ndarray of shape (units, segments, 6)
        Means of the latent variables in each customer segment.
    shares : tuple of float
        Share of each segment in the population.

    Examples
    --------
    >>> import cxmodels as cx
    >>> data, truth = cx.datasets.simulate_study(companies=5, seed=1)
    >>> truth
    Truth(5 companies, 2 years: 2024-2025)
    >>> truth.paths.query("outcome == 'Loyalty'").round(2)
       outcome     predictor   est
    7  Loyalty  Satisfaction  0.57
    8  Loyalty    Complaints -0.07
    """

    units: pd.DataFrame
    latent_means: Array
    shares: tuple[float, ...]

    def __repr__(self) -> str:
        years = self.units["year"]
        companies = _count(self.units["company"].nunique(), "company", "companies")
        span = f"{years.min()}-{years.max()}" if years.nunique() > 1 else years.min()
        return f"Truth({companies}, {_count(years.nunique(), 'year', 'years')}: {span})"

    # --- the pooled population -----------------------------------------------------------------------------

    @property
    def paths(self) -> pd.DataFrame:
        """Path coefficients of the pooled population: ``outcome``, ``predictor``, ``est``.

        The pooled population gives every company and year the same share, as a study does that asks equally
        many customers of each.
        """
        return _table("paths", self._pooled)

    @property
    def weights(self) -> pd.DataFrame:
        """Outer weights of the pooled population, for standardised items: ``construct``, ``item``, ``est``."""
        return _table("weights", self._pooled)

    @property
    def loadings(self) -> pd.DataFrame:
        """Loadings of the pooled population: ``construct``, ``item``, ``est``."""
        return _table("loadings", self._pooled)

    @property
    def r_squared(self) -> pd.DataFrame:
        """Explained variance in the pooled population: index ``construct``, column ``r2``."""
        return _table("r_squared", self._pooled).set_index("construct")

    @property
    def effects(self) -> pd.DataFrame:
        """Effects in the pooled population: ``outcome``, ``predictor``, ``direct``, ``indirect``, ``total``."""
        return _table("effects", self._pooled)

    @property
    def latent(self) -> pd.DataFrame:
        """Coefficients between the latent variables, equal for all units: ``outcome``, ``predictor``, ``est``."""
        return pd.DataFrame(PATHS, columns=["outcome", "predictor", "est"])

    # --- each company and year -----------------------------------------------------------------------------

    def by_company(self, what: What) -> pd.DataFrame:
        """Return the parameters of each company and year, from its own population moments.

        Parameters
        ----------
        what : {"paths", "weights", "loadings", "r_squared", "effects"}

        Returns
        -------
        DataFrame
            ``company``, ``year``, then the columns of the pooled frame of that name.

        Raises
        ------
        SpecError
            `what` is not one of these.

        Examples
        --------
        >>> import cxmodels as cx
        >>> _, truth = cx.datasets.simulate_study(companies=2, years=1, seed=1)
        >>> truth.by_company("r_squared").head(2).round(2)
             company  year construct    r2
        0  Company 1  2024   Quality  0.23
        1  Company 1  2024     Value  0.40
        """
        known = ("paths", "weights", "loadings", "r_squared", "effects")
        if what not in known:
            raise SpecError(f"`what` must be one of {', '.join(known)}, not '{what}'.{near(str(what), known)}")
        return _table(what, self._estimates, self.units[["company", "year"]])

    @property
    def index(self) -> pd.DataFrame:
        """Index on 0-100 of each construct: ``company``, ``year``, ``construct``, ``index``.

        Items are weighted by their unstandardised outer weights (Fornell et al. 1996); scales are 1-10, and
        0-1 for the complaint, whose index is the percentage of customers who complained.
        """
        return _long(self.units[["company", "year"]], {"construct": CONSTRUCTS}, {"index": self._index[0]})

    @property
    def impacts(self) -> pd.DataFrame:
        """Total effects in index points per point: ``company``, ``year``, ``driver``, ``target``, ``impact``."""
        b, spread = self._estimates, self._index[1]
        total = total_effects(b.paths, _design().depth) * spread[:, :, None] / spread[:, None, :]
        target, driver = np.nonzero(_reach())
        keys = {"driver": _names(driver), "target": _names(target)}
        return _long(self.units[["company", "year"]], keys, {"impact": total[:, target, driver]})

    @property
    def complaint_rate(self) -> pd.DataFrame:
        """Share of customers who complained, from 0 to 1: ``company``, ``year``, ``rate``."""
        rate = self._moments[0][:, ANALYSED.index("complaint")]
        return self.units[["company", "year"]].assign(rate=rate)

    @property
    def changed(self) -> pd.DataFrame:
        """Companies and whether anything changes for their customers between years: ``company``, ``changed``."""
        return self.units[["company", "changed"]].drop_duplicates("company", ignore_index=True)

    @property
    def aggregate(self) -> pd.DataFrame:
        """Index above the company: ``level``, ``unit``, ``year``, ``construct``, ``index``.

        An industry is the revenue-weighted mean of its companies, a sector that of its industries, and the
        nation weights sectors by their shares of GDP. Levels: ``industry``, ``sector``, ``nation``.
        """
        company = pd.concat([self.units, pd.DataFrame(self._index[0], columns=list(CONSTRUCTS))], axis=1)
        company["nation"] = "nation"
        industry = _weighted_means(company, ["nation", "sector", "industry", "year"], "revenue")
        sector = _weighted_means(industry, ["nation", "sector", "year"], "revenue")
        nation = _weighted_means(sector, ["nation", "year"], "gdp_share")
        levels = {"industry": industry, "sector": sector, "nation": nation}
        return pd.concat([_level(name, frame) for name, frame in levels.items()], ignore_index=True)

    def moments(self, company: str | None = None, year: int | None = None) -> tuple[pd.Series, pd.DataFrame]:
        """Return population means and covariances of the items of the analysis.

        Parameters
        ----------
        company, year : str and int, optional
            Which population. Without both: the pooled one.

        Returns
        -------
        means : Series of 14 items
            On 1-10, the complaint on 0-1; ``price_tolerance`` combines both tolerances, 1 + 9 (t + 25) / 50
            with t the tolerated price change in percent.
        cov : DataFrame of 14 x 14 items

        Raises
        ------
        SpecError
            There is no such company or year, or only one of them is given.

        Examples
        --------
        >>> import cxmodels as cx
        >>> _, truth = cx.datasets.simulate_study(companies=2, years=1, seed=1)
        >>> means, cov = truth.moments("Company 1", 2024)
        >>> cov.shape, round(float(means["satisfaction"]), 2)
        ((14, 14), 8.18)
        """
        if company is None and year is None:
            mean, cov = _mixture(np.full(len(self.units), 1 / len(self.units)), *self._moments)
        else:
            row = self._row(company, year)
            mean, cov = self._moments[0][row], self._moments[1][row]
        return pd.Series(mean, list(ANALYSED)), pd.DataFrame(cov, list(ANALYSED), list(ANALYSED))

    # --- computed once -------------------------------------------------------------------------------------

    def _row(self, company: str | None, year: int | None) -> int:
        """Position of a company and year among the units."""
        if company is None or year is None:
            raise SpecError("Give both `company` and `year`, or neither for the pooled population.")
        for column, value in (("company", company), ("year", year)):
            known = self.units[column].unique().tolist()
            if value not in known:
                hint = near(str(value), map(str, known)) or f" There are {known[0]} to {known[-1]}."
                raise SpecError(f"The simulated study has no {column} '{value}'.{hint}")
        return int(np.flatnonzero((self.units["company"] == company) & (self.units["year"] == year))[0])

    @cached_property
    def _moments(self) -> tuple[Array, Array]:
        """Means (units, 14) and covariances (units, 14, 14)."""
        parts = [moments(self.latent_means[:, segment]) for segment in range(len(self.shares))]
        return _mixture(np.array(self.shares), np.stack([m for m, _ in parts]), np.stack([c for _, c in parts]))

    @cached_property
    def _estimates(self) -> Estimate:
        """PLS of each unit."""
        return estimate(self._moments[1], _design())

    @cached_property
    def _pooled(self) -> Estimate:
        """PLS of the pooled population."""
        return estimate(self.moments()[1].to_numpy()[None], _design())

    @cached_property
    def _index(self) -> tuple[Array, Array]:
        """Index of each unit's constructs and standard deviation of its scores, both (units, 6), on 0-100."""
        mean, cov = self._moments
        low = np.array([q.low for q in QUESTIONS[: len(ANALYSED) - 1]] + [1.0])
        width = np.where(np.array(ANALYSED) == "complaint", 1.0, 9.0)
        v = self._estimates.weights / self._estimates.sd[:, :, None]
        v = 100 * v / np.einsum("upj,p->uj", v, width)[:, None, :]
        spread = np.sqrt(np.einsum("upj,upq,uqj->uj", v, cov, v, optimize=True))
        return np.einsum("upj,up->uj", v, mean - low), spread


def _count(n: int, one: str, many: str) -> str:
    return f"{n} {one if n == 1 else many}"


def _mixture(share: Array, mean: Array, cov: Array) -> tuple[Array, Array]:
    """Mean and covariance of a mixture: parts lie along the first axis, means (parts, ..., p)."""
    center = np.tensordot(share, mean, 1)
    d = mean - center
    return center, np.tensordot(share, cov + d[..., :, None] * d[..., None, :], 1)


def _design() -> Design:
    """Build the composite model: Mode A, path weighting, standardised items."""
    mask, arrows = np.zeros((len(ANALYSED), 6)), np.zeros((6, 6))
    mask[_ITEMS, _OWN] = 1
    arrows[_OUTCOME, _PREDICTOR] = 1
    none = np.zeros(6, dtype=bool)
    return Design(mask, arrows, mode_b=none, scheme="path", standardize=True, corrected=none)


def _reach() -> Array:
    """Say who influences whom, directly or not, [outcome, predictor]."""
    design = _design()
    return total_effects(design.arrows[None], design.depth)[0] > 0


def _names(constructs: Iterable[int]) -> list[str]:
    return [CONSTRUCTS[k] for k in constructs]


def _table(what: What, b: Estimate, units: pd.DataFrame | None = None) -> pd.DataFrame:
    """Lay out one kind of parameter in rows, one line of the estimate after the other."""
    if what == "paths":
        keys = {"outcome": _names(_OUTCOME), "predictor": _names(_PREDICTOR)}
        return _long(units, keys, {"est": b.paths[:, _OUTCOME, _PREDICTOR]})
    if what == "r_squared":
        outcomes = sorted(set(_OUTCOME))
        return _long(units, {"construct": _names(outcomes)}, {"r2": b.r2[:, outcomes]})
    if what == "effects":
        outcome, predictor = np.nonzero(_reach())
        direct = b.paths[:, outcome, predictor]
        total = total_effects(b.paths, _design().depth)[:, outcome, predictor]
        keys = {"outcome": _names(outcome), "predictor": _names(predictor)}
        return _long(units, keys, {"direct": direct, "indirect": total - direct, "total": total})
    value = b.weights if what == "weights" else b.item_construct
    return _long(units, {"construct": _names(_OWN), "item": ANALYSED}, {"est": value[:, _ITEMS, _OWN]})


def _long(units: pd.DataFrame | None, keys: dict, values: dict[str, Array]) -> pd.DataFrame:
    """Make a long frame from arrays (lines, keys): all keys of the first unit, then of the next."""
    lines, width = next(iter(values.values())).shape
    frame = {} if units is None else {c: units[c].to_numpy().repeat(width) for c in units}
    frame |= {name: np.tile(np.array(labels, dtype=object), lines) for name, labels in keys.items()}
    return pd.DataFrame(frame | {name: value.ravel() for name, value in values.items()})


def _weighted_means(frame: pd.DataFrame, by: list[str], weight: str) -> pd.DataFrame:
    """Average the indices of each group; revenues add up and a sector keeps its share of GDP."""
    named = list(CONSTRUCTS)
    products = frame[named].mul(frame[weight], axis=0).assign(_weight=frame[weight])
    sums = products.groupby([frame[k] for k in by], sort=False).sum()
    rest = frame.groupby(by, sort=False).agg(revenue=("revenue", "sum"), gdp_share=("gdp_share", "first"))
    return sums[named].div(sums["_weight"], axis=0).join(rest).reset_index()


def _level(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Make the rows of `Truth.aggregate` for one level."""
    units = frame[[name, "year"]].rename(columns={name: "unit"})
    index = frame[list(CONSTRUCTS)].to_numpy()
    return _long(units.assign(level=name)[["level", "unit", "year"]], {"construct": CONSTRUCTS}, {"index": index})
