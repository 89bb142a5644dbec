"""What a fitted driver analysis holds: importance, R², the full model, and the facts that its verbs rest on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .. import index as ix
from ..errors import SpecError, near
from ..results import Result
from . import kernel
from .coefficients import Coefficients, coefficients
from .dominance import Dominance, dominance
from .split import LinearSplit, OrdinalSplit, Split, one_thread
from .table import Table, filled

if TYPE_CHECKING:
    from ..survey import Survey
    from .result import DriverResult
    from .spec import Drivers

Array = NDArray[np.float64]

NAMES = {
    "shapley": "Shapley values of R² (LMG)", "johnson": "Relative weights (Johnson)", "first": "R² of each alone",
    "last": "R² beyond all others", "betasq": "Squared standardised coefficients", "pratt": "Pratt's measure",
    "car": "Squared CAR scores", "pmvd": "Proportional marginal variance decomposition",
}  # fmt: skip
MODELS = {
    "gaussian": "linear model", "logit": "logit", "ordered": "proportional-odds model", "nps": "linear model of NPS points",
    "promoter": "logit of promoters", "detractor": "logit of detractors",
}  # fmt: skip


MEASURE_NAMES = {
    "mcfadden": "McFadden",
    "cox_snell": "Cox and Snell",
    "nagelkerke": "Nagelkerke",
    "estrella": "Estrella",
}


@dataclass(frozen=True, eq=False, repr=False)
class Analysis(Result):
    """The data and estimates of a driver analysis.

    Attributes
    ----------
    spec : Drivers
        What was fitted.
    n_obs : int
        Rows used.
    excluded : DataFrame
        Rows left out, [reason, rows].
    warnings : tuple of str
        What was unusual, as also warned.
    """

    spec: Drivers
    survey: Survey
    table: Table
    tables_used: tuple[Table, ...]
    splits: tuple[LinearSplit | OrdinalSplit, ...]
    parts: tuple[Split, ...]
    missing: str
    fitting: dict[str, Any]
    warnings: tuple[str, ...] = ()

    # --- importance -------------------------------------------------------------------------------------------------

    @cached_property
    def importance(self) -> pd.DataFrame:
        """Importance of each player, index attribute.

        Columns: importance (a part of R²); share (of what all explain); rank; correlation with the outcome and coef in the
        full model, which carry the sign that importance does not have; suppressor, where these two disagree; vif (for a
        block the generalised one of Fox and Monette 1992, its root by the number of columns); performance (mean rating);
        and, where orders were sampled, mc_error.
        """
        with one_thread():
            return self._importance()

    def _importance(self) -> pd.DataFrame:
        value = self._mean("importance")
        cor = np.mean([_full_correlations(t, s) for t, s in zip(self.tables_used, self.splits, strict=True)], axis=0)
        q = self.table_columns
        slopes, vif = self.fit_coefficients.slopes, kernel.inflation(cor[:-1, :-1])
        rows = []
        for i, player in enumerate(self.spec.players):
            own = [k for k in range(len(q)) if self.tables_used[0].owner[k] == i]
            rated = [a for a in player.attributes if a in self.numeric]
            single = len(rated) == 1 == len(player.attributes)
            r, b = (float(cor[own[0], -1]), float(slopes[own[0]])) if single else (np.nan, np.nan)
            performance = np.mean([self.means[a] for a in rated]) if len(rated) == len(player.attributes) else np.nan
            rows.append(
                (
                    r,
                    b,
                    single and r * b < 0 and abs(r) > 0.05,
                    float(vif[own[0]]) if len(own) == 1 else _inflation(cor[:-1, :-1], own),
                    performance,
                )
            )
        frame = pd.DataFrame(rows, columns=["correlation", "coef", "suppressor", "vif", "performance"])
        frame.insert(0, "importance", value)
        frame.insert(1, "share", value / value.sum())
        frame.insert(2, "rank", (1 + (value[None, :] > value[:, None]).sum(axis=1)).astype(int))
        if self.parts[0].error is not None:
            frame["mc_error"] = np.mean([p.error[0] for p in self.parts], axis=0)  # type: ignore[index]
        return frame.set_axis(pd.Index([p.name for p in self.spec.players], name="attribute"))

    @property
    def r_squared(self) -> float:
        """R² of the model with all attributes (and controls), or its pseudo-R²; importances sum to it less the controls' part."""
        return float(np.mean([p.r2[0] for p in self.parts]))

    @property
    def r_squared_controls(self) -> float:
        """R² of the controls alone, which no attribute gets; 0 without controls."""
        return float(np.mean([p.base[0] for p in self.parts]))

    @cached_property
    def dominance(self) -> Dominance:
        """General, conditional and complete dominance (Budescu 1993; Azen and Budescu 2003)."""
        return dominance(self)  # type: ignore[arg-type]

    @cached_property
    def coefficients(self) -> pd.DataFrame:
        """The model with all attributes, index term: [est, se, t, pvalue, ci_lower, ci_upper]."""
        return self.fit_coefficients.frame(0.95)

    @cached_property
    def fit_coefficients(self) -> Coefficients:
        """The same as arrays, with their covariance."""
        return coefficients(self)  # type: ignore[arg-type]

    @property
    def n_obs(self) -> int:
        """Rows used."""
        return len(self.table.y)

    @cached_property
    def excluded(self) -> pd.DataFrame:
        """Rows left out, [reason, rows]."""
        return pd.DataFrame(list(self.table.exclusions), columns=["reason", "rows"]).astype({"rows": int})

    @property
    def converged(self) -> bool:
        """Whether an estimate exists; without one :meth:`Drivers.fit` raises."""
        return True

    # --- what it is -------------------------------------------------------------------------------------------------

    def headline(self) -> list[tuple[str, str]]:
        """Method, model, rows.

        Returns
        -------
        list of (label, value)
        """
        s, t = self.spec, self.table
        rows = f"{self.n_obs} used, {int(self.excluded['rows'].sum())} excluded"
        if len(self.excluded):
            rows += " (" + ", ".join(f"{r.rows} {r.reason}" for r in self.excluded.itertuples()) + ")"
        blanks = int(t.ratings.isna().to_numpy().sum())
        rows += (
            f"; {blanks} missing answers treated by {self.missing}" if blanks and self.missing != "listwise" else ""
        )
        rows += "".join(f"; {w}" for w, on in (("weighted", t.weights), ("stratified", t.strata), ("clustered", t.clusters)) if on is not None)  # fmt: skip
        name = "R²" if s.linear else f"R² ({MEASURE_NAMES[s.measure]})"
        if s.method == "johnson" and not s.linear:
            name = "R² (squared correlation with the predicted chance)"
        r2 = f"{self.r_squared:.3f}" + (
            f", {self.r_squared_controls:.3f} by {len(s.controls)} controls" if s.controls else ""
        )
        out = [
            (f"Drivers of {s.outcome}", f"{NAMES[s.method]}, {MODELS[s.family]}, {len(s.players)} attributes"),
            (name, r2),
            ("Rows", rows),
        ]
        if t.levels:
            out.insert(
                1,
                (
                    "Outcome",
                    " < ".join(_level(v) for v in t.levels)
                    if len(t.levels) > 2
                    else f"{_level(t.levels[1])} against {_level(t.levels[0])}",
                ),
            )
        if self.parts[0].error is not None:
            worst = self.importance["mc_error"].max()
            out.append(
                ("Computation", f"{2 * s.effort.pairs} sampled orders, Monte Carlo error up to {worst:.2g} of R²")
            )
        return [*out, ("Caution", "association, not cause")]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Frames of the summary, by title.

        Returns
        -------
        dict of DataFrame
        """
        return {"Importance": self.importance.sort_values("importance", ascending=False, kind="stable")}

    # --- for the modules beside this one --------------------------------------------------------------------------------

    @property
    def table_columns(self) -> tuple[str, ...]:
        """Names of the columns of the model."""
        return self.tables_used[0].columns

    @property
    def numeric(self) -> tuple[str, ...]:
        """Attributes that are ratings, not categories."""
        return tuple(self.table.ratings.columns)

    @property
    def scores(self) -> Array | None:
        """Value of each category: its number, or its place; None for a linear model."""
        levels = self.table.levels
        if self.spec.linear:
            return None
        if self.spec.family == "ordered" and all(isinstance(v, int | float) for v in levels):
            return np.array(levels, dtype=float)
        return np.arange(len(levels), dtype=float)

    @property
    def baseline(self) -> float:
        """Mean of the outcome as modelled."""
        y = self.table.y if self.scores is None else self.scores[self.table.y.astype(int)]
        return float(np.average(y, weights=self.table.weights))

    @property
    def unit(self) -> str:
        """What the outcome is counted in."""
        name = self.spec.outcome
        if self.spec.family == "nps":
            return f"NPS ({name})"
        if self.spec.family == "gaussian":
            return f"Mean of {name}"
        return (
            f"Mean category of {name}"
            if self.spec.family == "ordered"
            else f"Share with {name} = {_level(self.table.levels[1])}"
        )

    @cached_property
    def means(self) -> dict[str, float]:
        """Weighted mean of the answers to each rating."""
        values = self.table.ratings.to_numpy(float)
        w = np.ones(len(values)) if self.table.weights is None else self.table.weights
        means = w @ values / w.sum()
        if np.isnan(means).any():
            seen = ~np.isnan(values)
            means = (w @ np.where(seen, values, 0.0)) / (w @ seen)
        return dict(zip(self.numeric, means.tolist(), strict=True))

    @cached_property
    def positions(self) -> NDArray[np.intp]:
        """Row numbers, in the data, of the rows used."""
        return self.table.places

    def column(self, attribute: str) -> int:
        """Column of the model that holds a rating.

        Parameters
        ----------
        attribute : str

        Returns
        -------
        int
        """
        return self.table_columns.index(attribute)

    def slopes_by_attribute(self) -> dict[str, float]:
        """Coefficient of each rating in the full model.

        Returns
        -------
        dict of str to float
        """
        slopes = self.fit_coefficients.slopes
        return {a: float(slopes[self.column(a)]) for a in self.numeric}

    def scale_ends(self, names: Any, scale: ix.Scale) -> tuple[Array, Array]:
        """Ends of the scales: as given, as in the codebook, else the extreme answers.

        Parameters
        ----------
        names : sequence of str
        scale : (lo, hi), mapping or None

        Returns
        -------
        lo, hi : ndarray
        """
        seen = self.table.ratings

        def lookup(name: str) -> tuple[float, float]:
            return self.survey.scale(name) or (float(seen[name].min()), float(seen[name].max()))

        names = list(names)
        if isinstance(scale, Mapping):
            scale = {k: v for k, v in scale.items() if k in names or k not in self.numeric}
        lo, hi = ix.scale_ends(names, scale, lookup)
        ix.check_inside(seen[names].to_numpy(float), names, lo, hi)
        return lo, hi

    def scale_notes(self, names: Any, scale: ix.Scale) -> list[str]:
        """Say where the ends of scales are the extreme answers.

        Parameters
        ----------
        names : sequence of str
        scale : (lo, hi), mapping or None

        Returns
        -------
        list of str
        """
        given = set(names) if scale is not None and not isinstance(scale, Mapping) else set(scale or {})
        taken = [n for n in names if n not in given and self.survey.scale(n) is None]
        text = (
            f"The scale of {', '.join(taken[:8])} is not known; its extreme answers were taken. Pass scale=(lo, hi)."
        )
        return [text] if taken else []

    def unknown(self, name: object) -> SpecError:
        """Say that there is no such attribute.

        Parameters
        ----------
        name : object

        Returns
        -------
        SpecError
        """
        known = [*self.numeric, *(p.name for p in self.spec.players)]
        return SpecError(f"'{name}' is not an attribute of the analysis.{near(str(name), known)}")

    def refit_rows(self, rows: NDArray[np.intp]) -> DriverResult:
        """Fit the same specification to some rows of the data.

        Parameters
        ----------
        rows : ndarray of int
            Row numbers in the data.

        Returns
        -------
        DriverResult
        """
        from ..survey import Survey

        def part(values: Any) -> Any:
            return values if values is None or isinstance(values, str) else np.asarray(values)[rows]

        case = self.survey.case_weights(self.fitting["weights"])
        survey = Survey(self.survey.frame.iloc[rows], {"items": _scales(self.survey, self.numeric)})
        return self.spec.fit(
            survey,
            missing=self.missing,
            weights=None if case is None else case[rows],
            strata=part(self.fitting["strata"]),
            clusters=part(self.fitting["clusters"]),
            imputations=self.fitting["imputations"],
        )

    def _mean(self, name: str) -> Array:
        return np.mean([getattr(p, name)[0] for p in self.parts], axis=0)


def _level(value: Any) -> str:
    """A category as text; whole numbers without decimals."""
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def _scales(survey: Survey, names: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """What the codebook knows of the scales, for data that are recoded already."""
    return {n: {"scale": list(survey.scale(n))} for n in names if survey.scale(n) is not None}  # type: ignore[arg-type]


def _full_correlations(table: Table, split: LinearSplit | OrdinalSplit) -> Array:
    """Weighted correlations of all columns and the outcome."""
    if isinstance(split, LinearSplit):
        return split.own[0]
    data = np.column_stack([filled(table), table.y])
    return np.corrcoef(data.T) if table.weights is None else _weighted(data, table.weights)


def _weighted(data: Array, weights: Array) -> Array:
    cov = np.cov(data.T, aweights=weights)
    sd = np.sqrt(np.diagonal(cov))
    return cov / np.outer(sd, sd)


def _inflation(cor: Array, own: list[int]) -> float:
    """Generalised variance inflation of a block of columns, on the scale of a single one's."""
    others = np.setdiff1d(np.arange(len(cor)), own)
    if not len(others):
        return 1.0
    whole = np.linalg.slogdet(cor)[1]
    parts = np.linalg.slogdet(cor[np.ix_(own, own)])[1] + np.linalg.slogdet(cor[np.ix_(others, others)])[1]
    with np.errstate(over="ignore"):
        return float(np.exp((parts - whole) / len(own))) if np.isfinite(whole) else np.inf
