"""A simulated ACSI-style study: customers of companies in industries and sectors, year after year.

The population is drawn once and known exactly; any number of surveys can then be taken from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..errors import SpecError
from ..resampling import whole_number
from .answers import CONSTRUCTS, QUESTIONS, Array, answers, latent_correlation, latent_means

if TYPE_CHECKING:
    from .truth import Truth

__all__ = ["Population", "simulate_nation", "simulate_study"]

SECTORS = (
    "Retail trade",
    "Finance and insurance",
    "Telecommunications",
    "Transportation",
    "Energy utilities",
    "Manufacturing",
    "Accommodation and food",
    "Health care",
    "Online services",
    "Public services",
)
# Two customer segments, heavy and light users. Heavy users are more satisfied and easier to reach.
POPULATION_SHARES = (0.30, 0.70)
SAMPLE_SHARES = (0.50, 0.50)
_HEAVY_LESS_LIGHT = (0.30, 0.35, 0.10, 0.15, -0.10, 0.25)
# Standard deviations of structural intercepts, in units of the latent variables within a company. They put most
# satisfaction indices between 65 and 85.
_BETWEEN = {"sector": 0.07, "industry": 0.10, "company": 0.16}
_STEP = {"nation": 0.02, "industry": 0.04, "company": 0.10}  # from one year to the next


@dataclass(frozen=True, eq=False)
class Population:
    """Customers of many companies over some years, of whom surveys can be taken.

    Make one with `draw`. Repeated surveys of one population show how estimates scatter about `truth`.

    Parameters
    ----------
    units : DataFrame
        One row per company and year: ``company``, ``industry``, ``sector``, ``year``, ``revenue`` (millions),
        ``gdp_share`` (of the sector, all sectors add up to 1), ``changed``.
    latent_means : ndarray of shape (units, 2, 6)
        Means of the six latent variables among heavy and light users, in standard deviations.

    Examples
    --------
    >>> population = Population.draw(companies=3, years=1, seed=1)
    >>> surveys = [population.sample(100, seed=s) for s in range(3)]
    >>> [len(s) for s in surveys]
    [300, 300, 300]
    """

    units: pd.DataFrame
    latent_means: Array

    def __repr__(self) -> str:
        return repr(self.truth).replace("Truth", "Population")

    @classmethod
    def draw(
        cls,
        companies: int = 40,
        years: int = 2,
        seed: int = 1,
        *,
        unchanged: float = 0.4,
        first_year: int = 2024,
        industries: int | None = None,
    ) -> Population:
        """Draw companies, their place in the economy and what their customers feel.

        Sectors, industries and companies shift the intercepts of the latent variables, and the paths carry the
        shifts on. From year to year a company that changes moves with the nation, with its industry and by
        itself; the others stay exactly as they are.

        Parameters
        ----------
        companies : int, default 40
            About 7 make an industry; there are up to 10 sectors.
        years : int, default 2
        seed : int, default 1
        unchanged : float, default 0.4
            Share of the companies that do not change between years, in [0, 1].
        first_year : int, default 2024
        industries : int, optional
            By default a seventh of the companies.

        Returns
        -------
        Population

        Raises
        ------
        SpecError
            A number is out of its range.

        Examples
        --------
        >>> Population.draw(companies=10).units["industry"].unique().tolist()
        ['Retail trade 1']
        """
        whole_number("companies", companies, 1)
        whole_number("years", years, 1)
        whole_number("seed", seed, 0)
        whole_number("first_year", first_year, 0)
        _check_share("unchanged", unchanged, 1.0)
        rng = np.random.default_rng([seed, 0])
        count = max(1, round(companies / 7)) if industries is None else industries
        whole_number("industries", count, 1)
        if count > companies:
            raise SpecError(
                f"{companies} companies cannot fill {count} industries; `industries` is {companies} at most."
            )
        industry = _industries(companies, count, rng)
        sector = _sectors(industry)
        changed = np.full(companies, years > 1)
        changed[rng.permutation(companies)[: round(unchanged * companies)]] = False
        intercepts = _intercepts(sector, industry, changed, years, rng)
        place = _place(sector, industry, rng)
        calendar = [_year(place, changed, first_year + k, rng) for k in range(years)]
        heavy = np.outer((POPULATION_SHARES[1], -POPULATION_SHARES[0]), _HEAVY_LESS_LIGHT)
        means = latent_means(intercepts.reshape(-1, 1, 6) + heavy)
        return cls(pd.concat(calendar, ignore_index=True), means)

    @cached_property
    def truth(self) -> Truth:
        """The exact population values, as frames."""
        from .truth import Truth

        return Truth(self.units, self.latent_means, POPULATION_SHARES)

    def sample(
        self, respondents: int = 250, seed: int = 1, *, missing: float = 0.02, sampling_weights: bool = True
    ) -> pd.DataFrame:
        """Survey independent customers of each company in each year.

        Parameters
        ----------
        respondents : int, default 250
            Per company and year.
        seed : int, default 1
        missing : float, default 0.02
            Share of the answers on 1-10 that are blank, completely at random, in [0, 1). A blank repurchase
            answer was given and then lost: the question on price tolerance follows from it all the same.
        sampling_weights : bool, default True
            Whether heavy users are oversampled, with ``weight`` the population share of the customer's segment
            over its share in the design of the sample. Otherwise customers are drawn as they come, with
            weight 1.

        Returns
        -------
        DataFrame
            One row per respondent; the columns are those of `simulate_study`.

        Raises
        ------
        SpecError
            A number is out of its range.

        Examples
        --------
        >>> survey = Population.draw(companies=3, years=1).sample(400)
        >>> round(float(survey["weight"].mean()), 1)
        1.0
        """
        whole_number("respondents", respondents, 2)
        whole_number("seed", seed, 0)
        _check_share("missing", missing, np.nextafter(1.0, 0.0))
        rng = np.random.default_rng([seed, 1])
        unit = np.arange(len(self.units)).repeat(respondents)
        shares = SAMPLE_SHARES if sampling_weights else POPULATION_SHARES
        segment = (rng.random(len(unit)) >= shares[0]).astype(int)
        noise = rng.standard_normal((len(unit), 6)) @ np.linalg.cholesky(latent_correlation()).T
        drawn = answers(self.latent_means[unit, segment] + noise, rng)
        for question in QUESTIONS:
            if len(question.cuts) == 9:
                drawn[question.name][rng.random(len(unit)) < missing] = np.nan
        weight = (np.array(POPULATION_SHARES) / shares)[segment]
        place = {c: self.units[c].to_numpy()[unit] for c in ("company", "industry", "sector", "year")}
        economy = {c: self.units[c].to_numpy()[unit] for c in ("revenue", "gdp_share")}
        return pd.DataFrame(
            {"respondent": np.arange(1, len(unit) + 1), **place, "weight": weight, **drawn, **economy}
        )


def simulate_study(
    companies: int = 40,
    respondents: int = 250,
    years: int = 2,
    seed: int = 1,
    *,
    missing: float = 0.02,
    sampling_weights: bool = True,
    unchanged: float = 0.4,
    first_year: int = 2024,
) -> tuple[pd.DataFrame, Truth]:
    """Simulate an ACSI-style study whose population values are known exactly.

    Parameters
    ----------
    companies : int, default 40
        About 7 make an industry; there are up to 10 sectors.
    respondents : int, default 250
        Per company and year; every year asks other customers.
    years : int, default 2
    seed : int, default 1
        The same seed gives the same study, and the same population whatever `respondents`, `missing` and
        `sampling_weights`.
    missing : float, default 0.02
        Share of the answers on 1-10 that are blank, completely at random, in [0, 1).
    sampling_weights : bool, default True
        Whether heavy users, who are more satisfied, are oversampled. Then analyses without ``weight`` are
        biased and analyses with it are right. Otherwise every weight is 1.
    unchanged : float, default 0.4
        Share of the companies that do not change between years, in [0, 1].
    first_year : int, default 2024

    Returns
    -------
    data : DataFrame
        One row per respondent, by year and company: ``respondent``, ``company``, ``industry``, ``sector``,
        ``year``, ``weight``; eleven ratings and ``repurchase`` on 1-10; ``complaint`` 0 or 1;
        ``tolerance_up`` or ``tolerance_down``, the price rise that is borne or the price cut that is needed, in
        percent from 0 to 25, up where repurchase is 6 or more; ``revenue`` of the company in the year
        (millions) and ``gdp_share`` of its sector (all sectors add up to 1).
    truth : Truth
        Population values as frames: ``truth.index``, ``truth.paths``, ``truth.impacts`` and others.

    Raises
    ------
    SpecError
        A number is out of its range.

    See Also
    --------
    Population : take several surveys of one population.

    Notes
    -----
    Within a company and customer segment the six latent variables are normal and follow the paths of
    `truth.latent`. Answers count how many thresholds a noisy indicator of one latent variable passes.

    References
    ----------
    Fornell, Johnson, Anderson, Cha and Bryant (1996), The American Customer Satisfaction Index, Journal of
    Marketing 60(4), 7-18.

    Examples
    --------
    >>> from cxmodels.datasets import simulate_study
    >>> data, truth = simulate_study(companies=5, respondents=100, seed=1)
    >>> data.shape
    (1000, 23)
    >>> truth.index.query("construct == 'Satisfaction'").head(2).round(1)
         company  year     construct  index
    3  Company 1  2024  Satisfaction   74.1
    9  Company 2  2024  Satisfaction   72.4
    """
    population = Population.draw(companies, years, seed, unchanged=unchanged, first_year=first_year)
    data = population.sample(respondents, seed, missing=missing, sampling_weights=sampling_weights)
    return data, population.truth


def simulate_nation() -> pd.DataFrame:
    """Simulate the national study of the data set ``simulated_nation``: 400 companies of 40 industries in two years.

    Every twentieth company has 30 interviews a year, the others 200; among the small ones there are rules to see at work.

    Returns
    -------
    DataFrame
        One row per respondent; the columns are those of `simulate_study`.
    """
    data = Population.draw(400, 2, seed=7, industries=40).sample(200, seed=7)
    number = data["company"].str.extract(r"(\d+)", expand=False).astype(int)
    within = data.groupby(["company", "year"]).cumcount()
    return data[(number % 20 > 0) | (within < 30)].reset_index(drop=True)


def _industries(companies: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Number of each company's industry; the largest has about two and a half times the companies of the smallest."""
    size = rng.uniform(4, 10, count).cumsum()
    return np.searchsorted(np.round(size / size[-1] * companies), np.arange(companies), side="right")


def _sectors(industry: np.ndarray) -> np.ndarray:
    """Number of each company's sector; a sector has two industries or more, if there are two."""
    industries = industry[-1] + 1
    sectors = min(len(SECTORS), max(1, industries // 2))
    return industry * sectors // industries


def _intercepts(
    sector: np.ndarray, industry: np.ndarray, changed: np.ndarray, years: int, rng: np.random.Generator
) -> Array:
    """Shifts (years, companies, 6) of the structural intercepts."""

    def shifts(spread: float, of: np.ndarray) -> Array:
        return rng.normal(0.0, spread, (of[-1] + 1, len(CONSTRUCTS)))[of]

    company, nation = np.arange(len(industry)), np.zeros_like(industry)
    groups = {"nation": nation, "sector": sector, "industry": industry, "company": company}
    state = sum(shifts(spread, groups[level]) for level, spread in _BETWEEN.items())
    states = [state]
    for _ in range(years - 1):
        step = sum(shifts(spread, groups[level]) for level, spread in _STEP.items())
        states.append(states[-1] + step * changed[:, None])
    return np.stack(states)


def _place(sector: np.ndarray, industry: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Names, first revenues and shares of GDP of the companies."""
    digits = len(str(len(industry)))
    first = np.searchsorted(sector, sector)  # the first company of each company's sector
    rank = industry - industry[first] + 1
    share = rng.dirichlet(np.full(sector[-1] + 1, 5.0))
    return pd.DataFrame(
        {
            "company": [f"Company {k + 1:0{digits}d}" for k in range(len(industry))],
            "industry": [f"{SECTORS[s]} {r}" for s, r in zip(sector, rank, strict=True)],
            "sector": [SECTORS[s] for s in sector],
            "revenue": rng.lognormal(6.5, 1.0, len(industry)),
            "gdp_share": share[sector],
        }
    )


def _year(place: pd.DataFrame, changed: np.ndarray, year: int, rng: np.random.Generator) -> pd.DataFrame:
    """Units of one year; revenues vary from year to year."""
    revenue = (place["revenue"] * rng.lognormal(0.0, 0.05, len(place))).round(1)
    frame = place.assign(year=year, revenue=revenue, changed=changed)
    return frame[["company", "industry", "sector", "year", "revenue", "gdp_share", "changed"]]


def _check_share(name: str, value: object, most: float) -> None:
    """Raise for an argument that is not a share from 0 to `most`."""
    if not isinstance(value, Real) or isinstance(value, bool) or not 0 <= float(value) <= most:
        end = "1" if most == 1 else "less than 1"
        raise SpecError(f"`{name}` must be a share from 0 to {end}, not {value!r}.")
