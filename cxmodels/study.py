"""A satisfaction study: one file says data, model and options; running it gives every number of the report."""

from __future__ import annotations

import hashlib
import platform
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from . import __version__, datasets
from .acsi import ACSI, ECSI, IndexModel, IndexResult, SatisfactionIndex
from .errors import SpecError, listed, near
from .pls import PLSBootstrap, PLSResult
from .results import Result
from .survey import Survey, read_survey

__all__ = ["Study", "StudyResult"]

MODELS = {"ACSI": ACSI, "ECSI": ECSI}
KEYS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "": {"title": str, "name": str, "language": str, "subtitle": str},
    "data": {
        "dataset": str, "file": str, "codebook": str, "encoding": str, "sheet": (str, int),
        "weights": str, "wave": str, "hierarchy": list,
    },
    "model": {"name": str, "text": str, "target": str, "items": dict, "scale": list, "by": (str, list)},
    "options": {"scheme": str, "modes": dict, "standardize": bool, "missing": str},
    "bootstrap": {"replicates": int, "seed": int, "interval": str, "level": (float, int), "workers": int},
    "labels": {},
}  # fmt: skip


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
        codebook = "codebook.toml"           # optional: labels, scales, missing codes
        weights = "w"                        # optional column names
        wave = "year"
        hierarchy = ["company", "industry"]

        [model]                              # one of:
        name = "ECSI"                        #   "ACSI" or "ECSI"
        text = "Quality =~ q1 + q2 ..."      #   the model language
        target = "Satisfaction"              # headline construct
        items = { satisfaction = "Q9" }      # columns named otherwise than the model's items
        scale = [1, 10]                      # where the codebook has none
        by = "company"                       # one index per unit, beside the overall one

        [options]
        scheme = "path"                      # path, factorial, centroid
        missing = "mean"                     # mean, listwise, pairwise, error

        [bootstrap]
        replicates = 5000
        seed = 1
        interval = "percentile"              # percentile, basic, normal, bca, studentized
        level = 0.95

        [labels]                             # constructs, as shown
        Satisfaction = "Customer satisfaction"

    Examples
    --------
    >>> import cxmodels as cx
    >>> study = cx.Study.of({"title": "Phones", "data": {"dataset": "mobi"}, "model": {"name": "ECSI"},
    ...                      "bootstrap": {"replicates": 100, "seed": 1}})
    >>> result = study.run()
    >>> round(float(result.index.scores.set_index("construct").loc["Satisfaction", "index"]), 2)
    72.45
    """

    name: str
    title: str
    data: Mapping[str, Any]
    model: Mapping[str, Any]
    subtitle: str = ""
    language: str = "en"
    options: Mapping[str, Any] = field(default_factory=dict)
    bootstrap: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, Any] = field(default_factory=dict)
    folder: Path = Path()

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
        path = Path(path)
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise SpecError(f"There is no study file '{path}'.") from None
        except IsADirectoryError:
            raise SpecError(f"'{path}' is a folder, not a study file.") from None
        except UnicodeDecodeError:
            raise SpecError(f"The study file '{path}' is not UTF-8 text.") from None
        except tomllib.TOMLDecodeError as error:
            raise SpecError(f"The study file '{path}' is not valid TOML: {error}.") from None
        return cls.of(content, where=f"Study file '{path}'", name=path.stem, folder=path.parent)

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
        sections = {k: v for k, v in content.items() if isinstance(v, Mapping)}
        _check_keys(where, "", {k: v for k, v in content.items() if k not in sections}, [*KEYS[""], *list(KEYS)[1:]])
        for section, values in sections.items():
            if section not in KEYS or not section:
                raise SpecError(f"{where} has an unknown section [{section}].{near(section, list(KEYS)[1:])}")
            if section != "labels":
                _check_keys(where, section, values, KEYS[section])
        if not content.get("title"):
            raise SpecError(f"{where} has no title.")
        data, model = sections.get("data", {}), sections.get("model", {})
        _exactly_one(where, "data", data, ("dataset", "file"))
        _exactly_one(where, "model", model, ("name", "text"))
        if "name" in model and model["name"] not in MODELS:
            raise SpecError(
                f"{where} names the model '{model['name']}'; choose {listed(MODELS)} or give a text.{near(model['name'], MODELS)}"
            )
        given = str(content.get("name", name))
        if not given or given in (".", "..") or set(given) & set('/\\:*?"<>|') or not given.isprintable():
            raise SpecError(f"{where} has the name {given!r}, which cannot be a folder name.")
        return cls(
            name=given,
            title=str(content["title"]),
            data=dict(data),
            model=dict(model),
            subtitle=str(content.get("subtitle", "")),
            language=str(content.get("language", "en")),
            options=dict(sections.get("options", {})),
            bootstrap=dict(sections.get("bootstrap", {})),
            labels=dict(sections.get("labels", {})),
            folder=Path(folder),
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
            return read_survey(self.folder / d["file"], codebook, lang=self.language, **roles, **extra)
        if codebook is None and not roles:
            return datasets.survey(d["dataset"])
        known = datasets.survey(d["dataset"])
        return Survey(datasets.load(d["dataset"]), codebook or known.codebook, **roles)

    def spec(self) -> SatisfactionIndex:
        """Return the index to estimate.

        Returns
        -------
        SatisfactionIndex
        """
        m, o = self.model, self.options
        scale = m.get("scale")
        if scale is not None and len(scale) != 2:
            raise SpecError(f"The scale of a study is [lowest, highest], not {scale}.")
        return SatisfactionIndex(
            MODELS[m["name"]] if "name" in m else m["text"],
            target=m.get("target"),
            items=m.get("items"),
            scale=None if scale is None else (float(scale[0]), float(scale[1])),
            scheme=o.get("scheme", "path"),
            modes=o.get("modes"),
            standardize=o.get("standardize", True),
        )

    def run(self, progress: Callable[[str, int, int], None] | None = None) -> StudyResult:
        """Estimate everything the report needs.

        Parameters
        ----------
        progress : callable, optional
            ``progress(stage, done, total)``.

        Returns
        -------
        StudyResult

        Raises
        ------
        CxError
            One sentence that names what is wrong; nothing has been written then.
        """

        def tell(stage: str) -> Callable[[int, int], None] | None:
            return None if progress is None else lambda done, total: progress(stage, done, total)

        survey, spec, b = self.survey(), self.spec(), self.bootstrap
        n, seed = int(b.get("replicates", 5000)), int(b.get("seed", 1))
        level, workers = float(b.get("level", 0.95)), int(b.get("workers", 1))
        missing = self.options.get("missing", "mean")
        shared = {"missing": missing, "seed": seed, "level": level, "n_jobs": workers}
        index = spec.fit(survey, bootstrap=n, progress=tell("indices and impacts"), **shared)
        boot = index.fit_of().bootstrap(
            n,
            seed,
            interval=b.get("interval", "percentile"),
            level=level,
            n_jobs=workers,
            progress=tell("path model"),
        )
        units = None
        if by := self.model.get("by"):
            units = spec.fit(survey, by, bootstrap=min(n, 500), progress=tell("units"), **shared)
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
    bootstrap : PLSBootstrap
        The path model with intervals; its ``point`` is the fit.
    units : IndexResult or None
        The same by unit.
    """

    study: Study
    index: IndexResult
    bootstrap: PLSBootstrap
    units: IndexResult | None

    @property
    def fit(self) -> PLSResult:
        """The path model over all rows."""
        return self.bootstrap.point

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
    def warnings(self) -> tuple[str, ...]:  # type: ignore[override]
        """What was unusual."""
        every = [*self.index.warnings, *self.bootstrap.warnings, *(self.units.warnings if self.units else ())]
        return tuple(dict.fromkeys(every))

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
            return str(text.get(self.study.language) or next(iter(text.values()), construct))
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
        b = self.bootstrap
        names = ("paths", "weights", "loadings", "r_squared", "reliability", "htmt", "effects", "f_squared", "vif")
        out = {"indices": self.index.scores, "impacts": self.index.impacts}
        if len(self.index.rates):
            out["rates"] = self.index.rates
        out |= {name: getattr(b, name) for name in names}
        out["cross_loadings"] = self.fit.cross_loadings.reset_index(names="item")
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
        import numpy
        import scipy

        frame = self.index.survey.frame
        digest = hashlib.sha256("\x1f".join(map(str, frame.columns)).encode())
        digest.update(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())
        r = self.bootstrap.replicates
        return {
            "data_sha256": digest.hexdigest(),
            "rows": len(frame),
            "rows_used": self.n_obs,
            "rows_excluded": int(self.excluded["rows"].sum()),
            "options": {
                "scheme": self.fit.spec.scheme,
                "modes": dict(self.fit.spec.modes or {}),
                "standardize": self.fit.spec.standardize,
                "missing": self.fit.missing,
                "weights": self.index.survey.weight_name,
            },
            "bootstrap": {
                "replicates": r.n,
                "failed": r.failed,
                "seed": r.seed,
                "interval": self.bootstrap.interval,
                "level": self.bootstrap.level,
            },
            "versions": {
                "cxmodels": __version__,
                "python": platform.python_version(),
                "numpy": numpy.__version__,
                "scipy": scipy.__version__,
                "pandas": pd.__version__,
            },
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
        more = {"Paths": self.bootstrap.paths, "Reliability and convergent validity": self.fit.reliability}
        return {**self.index.tables(), **more}

    def _items(self) -> pd.DataFrame:
        """Items with wording, construct, answers and scale."""
        fit = self.fit
        homes = {i: c for c, items in self.model.measures.items() for i in items}
        frame = fit.items.reset_index()
        frame.insert(1, "label", [self.item_label(i) for i in frame["item"]])
        frame.insert(2, "construct", frame["item"].map(homes))
        lo, hi = self.index.spec.ends(fit)
        return frame.assign(lowest=lo, highest=hi)


def _check_keys(where: str, section: str, values: Mapping[str, Any], known: Any) -> None:
    """Refuse unknown keys and values of the wrong kind."""
    inside = f" in [{section}]" if section else ""
    for key, value in values.items():
        if key not in known:
            raise SpecError(f"{where} has an unknown key '{key}'{inside}.{near(key, known)}")
        kind = KEYS[section].get(key)
        right = kind is not None and isinstance(value, kind) and not (isinstance(value, bool) and kind is not bool)
        if not right:
            raise SpecError(f"{where} has {key} = {value!r}{inside}, which is not of the right kind.")


def _exactly_one(where: str, section: str, values: Mapping[str, Any], keys: tuple[str, str]) -> None:
    """Require one of two keys."""
    if sum(k in values for k in keys) != 1:
        raise SpecError(f"{where} needs either '{keys[0]}' or '{keys[1]}' in [{section}].")
