"""`Drivers`: which outcome, which attributes, which method. Fitting it to data gives a `DriverResult`."""

from __future__ import annotations

import warnings as _warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..errors import DataWarning, EstimationError, NotIdentifiedError, SpecError, SpecWarning, described, listed
from ..inference import choose
from ..resampling import whole_number
from ..survey import as_survey
from . import kernel
from .imputation import impute
from .likelihood import MEASURES
from .players import Player, players, texts
from .result import DriverResult
from .split import ALIASES, BLOCKS, METHODS, TABLE_LIMIT, Effort, LinearSplit, OrdinalSplit, one_thread
from .table import MISSING, Table, filled, read

if TYPE_CHECKING:
    from ..survey import Survey

FAMILIES = ("gaussian", "logit", "ordered", "nps", "promoter", "detractor")
LINEAR = ("gaussian", "nps")
Family = Literal["gaussian", "logit", "ordered", "nps", "promoter", "detractor"]


@dataclass(frozen=True)
class Drivers:
    """Which attributes move an outcome, and by how much.

    Parameters
    ----------
    outcome : str
        Column of overall satisfaction, recommendation, loyalty ...
    attributes : sequence of str
        Columns that may move it, or names of `groups`. Empty: the members of the groups.
    method : str, default "shapley"
        How R² is shared. ``"shapley"`` (= ``"lmg"``) averages what an attribute adds over all orders of entry: the shares sum to
        R², are never negative, and bear collinear ratings; the default for that. ``"johnson"`` (= ``"genizi"``) is its fast
        approximation, and can rank near ties otherwise. ``"pmvd"`` gives nothing to an attribute without a coefficient of its
        own. ``"first"``: alone; ``"last"``: beyond all others; ``"betasq"``, ``"pratt"``, ``"car"``: from coefficients.
    family : str, default "gaussian"
        The outcome: a number (``"gaussian"``); two values (``"logit"``); ordered answers (``"ordered"``, proportional
        odds); the 0-10 recommendation as NPS points (``"nps"``: -100, 0, 100), or as a logit for one end (``"promoter"``,
        ``"detractor"``).
    groups : mapping of str to sequence of str, optional
        Attributes that enter and leave together, as one player.
    controls : sequence of str, optional
        Columns that stand in every model and take their part of R² first.
    categorical : sequence of str, optional
        Attributes or controls whose values are names: one column for each category but the first, one player. Columns of
        the pandas type category are so of themselves, but for ordered numbers, which are ratings.
    measure : {"mcfadden", "cox_snell", "nagelkerke", "estrella"}, default "mcfadden"
        The R² of a logit or ordered model.
    exact : int, default 25
        Players up to which all 2^p sub-models are computed (25: seconds; each further one doubles the time; 12 for logit and
        ordered models). Beyond that, orders are sampled, and the Monte Carlo error is printed.
    pairs : int, optional
        Antithetic pairs of orders, where they are sampled; by default 2000, or 200 for logit and ordered models.
    seed : int, default 0
        Of sampled orders and of multiple imputation.

    Raises
    ------
    SpecError
        For no or repeated attributes, the outcome among them, a group listed twice, or a method that does not fit.

    Notes
    -----
    Case weights, strata and clusters are given to :meth:`fit`. Everything is association in these data, not cause.

    Sources: Lindeman, Merenda and Gold (1980); Grömping (2006), Journal of Statistical Software 17(1); Budescu (1993); Johnson
    (2000); Genizi (1993); Feldman (2005); Pratt (1987); Zuber and Strimmer (2011); Azen and Traxel (2009) and Tonidandel
    and LeBreton (2010) for logits.

    Examples
    --------
    >>> import cxmodels as cx
    >>> mobi = cx.datasets.load("mobi")
    >>> res = cx.Drivers("CUSA1", ["PERQ1", "PERQ6", "IMAG1", "PERV2"]).fit(mobi)
    >>> res.importance[["importance", "share", "rank"]].round(3).reset_index()
      attribute  importance  share  rank
    0     PERQ1       0.195  0.470     1
    1     PERQ6       0.076  0.183     3
    2     IMAG1       0.079  0.191     2
    3     PERV2       0.064  0.155     4
    """

    outcome: str
    attributes: Sequence[str] = ()
    method: str = "shapley"
    family: Family = "gaussian"
    groups: Mapping[str, Sequence[str]] | None = None
    controls: Sequence[str] = field(default=(), kw_only=True)
    categorical: Sequence[str] = field(default=(), kw_only=True)
    measure: str = field(default="mcfadden", kw_only=True)
    exact: int | None = field(default=None, kw_only=True)
    pairs: int | None = field(default=None, kw_only=True)
    seed: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        put = object.__setattr__
        if not isinstance(self.outcome, str):
            raise SpecError(f"The outcome must be the name of one column, not {described(self.outcome)}.")
        put(self, "controls", texts("controls", self.controls))
        put(self, "categorical", texts("categorical", self.categorical))
        names = texts("attributes", self.attributes)
        put(self, "_players", players(names, self.groups, self.outcome, self.controls, self.categorical))
        put(self, "attributes", tuple(a for p in self.players for a in p.attributes))
        put(self, "method", ALIASES.get(self.method, self.method))
        choose("method", self.method, (*METHODS, *ALIASES))
        choose("family", self.family, FAMILIES)
        choose("measure", self.measure, MEASURES)
        if self.exact is None:
            put(self, "exact", 25 if self.linear else 12)
        if self.pairs is None:
            put(self, "pairs", 2000 if self.linear else 200)
        for what in ("exact", "pairs"):
            if whole_number(what, getattr(self, what)) < 2:
                raise SpecError(f"{what} must be at least 2, not {getattr(self, what)}.")
        if not self.linear and self.method in ("betasq", "pratt", "car"):
            raise SpecError(
                f"method='{self.method}' splits the R² of a linear model; with family='{self.family}' use 'shapley'."
            )
        if self.family == "ordered" and self.method == "johnson":
            raise SpecError("method='johnson' is not defined for family='ordered'; use 'shapley'.")
        wide = [p.name for p in self.players if len(p.attributes) > 1 or p.attributes[0] in self.categorical]
        if self.method not in BLOCKS and (wide or self.controls):
            what = f"the block {listed(wide)}" if wide else "controls"
            raise SpecError(f"method='{self.method}' cannot take {what} as one; use one of {listed(BLOCKS)}.")
        if self.method == "pmvd" and len(self.players) > TABLE_LIMIT:
            raise SpecError(
                f"method='pmvd' needs a table of all sub-models, and takes at most {TABLE_LIMIT} players, not "
                f"{len(self.players)}; put some into groups."
            )

    @property
    def players(self) -> tuple[Player, ...]:
        """Who shares R²."""
        return self._players  # type: ignore[attr-defined]

    @property
    def linear(self) -> bool:
        """Whether the model is linear in the outcome."""
        return self.family in LINEAR

    @property
    def effort(self) -> Effort:
        """How much work the point estimate may be."""
        return Effort(1 << self.exact, self.pairs, self.seed)  # type: ignore[operator,arg-type]

    def fit(
        self,
        data: Any,
        *,
        weights: Any = None,
        missing: str = "listwise",
        strata: Any = None,
        clusters: Any = None,
        imputations: int = 20,
    ) -> DriverResult:
        """Estimate importance.

        Parameters
        ----------
        data : Survey or DataFrame
            One row per respondent; any frame that narwhals supports.
        weights : str or array-like of shape (n,), optional
            Case weights, by column or by value; by default those of the survey. Only their ratios matter.
        missing : str, default "listwise"
            What an unanswered attribute means. ``"listwise"`` leaves the row out. ``"error"`` refuses. ``"pairwise"`` takes each
            correlation from the rows that have both (linear models only). ``"mean"`` fills in the mean. ``"indicator"``
            fills in the mean and adds a flag; attribute and flag are one player. ``"multiple"`` imputes several times and
            averages (Rubin 1987). Rows without an answer to the outcome are always left out.
        strata, clusters : str or array-like of shape (n,), optional
            The sampling design, for standard errors and the bootstrap.
        imputations : int, default 20
            Completed tables under ``missing="multiple"``.

        Returns
        -------
        DriverResult

        Raises
        ------
        DataError
            For unknown, text, constant or empty columns, an outcome that does not fit the family, bad weights, or too few rows.
        NotIdentifiedError
            If columns determine one another and the method needs them apart.
        EstimationError
            If pairwise correlations contradict one another, or a logit does not converge.
        """
        choose("missing", missing, MISSING)
        if missing == "pairwise" and not self.linear:
            raise SpecError(f"missing='pairwise' needs a linear model, not family='{self.family}'; use 'multiple'.")
        if missing == "multiple" and whole_number("imputations", imputations) < 2:
            raise SpecError(f"missing='multiple' needs at least 2 imputations, not {imputations}.")
        survey = as_survey(data)
        if named := self._categories(survey):
            return replace(self, categorical=(*self.categorical, *named)).fit(
                data, weights=weights, missing=missing, strata=strata, clusters=clusters, imputations=imputations
            )
        table = read(self, survey, weights, missing, strata, clusters)
        if self.method not in BLOCKS and max(table.widths) > 1:
            raise SpecError(
                f"method='{self.method}' cannot take an attribute and its flag as one; use another missing=."
            )
        tables = self._completed(table, missing, imputations)
        with one_thread():
            splits = tuple(self._split(t, missing) for t in tables)
            notes = self._check_columns(tables[0], splits[0])
            parts = [s(None, self.effort) for s in splits]
        self._check_parts(parts, splits[0], table)
        if parts[0].error is not None:
            message = (
                f"{len(self.players)} attributes have {2.0 ** len(self.players):.2g} sub-models: {2 * self.effort.pairs} orders were "
                f"sampled, with a Monte Carlo error of up to {max(float(np.nanmax(p.error)) for p in parts if p.error is not None):.2g} of R²."
            )
            _warnings.warn(message, SpecWarning, stacklevel=2)
            notes = (*notes, message)
        if not self.linear and float(parts[0].r2[0]) > 0.9999 * splits[0].ceiling:  # type: ignore[union-attr]
            text = (
                f"Exact prediction: the attributes tell '{self.outcome}' without an error in the {len(table.y)} rows used, so "
                "coefficients have no finite estimate; look for one that is made from the outcome."
            )
            notes = (*notes, text)
        for text in notes:
            if text.startswith(("Halo", "Exact")):
                _warnings.warn(text, DataWarning, stacklevel=2)
        return DriverResult(
            spec=self,
            survey=survey,
            table=table,
            tables_used=tables,
            splits=splits,
            parts=tuple(parts),
            missing=missing,
            fitting={"weights": weights, "strata": strata, "clusters": clusters, "imputations": imputations},
            warnings=notes,
        )

    def _categories(self, survey: Survey) -> list[str]:
        """Attributes and controls that the data hold as categories: texts, or numbers without an order."""
        from pandas import CategoricalDtype
        from pandas.api.types import is_numeric_dtype

        kinds = {n: t for n, t in survey.frame.dtypes.items() if isinstance(t, CategoricalDtype)}
        return [
            n
            for n in (*self.controls, *self.attributes)
            if n in kinds and n not in self.categorical
            and not (kinds[n].ordered and is_numeric_dtype(kinds[n].categories.dtype))
        ]  # fmt: skip

    def _completed(self, table: Table, missing: str, imputations: int) -> tuple[Table, ...]:
        """Tables to analyse: one, or one for each imputation."""
        if missing != "multiple" or not np.isnan(table.x).any():
            return (table,)
        columns = {a: [i for i, v in enumerate(table.attribute) if v == a] for a in dict.fromkeys(table.attribute)}
        full = impute(table.x, table.y, table.weights, imputations, self.seed, list(columns.values()))
        return tuple(replace(table, x=x) for x in full)

    def _split(self, table: Table, missing: str) -> LinearSplit | OrdinalSplit:
        """The split of one table."""
        common = {"widths": table.widths, "controls": table.controls, "method": self.method}
        if self.linear:
            return LinearSplit(np.column_stack([table.x, table.y]), missing == "pairwise", table.weights, **common)  # type: ignore[arg-type]
        w = np.ones(len(table.y)) if table.weights is None else table.weights
        return OrdinalSplit(filled(table), table.y.astype(np.intp), w, measure=self.measure, **common)  # type: ignore[arg-type]

    def _check_columns(self, table: Table, split: LinearSplit | OrdinalSplit) -> tuple[str, ...]:
        """Name columns that determine one another, and ratings that all say the same."""
        if not isinstance(split, LinearSplit):
            data = np.column_stack([table.x, table.y])
            split = LinearSplit(data, False, table.weights, table.widths, table.controls, "first")
        cor = split.own[0]
        inner = cor[:-1, :-1]
        values, vectors = np.linalg.eigh(inner)
        if split.pairwise and np.linalg.eigvalsh(cor)[0] < -1e-8:
            raise EstimationError(
                f"The pairwise correlations contradict one another (smallest eigenvalue {np.linalg.eigvalsh(cor)[0]:.3f}), so no "
                "data could have them; use missing='multiple' or 'mean'."
            )
        notes: list[str] = []
        null = vectors[:, values < 1e-9]
        if null.size:
            names = [table.columns[i] for i in np.flatnonzero((np.abs(null) > 1e-6).any(axis=1))]
            text = f"{listed(names)} determine one another exactly"
            if self.method not in BLOCKS:
                raise NotIdentifiedError(
                    f"{text}, and method='{self.method}' needs them apart; drop one, or use 'shapley'."
                )
            notes.append(
                f"Exact combination: {text}; they share what they explain, and have no coefficients of their own."
            )
        own = inner[table.controls :, table.controls :]
        if len(own) > 2:
            high = kernel.inflation(own).max()
            shared = (own.sum() - len(own)) / (len(own) * (len(own) - 1))
            if shared > 0.7:
                notes.append(
                    f"Halo: the attributes correlate at {shared:.2f} on average, as if one general impression had been rated; "
                    "shares between them rest on small differences."
                )
            elif np.isfinite(high) and high > 10:
                worst = table.columns[table.controls + int(kernel.inflation(own).argmax())]
                notes.append(
                    f"Halo: '{worst}' repeats the other attributes (VIF {high:.1f}); read its coefficient with care."
                )
        return tuple(notes)

    def _check_parts(self, parts: list[Any], split: Any, table: Table) -> None:
        """Refuse a point estimate that is none."""
        if all(np.isfinite(p.importance).all() for p in parts):
            return
        if self.method == "pmvd":
            raise NotIdentifiedError(
                "Some of the attributes reach the whole R² without the others, which leaves method='pmvd' undefined; use 'shapley'."
            )
        raise EstimationError(
            f"The {self.family} model of '{self.outcome}' has no estimate in the {len(table.y)} rows used; drop attributes or join "
            "categories."
        )
