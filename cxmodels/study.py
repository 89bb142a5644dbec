"""A satisfaction study: one file says data, model and options; running it gives every number of the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from . import datasets
from .acsi import ACSI, ECSI, SCHEMES, BenchmarkResult, IndexModel, IndexResult, SatisfactionIndex
from .acsi.engines import answers_given
from .errors import DataError, SpecError, described, listed, near
from .files import path_of
from .provenance import fingerprint, versions
from .results import Result
from .studybenchmark import checked_lines, run_benchmark
from .studyfile import SECTIONS, check_content, read_toml
from .survey import Survey, read_survey, read_surveys

__all__ = ["Study", "StudyResult"]

MODELS = {"ACSI": ACSI, "ECSI": ECSI, **{name.upper(): SCHEMES[name] for name in ("ncsi", "epsi", "ukcsi")}}
REPLICATES = {"pls": 5000, "sem": 0}
UNIT_REPLICATES = 500  # behind the impacts of each unit; the intervals of its indices need none
FRAME_COLUMNS = (
    "construct", "index", "se", "ci_lower", "ci_upper", "se_bootstrap", "n", "driver", "target", "impact", "measure",
    "value", "alpha", "rho_a", "rho_c", "ave", "r2", "converged", "rows", "reason",
)  # fmt: skip


@dataclass(frozen=True)
class Study:
    """What a study file says; :meth:`run` does it.

    Parameters
    ----------
    name : str
        Folder name of the results.
    title, subtitle : str
        Shown on the report.
    language : str
        Language of labels, as a key of the codebook's texts.
    data, model, options, bootstrap, labels : mapping
        The sections of the file.
    units, history, cluster : mapping
        Sections of a benchmark study; see the notes. Empty for a study of one population.
    folder : Path
        Where the file lies; relative paths in it start here.

    Notes
    -----
    The file is TOML::

        title = "Mobile phones"              # required
        name = "mobi"                        # folder of the results; default: the file's name
        language = "en"

        [data]                               # one of:
        dataset = "mobi"                     #   a data set of the package
        file = "survey.sav"                  #   .sav .dta .csv .xlsx .parquet, from the study file's folder
        file = "files/{company}_{year}.*"    #   or many: what stands in braces becomes columns
        codebook = "codebook.toml"           # optional: labels, scales, missing codes
        weights = "w"                        # optional column names
        wave = "year"
        hierarchy = ["company", "industry"]

        [model]                              # one of:
        name = "ECSI"                        #   "ACSI", "ECSI", "NCSI", "EPSI", "UKCSI"
        text = "Quality =~ q1 + q2 ..."      #   the model language
        target = "Satisfaction"              # headline construct
        items = { satisfaction = "Q9" }      # columns named otherwise than the model's items
        scale = [1, 10]                      # where the codebook has none
        by = "company"                       # one index per unit, beside the overall one

        [options]
        engine = "pls"                       # pls, or sem: covariance-based, with measures of fit
        missing = "mean"                     # pls: mean, listwise, pairwise, error; sem: fiml, listwise, error
        scheme = "path"                      # pls: path, factorial, centroid
        consistent = false                   # pls: correct paths for measurement error (PLSc)
        estimator = "ML"                     # sem: ML, MLR, GLS, ...

        [bootstrap]
        replicates = 5000                    # sem: none unless asked for; it has standard errors of its own
        seed = 1
        interval = "percentile"              # percentile, basic, normal, bca, studentized
        level = 0.95

        [labels]                             # constructs, as shown
        Satisfaction = "Customer satisfaction"

    A section ``[units]`` makes it a benchmark study of many companies, industries, sectors and a nation, wave by
    wave, as :class:`cxmodels.acsi.Benchmark` has it; there is then no overall model::

        [units]
        by = "company"                       # required
        levels = ["industry", "sector", "nation"]        # default: the hierarchy above `by`, and the nation
        weights = { industry = "revenue", sector = "revenue", nation = "gdp_share" }
        facts = ["revenue.csv", "gdp.xlsx"]  # levels and weights that are not in the data, any encoding
        minimum_n = 50                       # a unit with fewer interviews is small
        small = "pool"                       # skip, pool, shrink, or ["pool", "shrink"]
        others = "All others"                # one unit per industry for its small ones
        exclude = ["Company 7"]
        waves = [2024, 2025]                 # in order; default: all
        respondent = "id"                    # must not repeat within a wave
        panel = false                        # whether an id is the same person in every wave
        adjust = "holm"                      # p-values of changes: holm, bh, none

        [history]
        target = "study.duckdb"              # keeps every wave: a .duckdb file or a database URL
        study = "nation"                     # several studies may share it; default: the name

        [cluster]
        address = "tcp://host:8786"          # an existing Dask cluster takes the work (extra dask)

    Examples
    --------
    >>> import cxmodels as cx
    >>> study = cx.Study.of({"title": "Phones", "data": {"dataset": "mobi"}, "model": {"name": "ECSI"},
    ...                      "bootstrap": {"replicates": 100, "seed": 1}})
    >>> study.check()
    ['Rows   250', 'Items  24 of 7 constructs']
    >>> study.spec().model.name, study.spec().model.target
    ('ECSI', 'Satisfaction')
    >>> result = study.run()
    >>> round(float(result.index.scores.set_index("construct").loc["Satisfaction", "index"]), 2)
    72.45
    """

    name: str = ""
    title: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)
    subtitle: str = ""
    language: str = "en"
    options: Mapping[str, Any] = field(default_factory=dict)
    bootstrap: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, Any] = field(default_factory=dict)
    units: Mapping[str, Any] = field(default_factory=dict)
    history: Mapping[str, Any] = field(default_factory=dict)
    cluster: Mapping[str, Any] = field(default_factory=dict)
    folder: Path = Path()

    def __post_init__(self) -> None:
        if not (self.name and self.title and self.data and self.model):
            given = f", not from {described(self.name)} alone" if self.name and not self.title else ""
            raise SpecError(
                f"A study is made by Study.from_toml('study.toml'), or by Study.of from a mapping with title, data and "
                f"model{given}."
            )

    @classmethod
    def from_toml(cls, path: str | Path) -> Study:
        """Read a study file.

        Parameters
        ----------
        path : str or Path

        Returns
        -------
        Study

        Raises
        ------
        SpecError
            If the file is missing or no TOML, or for an unknown key, naming the nearest known one.
        """
        path = path_of(path, "Study.from_toml()")
        return cls.of(read_toml(path), where=f"Study file '{path}'", name=path.stem, folder=path.parent)

    @classmethod
    def of(
        cls, content: Mapping[str, Any], *, where: str = "The study", name: str = "study", folder: Path | str = "."
    ) -> Study:
        """Make a study of the content of a file.

        Parameters
        ----------
        content : mapping
            As the TOML file holds it.
        where : str
            How messages call it.
        name : str
            Folder of the results if the content names none.
        folder : Path or str
            Where relative paths start.

        Returns
        -------
        Study

        Raises
        ------
        SpecError
            For unknown or missing keys and values of the wrong kind.
        """
        if not isinstance(content, Mapping):
            raise SpecError(
                f"Study.of() takes a mapping, as a study file holds it, not {described(content)}; Study.from_toml reads a file."
            )
        content = {"name": name, **content}
        check_content(content, where, MODELS)
        sections = {k: dict(content.get(k, {})) for k in SECTIONS if k}
        return cls(
            name=content["name"],
            title=content["title"],
            subtitle=content.get("subtitle", ""),
            language=content.get("language", "en"),
            folder=Path(folder),
            **sections,
        )

    def survey(self) -> Survey:
        """Read the data and its codebook.

        Returns
        -------
        Survey

        Raises
        ------
        DataError
            If the file is missing or unreadable.
        """
        d = dict(self.data)
        roles = {k: d[k] for k in ("weights", "wave", "hierarchy") if k in d}
        codebook = self.folder / d["codebook"] if "codebook" in d else None
        if "dataset" not in d:
            extra = {k: d[k] for k in ("encoding", "sheet") if k in d}
            read = read_surveys if "{" in Path(d["file"]).name else read_survey
            return read(self.folder / d["file"], codebook, lang=self.language, **roles, **extra)
        if codebook is None and not roles:
            return datasets.survey(d["dataset"])
        known = datasets.survey(d["dataset"])
        return Survey(known.frame, codebook or known.codebook, **roles)

    def spec(self) -> SatisfactionIndex:
        """Return the index to estimate.

        Returns
        -------
        SatisfactionIndex

        Raises
        ------
        SpecError
            If the model is wrong, or a label names no construct of it.
        """
        m, o = self.model, self.options
        spec = SatisfactionIndex(
            MODELS[m["name"]] if "name" in m else m["text"],
            target=m.get("target"),
            items=m.get("items"),
            **{k: v for k, v in o.items() if k != "missing"},
        )
        if "scale" in m:  # of the model, so that the codebook goes before it
            lo, hi = map(float, m["scale"])
            scales = dict.fromkeys(spec.model.items, (lo, hi))
            spec = replace(spec, model=replace(spec.model, scales=scales), items=None)
        constructs = spec.model.measures
        if unknown := [k for k in self.labels if k not in constructs]:
            raise SpecError(
                f"[labels] names '{unknown[0]}', which is not a construct of the model.{near(unknown[0], constructs)}"
            )
        return spec

    def check(self) -> list[str]:
        """Read everything that a run needs and check it, without estimating anything.

        Returns
        -------
        list of str
            What was read, a line each.

        Raises
        ------
        CxError
            What is wrong; in a benchmark study all of it at once.
        """
        if self.units:
            return checked_lines(self)
        spec, survey = self.spec(), self.survey()
        _check_units(survey, self.model.get("by"))
        survey.numeric(spec.model.items)
        return [f"Rows   {len(survey)}", f"Items  {len(spec.model.items)} of {len(spec.model.measures)} constructs"]

    def run(self, progress: Callable[[str, int, int], None] | None = None) -> StudyResult | BenchmarkResult:
        """Estimate everything the report needs.

        With ``[history]`` a benchmark study ends by writing its waves there.

        Parameters
        ----------
        progress : callable, optional
            ``progress(stage, done, total)``.

        Returns
        -------
        StudyResult or BenchmarkResult
            The latter with ``[units]``.

        Raises
        ------
        CxError
            One sentence that names what is wrong; nothing has been written then.
        """
        if self.units:
            return run_benchmark(self, progress)

        def tell(stage: str) -> Callable[[int, int], None] | None:
            return None if progress is None else lambda done, total: progress(stage, done, total)

        spec, b = self.spec(), self.bootstrap
        if spec.engine == "mean":
            raise SpecError(
                f"{spec.model.name} averages ratings and has no paths to report; add [units] for a benchmark."
            )
        survey = self.survey()
        _check_units(survey, self.model.get("by"))
        n, seed = int(b.get("replicates", REPLICATES[spec.engine])), int(b.get("seed", 1))
        level, workers = float(b.get("level", 0.95)), int(b.get("workers", 1))
        interval = b.get("interval", "percentile")
        shared = {
            "missing": self.options.get("missing"), "seed": seed, "interval": interval, "level": level, "n_jobs": workers,
        }  # fmt: skip
        index = spec.fit(survey, bootstrap=n, progress=tell("indices and impacts"), **shared)
        boot = None
        if n:
            model: Any = index.fit_of()
            boot = model.bootstrap(
                n, seed=seed, interval=interval, level=level, n_jobs=workers, progress=tell("path model")
            )
        units = None
        if by := self.model.get("by"):
            units = spec.fit(survey, by, bootstrap=min(n, UNIT_REPLICATES), progress=tell("units"), **shared)
        return StudyResult(self, index, boot, units)


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


def _check_units(survey: Survey, by: str | list[str] | None) -> None:
    """Refuse columns that cannot name units, before anything is estimated."""
    keys = [] if by is None else [by] if isinstance(by, str) else by
    columns = list(map(str, survey.frame.columns))
    for key in keys:
        if key not in columns:
            raise SpecError(f"by names '{key}', which is not a column of the data.{near(key, columns)}")
        if columns.count(key) > 1:
            raise DataError(f"by names '{key}', and the data have {columns.count(key)} columns of that name.")
        if key in FRAME_COLUMNS:
            raise SpecError(f"by names '{key}', which is a column of every result; rename it in the data.")
    if keys and not survey.frame[keys].notna().all(axis=1).any():
        raise DataError(f"None of the {len(survey.frame)} rows names a unit in {listed(keys)}.")
