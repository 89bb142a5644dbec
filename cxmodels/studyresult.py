"""The result of a satisfaction study: every number of its report, the overall model and the units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .acsi import IndexModel, IndexResult
from .acsi.engines import answers_given
from .provenance import fingerprint, versions
from .results import Result

if TYPE_CHECKING:
    from .study import Study

UNIT_REPLICATES = 500  # behind the impacts of each unit; the intervals of its indices need none


@dataclass(frozen=True, eq=False, repr=False)
class StudyResult(Result):
    """Every number of a study, made by :meth:`Study.run`.

    Attributes
    ----------
    study : Study
        What was run.
    index : IndexResult
        Indices, impacts and rates over all rows.
    bootstrap : PLSBootstrap, SEMBootstrap or None
        The model with intervals from replicates; None if there were none.
    units : IndexResult or None
        The same by unit.

    Examples
    --------
    >>> import cxmodels as cx
    >>> study = cx.Study.of({"title": "Phones", "data": {"dataset": "mobi"}, "model": {"name": "ECSI"},
    ...                      "bootstrap": {"replicates": 20}})
    >>> result = study.run()
    >>> result.frames["indices"].set_index("construct").loc[["Satisfaction"], ["index", "se"]].round(2)
                  index    se
    construct
    Satisfaction  72.45  0.91
    >>> result.item_label("CUSA1")
    'Overall satisfaction with the provider'
    """

    study: Study
    index: IndexResult
    bootstrap: Any
    units: IndexResult | None

    @property
    def fit(self) -> Any:
        """The model over all rows, a PLSResult or SEMResult."""
        return self.index.fit_of()

    @property
    def by_sem(self) -> bool:
        """Whether the engine is covariance-based SEM."""
        return self.index.spec.engine == "sem"

    @property
    def constructs(self) -> tuple[str, ...]:
        """Constructs of the model, interactions included."""
        return tuple(self.index.scores["construct"]) if self.by_sem else self.fit.layout.constructs

    @property
    def blanks(self) -> int:
        """Missing answers in the rows used."""
        return int(np.isnan(answers_given(self.fit)).sum())

    @property
    def treatment(self) -> str:
        """What was done about missing answers."""
        if not self.by_sem:
            return str(self.fit.missing)
        return "fiml" if self.fit.estimate.plan.fiml else "listwise"

    @property
    def weighted(self) -> bool:
        """Whether the rows have case weights."""
        return (self.fit.rows.weights if self.by_sem else self.fit.case_weights) is not None

    @property
    def model(self) -> IndexModel:
        """The satisfaction model."""
        return self.index.spec.model

    @property
    def n_obs(self) -> int:
        """Rows used."""
        return self.index.n_obs

    @property
    def excluded(self) -> pd.DataFrame:
        """Rows left out, [reason, rows]."""
        return self.index.excluded

    @property
    def converged(self) -> bool:
        """Whether every model settled."""
        return self.index.converged and (self.units is None or self.units.converged)

    @property
    def proper(self) -> bool:
        """Whether all estimates are such as the model allows: no negative weight or variance, no impossible correlation."""
        return self.index.proper and (self.units is None or self.units.proper)

    @property
    def warnings(self) -> tuple[str, ...]:  # type: ignore[override]
        """What was unusual."""
        parts = (self.index, self.bootstrap, self.units)
        return tuple(dict.fromkeys(w for part in parts if part is not None for w in part.warnings))

    def label(self, construct: str) -> str:
        """Return how a construct is called in the report.

        Parameters
        ----------
        construct : str

        Returns
        -------
        str
        """
        text = self.study.labels.get(construct, construct)
        if isinstance(text, Mapping):
            return str(text.get(self.study.language) or next(iter(text.values())))
        return str(text)

    def item_label(self, item: str) -> str:
        """Return the wording of an item: the survey's, else the model's, else its name.

        Parameters
        ----------
        item : str

        Returns
        -------
        str
        """
        text = self.index.survey.label(item, self.study.language)
        return self.model.labels.get(item, text) if text == item else text

    @cached_property
    def frames(self) -> dict[str, pd.DataFrame]:
        """All tidy tables, by file name."""
        out = {"indices": self.index.scores, "impacts": self.index.impacts}
        if len(self.index.rates):
            out["rates"] = self.index.rates
        out |= self._sem_frames() if self.by_sem else self._pls_frames()
        out["fornell_larcker"] = self.fit.fornell_larcker.reset_index(names="construct")
        out["items"] = self._items()
        out["excluded"] = self.excluded
        if self.units is not None:
            units = self.units
            out |= {"unit_indices": units.scores, "unit_impacts": units.impacts, "unit_quality": units.quality}
            if len(units.rates):
                out["unit_rates"] = units.rates
            if len(units.skipped):
                out["unit_skipped"] = units.skipped
        return out

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """What it takes to get the same numbers again: data hash, options, seed, versions."""
        frame, spec, boot = self.index.survey.frame, self.index.spec, self.bootstrap
        if self.by_sem:
            own = {"engine": "sem", "estimator": self.fit.estimate.plan.name}
        else:
            own = {"engine": "pls", "scheme": spec.scheme, "modes": dict(spec.modes or {})}
            own |= {"standardize": spec.standardize, "consistent": spec.consistent}
        drawn = 0 if boot is None else boot.replicates.n
        return {
            "data_sha256": fingerprint(frame),
            "rows": len(frame),
            "rows_used": self.n_obs,
            "rows_excluded": int(self.excluded["rows"].sum()),
            "options": {
                **own,
                "missing": self.treatment,
                "weights": self.index.survey.weight_name,
                "by": list(self.units.keys) if self.units else [],
            },
            "bootstrap": {
                "replicates": drawn,
                "failed": 0 if boot is None else boot.replicates.failed,
                "seed": self.index.seed,
                "interval": self.index.interval,
                "level": self.index.level,
                "unit_replicates": 0 if self.units is None else min(drawn, UNIT_REPLICATES),
            },
            "versions": versions(),
        }

    def headline(self) -> list[tuple[str, str]]:
        """Title, index, rows, convergence.

        Returns
        -------
        list of (label, value)
        """
        return [("Study", self.study.title), *self.index.headline()]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Frames of the summary, by title.

        Returns
        -------
        dict of DataFrame
        """
        more = {"Paths": self.frames["paths"], "Reliability and convergent validity": self.fit.reliability}
        return {**self.index.tables(), **more}

    def _pls_frames(self) -> dict[str, pd.DataFrame]:
        """What a path model says, with intervals."""
        names = ("paths", "weights", "loadings", "r_squared", "reliability", "htmt", "effects", "f_squared", "vif")
        out = {name: getattr(self.bootstrap, name) for name in names}
        return out | {"cross_loadings": self.fit.cross_loadings.reset_index(names="item")}

    def _sem_frames(self) -> dict[str, pd.DataFrame]:
        """What a covariance-based model says, with intervals."""
        fit, boot = self.fit, self.bootstrap
        estimates = fit.parameters(self.index.level) if boot is None else boot.estimates
        estimates = estimates.drop(columns="group")
        kinds = {"paths": ("~", "outcome", "predictor"), "loadings": ("=~", "construct", "item"), "weights": ("<~", "construct", "item")}  # fmt: skip
        out = {"estimates": estimates}
        for name, (op, lhs, rhs) in kinds.items():
            lines = estimates[estimates["op"] == op].drop(columns=["op", "label"])
            if len(lines) or op != "<~":
                out[name] = lines.rename(columns={"lhs": lhs, "rhs": rhs}).reset_index(drop=True)
        out["index_weights"] = self.index.weights
        out["r_squared"] = fit.r_squared.drop(columns="group")
        out["reliability"] = fit.reliability.reset_index()
        out["htmt"] = fit.htmt.reset_index(names="construct")
        out["fit_measures"] = fit.fit_measures.rename_axis("measure").reset_index(name="value")
        out["modification_indices"] = fit.modification_indices()
        out["residual_correlations"] = fit.residuals("cor").reset_index(names="item")
        return out

    def _items(self) -> pd.DataFrame:
        """Items with wording, construct, answers and scale."""
        fit = self.fit
        homes = {i: c for c, items in self.model.measures.items() for i in items}
        if self.by_sem:
            m = self.index.measured[()]
            answers = answers_given(fit)
            share = m.case / m.case.sum()
            spread = np.sqrt(len(m.case) / (len(m.case) - 1) * share @ (m.answers - share @ m.answers) ** 2)
            means = fit.item_means(fit.index_parts()[0])
            columns = {"item": m.items, "mean": means, "sd": spread, "missing": np.isnan(answers).sum(axis=0)}
            frame = pd.DataFrame(columns)
        else:
            frame = fit.items.reset_index()
        frame.insert(1, "label", [self.item_label(i) for i in frame["item"]])
        frame.insert(2, "construct", frame["item"].map(homes))
        lo, hi = self.index.spec.ends(fit)
        return frame.assign(lowest=lo, highest=hi)
