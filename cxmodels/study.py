"""A satisfaction study: one file says data, model and options; running it gives every number of the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from . import datasets
from .acsi import ACSI, ECSI, SCHEMES, BenchmarkResult, SatisfactionIndex
from .errors import DataError, SpecError, described, listed, near
from .files import path_of
from .studybenchmark import checked_lines, run_benchmark
from .studyfile import SECTIONS, check_content, read_toml
from .studyresult import UNIT_REPLICATES, StudyResult
from .survey import Survey, read_survey, read_surveys

__all__ = ["Study", "StudyResult"]

MODELS = {"ACSI": ACSI, "ECSI": ECSI, **{name.upper(): SCHEMES[name] for name in ("ncsi", "epsi", "ukcsi")}}
REPLICATES = {"pls": 5000, "sem": 0}
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
            return read(self.folder / d["file"], codebook, language=self.language, **roles, **extra)
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
