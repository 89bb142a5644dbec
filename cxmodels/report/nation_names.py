"""How a benchmark study calls things: waves, levels, units and constructs in the reader's language, and its method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from ..acsi import BenchmarkResult
from ..acsi.hierarchy import WHOLE
from ..errors import SpecError
from .blocks import shown
from .words import Language, language


@dataclass(frozen=True, eq=False)
class NationNames:
    """The words of one benchmark study.

    Parameters
    ----------
    result : BenchmarkResult
    words : Language, optional
        By default that of the study.

    Raises
    ------
    SpecError
        For any other result.
    """

    result: BenchmarkResult
    words: Language = field(default=None)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if not isinstance(self.result, BenchmarkResult):
            raise SpecError(
                f"This report is of a benchmark study, made by cxmodels.acsi.Benchmark.fit, not of a {type(self.result).__name__}."
            )
        if self.words is None:
            object.__setattr__(self, "words", language(self.result.language))

    @property
    def now(self) -> Any:
        """The wave shown."""
        return self.result.last

    @property
    def before(self) -> Any:
        """The wave it is compared with; None in a first wave."""
        return self.result.pairs[-1][0] if self.result.pairs else None

    @property
    def wave(self) -> str:
        """The wave shown, as a text."""
        return shown(self.now, 40)

    @property
    def since(self) -> str:
        """The wave before, as a text."""
        return "" if self.before is None else shown(self.before, 40)

    def label(self, construct: str) -> str:
        """Return how a construct is called: by the study, else in the reader's language, else as in the model.

        Parameters
        ----------
        construct : str

        Returns
        -------
        str
        """
        text = self.result.labels.get(construct, self.words.known(f"construct_{construct}", construct))
        if isinstance(text, Mapping):
            text = text.get(self.result.language) or text.get(self.words.code) or next(iter(text.values()))
        return shown(text, 80)

    def head(self, level: str, *, many: bool = False) -> str:
        """Return how a level is called.

        Parameters
        ----------
        level : str
        many : bool, default False
            Whether more than one is meant.

        Returns
        -------
        str
        """
        known = self.words.known(f"{'levels' if many else 'level'}_{level}")
        return known or shown(level, 60).capitalize()

    def measure(self, name: str) -> str:
        """Return how an outcome is called.

        Parameters
        ----------
        name : str

        Returns
        -------
        str
        """
        return self.words.known(f"measure_{name.lower().replace(' ', '_')}", shown(name))

    def name(self, name: object) -> str:
        """Return how a unit or group is called.

        Parameters
        ----------
        name : object

        Returns
        -------
        str
        """
        return self.words("whole") if name == WHOLE else shown(name)

    def told(self, sentence: str) -> str:
        """Say a warning, note or reason of the result in the reader's language, with constructs as they are called.

        Parameters
        ----------
        sentence : str

        Returns
        -------
        str
        """
        return self.words.told(sentence, {c: self.label(c) for c in self.result.plan.index.model.measures})

    @property
    def target(self) -> str:
        """The headline construct, as shown."""
        return self.label(self.result.target)

    def of_wave(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the lines of the wave shown.

        Parameters
        ----------
        frame : DataFrame
            Of the result.

        Returns
        -------
        DataFrame
        """
        return frame[frame["wave"] == self.now].reset_index(drop=True)

    # --- how the numbers came about -------------------------------------------------------------------------

    @property
    def scale(self) -> str:
        """What an index and its interval are."""
        return self.words("scale", level=self.words.share(self.result.level))

    @cached_property
    def method_texts(self) -> list[str]:
        """How indices, levels, changes and ranks come about, as paragraphs."""
        w, r = self.words, self.result
        chain = " → ".join(self.head(level) for level in (r.by, *r.levels))
        said = [w("method_index", engine=w.told(r.waves[self.now].engine_name))]
        said += [w("method_above", levels=chain)] if r.levels else []
        said += [w("method_panel" if r.plan.panel else "method_change")] if self.before is not None else []
        return [*said, w("method_rank")]

    @cached_property
    def method_facts(self) -> list[tuple[str, str]]:
        """What it takes to get the same numbers again, as terms and texts."""
        w, r = self.words, self.result
        p = dict(r.provenance)
        b, options = p.pop("bootstrap"), p.pop("options")
        drawn = w(
            "bootstrap_is",
            n=int(b["replicates"]),
            failed=int(b["failed"]),
            interval=w(f"kind_{b['interval']}"),
            seed=_said(b["seed"]),
        )
        rows = [
            (w("waves"), _said(p.pop("waves"))),
            (w("interviews"), w("rows_are", used=int(p.pop("rows_used")), excluded=int(p.pop("rows_excluded")))),
            (w("converged"), w("yes") if r.converged else w("no_converged")),
            (w("bootstrap"), drawn if b["replicates"] else w("no_bootstrap")),
            (w("level_of_intervals"), w.share(r.level)),
            (w("options"), "; ".join(f"{k}: {_said(x)}" for k, x in options.items() if x not in (None, "", {}, []))),
            (w("versions"), ", ".join(f"{k} {x}" for k, x in p.pop("versions").items())),
            *((w.known(f"fact_{k}", k), _said(x)) for k, x in p.items()),
        ]
        return [(shown(a), shown(t, 4000)) for a, t in rows]


def _said(value: Any) -> str:
    """An option as a reader can take it."""
    if isinstance(value, Mapping):
        return ", ".join(f"{k} = {_said(x)}" for k, x in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
