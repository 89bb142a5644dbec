"""What a fitted satisfaction index says: scores, impacts, rates, and how they combine and change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from .. import index as ix
from ..errors import SpecError, listed
from ..inference import choose
from ..resampling import Interval, Replicates, intervals, standard_error
from ..results import Result
from ..sem import SEMResult
from . import comparison, display
from .engines import Array, Fit, Measured, is_proper, measured
from .together import Together

if TYPE_CHECKING:
    from ..survey import Survey
    from .satisfaction import SatisfactionIndex

Unit = tuple[Any, ...]


class Adopted(NamedTuple):
    """Numbers of a unit measured by the model of its group, that model, and the group's name."""

    measured: Measured
    fit: Fit
    group: str


@dataclass(frozen=True, eq=False, repr=False)
class IndexResult(Together, Result):
    """Satisfaction indices of one or many units; made by :meth:`SatisfactionIndex.fit`.

    Frames begin with the columns that name the unit (none if all rows were one unit).

    Attributes
    ----------
    spec : SatisfactionIndex
        What was fitted.
    keys : tuple of str
        Columns that name a unit.
    fits : dict of tuple to PLSResult or SEMResult
        The model of each unit; ``()`` is the only key without `by`.
    replicates : dict of tuple to Replicates
        Bootstrap replicates of indices and impacts; empty if there was no bootstrap.
    skipped : DataFrame
        Units that could not be estimated, [unit..., rows, reason].
    level : float
        Confidence level of all intervals.
    adopted : dict of tuple to Adopted
        Small units measured with the index weights and impacts of their group; see :mod:`cxmodels.acsi.small`.
    errors : str
        Whether standard errors of indices hold the index weights fixed ("fixed") or are those of the bootstrap.

    Examples
    --------
    >>> import cxmodels as cx
    >>> data, _ = cx.datasets.simulate_study(companies=6, respondents=100, years=2, seed=3)
    >>> index = cx.SatisfactionIndex()
    >>> now = index.fit(data[data["year"] == 2025], "company", weights="weight", bootstrap=0)
    >>> now.scores.query("construct == 'Satisfaction'")[["company", "index", "se", "n"]].round(1)
          company  index   se    n
    3   Company 1   68.3  2.4  100
    9   Company 2   73.8  2.3  100
    15  Company 3   70.3  2.3  100
    21  Company 4   62.7  2.3  100
    27  Company 5   67.5  2.2  100
    33  Company 6   68.3  2.3  100
    """

    spec: SatisfactionIndex
    survey: Survey
    keys: tuple[str, ...]
    fits: dict[Unit, Fit]
    replicates: dict[Unit, Replicates]
    skipped: pd.DataFrame
    unnamed: int
    level: float
    interval: Interval
    seed: Any
    messages: tuple[str, ...]
    adopted: Mapping[Unit, Adopted] = field(default_factory=dict)
    errors: str = "fixed"

    # --- the frames -----------------------------------------------------------------------------------------

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Indices, [unit..., construct, index, se, ci_lower, ci_upper, se_bootstrap, n].

        ``se`` holds the weights of the index fixed, as national studies report it (or see :meth:`with_errors`); the
        interval is normal, cut at 0 and 100. ``se_bootstrap`` lets the weights vary with the sample (NaN without a
        bootstrap).
        """
        parts = {}
        for unit, m in self.measured.items():
            boot = self._spread(unit, slice(0, len(m.index)))
            sizes = {"se_bootstrap": boot, "n": len(m.rows)}
            se = boot if self.errors == "bootstrap" else m.se
            parts[unit] = {"construct": m.constructs, "index": m.index, "se": se} | sizes
        out = self._stacked(parts)
        half = self._z * out["se"]
        out["ci_lower"], out["ci_upper"] = (out["index"] - half).clip(lower=0), (out["index"] + half).clip(upper=100)
        order = ["construct", "index", "se", "ci_lower", "ci_upper", "se_bootstrap", "n"]
        return out[[*self.keys, *order]]

    @cached_property
    def impacts(self) -> pd.DataFrame:
        """Effects between indices, [unit..., driver, target, impact, se, ci_lower, ci_upper].

        Points by which the target's index moves per point of the driver's: the total effect of unstandardised
        paths (Fornell et al. 1996); by PLSc and SEM free of measurement error. Intervals from the bootstrap; without
        one NaN for PLS, and by the delta method for SEM. An impact on a 0/1 construct such as Complaints is in
        percentage points. Association, not proof of cause.
        """
        parts = {}
        for unit, m in self.measured.items():
            j = len(m.constructs)
            reach = np.nonzero(m.reach)
            at = j + reach[0] * j + reach[1]
            names = np.array(m.constructs, dtype=object)
            impact = m.total[reach]
            columns = {"driver": names[reach[1]], "target": names[reach[0]], "impact": impact}
            se = self._spread(unit, at)
            lower, upper = np.full((2, len(at)), np.nan)
            if unit in self.replicates:
                r = self.replicates[unit]
                lower, upper = intervals(
                    r.estimate[at],
                    r.values[r.ok][:, at],
                    self.interval,
                    self.level,
                    jack=_columns(r.jack, at),
                    se_reps=_columns(r.se_values, at, r.ok),
                )
            elif m.total_se is not None:
                se = m.total_se[reach]
                lower, upper = impact - self._z * se, impact + self._z * se
            parts[unit] = columns | {"se": se, "ci_lower": lower, "ci_upper": upper}
        return self._stacked(parts)

    @cached_property
    def rates(self) -> pd.DataFrame:
        """Shares of the model's yes/no questions, [unit..., measure, value, se, ci_lower, ci_upper, n].

        A complaint rate is reported raw, on 0-1, with Wilson's interval at the effective sample size
        (sum g)² / sum g², not as an index.
        """
        parts = {
            unit: [
                comparison.rate(self._answers(unit, item), m.case, measure, item, self.level)
                for measure, item in self.spec.model.rates.items()
            ]
            for unit, m in self.measured.items()
        }
        columns = ["measure", "value", "se", "ci_lower", "ci_upper", "n"]
        if not self.spec.model.rates:
            return pd.DataFrame(columns=[*self.keys, *columns])
        return self._stacked(
            {u: {k: [v for f in found for v in f[k]] for k in columns} for u, found in parts.items()}
        )

    @cached_property
    def weights(self) -> pd.DataFrame:
        """Share of each item in its index, [unit..., construct, item, weight]; sums to one per construct."""
        parts = {}
        for unit, m in self.measured.items():
            j, i = np.nonzero(m.mask.T)
            names, items = np.array(m.constructs, dtype=object), np.array(m.items, dtype=object)
            parts[unit] = {"construct": names[j], "item": items[i], "weight": m.weights[i, j]}
        return self._stacked(parts)

    @cached_property
    def paths(self) -> pd.DataFrame:
        """Paths of each unit, [unit..., outcome, predictor, est, est_unstd]: standardised, and on 0-100 scores."""
        parts = {}
        for unit, m in self.measured.items():
            names = np.array(m.constructs, dtype=object)
            y, x = np.nonzero(m.arrows)
            columns = {"outcome": names[y], "predictor": names[x], "est": m.paths[y, x]}
            parts[unit] = columns | {"est_unstd": m.direct[y, x]}
        return self._stacked(parts)

    @cached_property
    def quality(self) -> pd.DataFrame:
        """Measurement quality, [unit..., construct, alpha, rho_a, rho_c, ave, r2, converged].

        By SEM [unit..., construct, alpha, omega, cr, ave, r2, converged].
        """
        parts = []
        for unit, m in self.measured.items():
            quality = m.quality()
            parts.append(self._labelled(unit, {**quality, "converged": self._fit(unit).converged}))
        return pd.concat(parts, ignore_index=True)

    @cached_property
    def respondents(self) -> pd.DataFrame:
        """Scores of every respondent used on 0-100, with the data's own index: [unit..., construct...]."""
        parts = []
        for unit, m in self.measured.items():
            values = ix.index(m.answers, m.weights, m.lo, m.hi)
            index = self.fits[unit].row_index if unit in self.fits else self.survey.frame.index[m.rows]
            frame = pd.DataFrame(values, index, list(m.constructs))
            for at, (key, value) in enumerate(zip(self.keys, unit, strict=True)):
                frame.insert(at, key, value)
            parts.append(frame)
        return pd.concat(parts)

    # --- units together -------------------------------------------------------------------------------------

    def fit_of(self, *unit: Any) -> Fit:
        """Return the model of one unit.

        Parameters
        ----------
        *unit : object
            Values of the keys; none if all rows were one unit.

        Returns
        -------
        PLSResult or SEMResult
            That of its group for a unit that adopted it.

        Raises
        ------
        SpecError
            If there is no such unit, or it was skipped.

        Examples
        --------
        >>> import cxmodels as cx
        >>> data, _ = cx.datasets.simulate_study(companies=6, respondents=100, years=2, seed=3)
        >>> index = cx.SatisfactionIndex()
        >>> now = index.fit(data[data["year"] == 2025], "company", weights="weight", bootstrap=0)
        >>> now.fit_of("Company 1").paths.head(2).round(2)
           outcome     predictor   est
        0  Quality  Expectations  0.41
        1    Value  Expectations  0.13
        """
        if unit in self.fits or unit in self.adopted:
            return self._fit(unit)
        if not unit and len(self.fits) == 1:
            return next(iter(self.fits.values()))
        known = listed(", ".join(map(str, u)) for u in self.fits)
        asked = ", ".join(map(str, unit)) or "(no unit named)"
        raise SpecError(f"No unit '{asked}' was estimated; there are {known}.")

    def with_errors(self, errors: Literal["fixed", "bootstrap"]) -> IndexResult:
        """Return the result with other standard errors of its indices, for intervals, changes, ranks and aggregates.

        Parameters
        ----------
        errors : {"fixed", "bootstrap"}
            Those with index weights held fixed, as national studies report them; or of the bootstrap, which estimates
            the weights anew. They differ where items with unlike means make up an index, such as a loyalty of
            likelihood and price tolerance: fixed ones are then too small (by some 5 %), others are alike.

        Returns
        -------
        IndexResult

        Raises
        ------
        SpecError
            If there are no replicates.
        """
        choose("errors", errors, ("fixed", "bootstrap"))
        if errors == "bootstrap" and (lacking := [u for u in self.measured if u not in self.replicates]):
            raise SpecError(
                f"{len(lacking)} of {len(self.measured)} units have no replicates; fit with bootstrap=500."
            )
        return replace(self, errors=errors)

    # --- what it is -----------------------------------------------------------------------------------------

    @property
    def n_obs(self) -> int:
        """Rows used."""
        return sum(f.n_obs for f in self.fits.values()) + sum(len(a.measured.rows) for a in self.adopted.values())

    @property
    def excluded(self) -> pd.DataFrame:
        """Rows left out, [reason, rows]."""
        parts = [f.excluded for f in self.fits.values() if isinstance(f, SEMResult) or f.exclusions]
        if self.unnamed:
            parts.append(pd.DataFrame({"reason": ["no unit named"], "rows": [self.unnamed]}))
        if len(self.skipped):
            parts.append(pd.DataFrame({"reason": ["unit skipped"], "rows": [int(self.skipped["rows"].sum())]}))
        if not parts:
            return pd.DataFrame({"reason": pd.Series(dtype=str), "rows": pd.Series(dtype=int)})
        return pd.concat(parts).groupby("reason", sort=False)[["rows"]].sum().reset_index()

    @property
    def converged(self) -> bool:
        """Whether every unit's model settled."""
        return all(f.converged for f in self.models)

    @property
    def proper(self) -> bool:
        """Whether all estimates are such as the model allows: no negative weight or variance, no impossible correlation."""
        return all(map(is_proper, self.models))

    @property
    def target(self) -> str:
        """Headline construct."""
        return str(self.spec.model.target)

    @property
    def warnings(self) -> tuple[str, ...]:  # type: ignore[override]
        """What was unusual, over all units."""
        own = [
            (f"{', '.join(map(str, unit))}: " if unit else "") + text
            for unit, fit in self.fits.items()
            for text in fit.warnings
        ]
        return (*self.messages, *own, *display.failures(self))

    def headline(self) -> list[tuple[str, str]]:
        """Model, units, rows, convergence, index.

        Returns
        -------
        list of (label, value)
        """
        return display.headline(self)

    def tables(self) -> dict[str, pd.DataFrame]:
        """Frames of the summary, by title.

        Returns
        -------
        dict of DataFrame
        """
        return display.tables(self)

    # --- internals ------------------------------------------------------------------------------------------

    @cached_property
    def measured(self) -> dict[Unit, Measured]:
        """What the indices of each unit are made of."""
        own = {unit: measured(fit, *self.spec.ends(fit)) for unit, fit in self.fits.items()}
        return dict(sorted((own | {u: a.measured for u, a in self.adopted.items()}).items())) if self.adopted else own

    @property
    def engine_name(self) -> str:
        """How the model was estimated, as a reader says it."""
        if self.spec.engine != "pls":
            return "SEM" if self.spec.engine == "sem" else "plain means"
        return "PLSc" if self.spec.consistent else "PLS"

    @cached_property
    def _z(self) -> float:
        from scipy.special import ndtri

        return float(-ndtri((1 - self.level) / 2))

    def _answers(self, unit: Unit, item: str) -> Array:
        """Answers to an item of the rows used of a unit."""
        survey = self.fits[unit].survey if unit in self.fits else self.survey
        assert survey is not None
        if (id(survey), item) not in self._read:  # units fitted together share one survey
            silent = survey.frame[item].isna().all()  # nobody of the unit was asked
            self._read[id(survey), item] = np.full(len(survey), np.nan) if silent else survey.numeric([item])[:, 0]
        return self._read[id(survey), item][self.measured[unit].rows]

    @cached_property
    def _read(self) -> dict[tuple[int, str], Array]:
        return {}

    @property
    def models(self) -> list[Fit]:
        """Every model behind the numbers, once."""
        return [*self.fits.values(), *{id(a.fit): a.fit for a in self.adopted.values()}.values()]

    def _fit(self, unit: Unit) -> Fit:
        """The model that measured a unit."""
        return self.fits[unit] if unit in self.fits else self.adopted[unit].fit

    def _spread(self, unit: Unit, at: Any) -> Any:
        """Bootstrap standard errors of some of a unit's statistics."""
        if unit not in self.replicates:
            return np.nan
        r = self.replicates[unit]
        return standard_error(r.values[r.ok][:, at])

    def _stacked(self, parts: Mapping[Unit, Mapping[str, Any]]) -> pd.DataFrame:
        """One frame of the columns of all units, their names in front; a number stands for a column of it."""
        sizes = [len(next(iter(columns.values()))) for columns in parts.values()]
        units = np.repeat(np.arange(len(parts)), sizes)
        names = pd.DataFrame(list(parts), columns=list(self.keys), index=range(len(parts)))
        stack = {
            name: np.concatenate([np.broadcast_to(c[name], n) for c, n in zip(parts.values(), sizes, strict=True)])
            for name in next(iter(parts.values()))
        }
        return pd.concat([names.iloc[units].reset_index(drop=True), pd.DataFrame(stack)], axis=1)

    def _labelled(self, unit: Unit, columns: dict[str, Any]) -> pd.DataFrame:
        """A frame of one unit, its name in front."""
        frame = pd.DataFrame(columns)
        for at, (key, value) in enumerate(zip(self.keys, unit, strict=True)):
            frame.insert(at, key, value)
        return frame


def _columns(values: Array | None, at: Any, rows: Any = slice(None)) -> Array | None:
    """Some columns of what a kind of interval needs, if it was computed."""
    return None if values is None else values[rows][:, at]
