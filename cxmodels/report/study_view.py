"""A study of one survey as its report shows it: a result, and the words it is told in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..survey.entries import check_language, in_language
from .blocks import Block, facts, inline, shown, table
from .words import Language, language

if TYPE_CHECKING:
    from ..study import StudyResult


@dataclass(frozen=True, eq=False)
class StudyView:
    """One study as a reader sees it.

    Parameters
    ----------
    result : StudyResult
    prefix : str, default ""
        Put before every id of the page.
    words : Language, optional
        By default that of the study.
    """

    result: StudyResult
    prefix: str = ""
    words: Language = field(default=None)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.words is None:
            object.__setattr__(self, "words", language(self.result.study.language))

    @property
    def english(self) -> bool:
        """Whether the report is in English, where names of the data need no translation."""
        return self.words.code == "en"

    @property
    def code(self) -> str:
        """The language as labels know it: that of the study, with its region, if the report is in it."""
        own = self.result.study.language
        return own if check_language(own) == self.words.code else self.words.code

    @property
    def level(self) -> str:
        """Confidence of the intervals."""
        return self.words.share(self.result.index.level, None)

    @property
    def target(self) -> str:
        """The headline construct, inside a sentence."""
        return inline(self.name(self.result.index.target))

    def name(self, construct: str) -> str:
        """Return a construct as the reader knows it: by the study, else in the reader's language, else as in the model.

        Parameters
        ----------
        construct : str

        Returns
        -------
        str
        """
        own = self.result.study.labels.get(construct)
        if own is None:
            return shown(construct if self.english else self.words.known(f"construct_{construct}", construct))
        return shown(in_language(own, self.code) if isinstance(own, Mapping) else own)

    def names(self) -> dict[str, str]:
        """Return all constructs of the model by their names.

        Returns
        -------
        dict
        """
        return {c: self.name(c) for c in self.result.constructs}

    def question(self, item: str) -> str:
        """Return the wording of an item.

        Parameters
        ----------
        item : str

        Returns
        -------
        str
        """
        text = self.result.index.survey.label(item, self.code)
        return shown(self.result.model.labels.get(item, text) if text == item else text)

    def labelled(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return a frame with its constructs as the reader knows them.

        Parameters
        ----------
        frame : DataFrame

        Returns
        -------
        DataFrame
        """
        known = self.names()
        columns = [c for c in ("outcome", "predictor", "construct", "driver", "target") if c in frame]
        return frame.assign(**{c: frame[c].map(lambda v: known.get(v, v)) for c in columns})

    def heads(self, *keys: str, **columns: str) -> dict[str, str]:
        """Return what columns are called.

        Parameters
        ----------
        *keys : str
            Columns whose name is their key in the catalogue; ``"interval"`` stands for standard error and both ends.
        **columns : str
            Column to key, or to a sign that every language writes alike.

        Returns
        -------
        dict
        """
        out: dict[str, str] = {}
        for key in keys:
            if key == "interval":
                out |= {"se": self.words("se"), "ci_lower": self.words("lower"), "ci_upper": self.words("upper")}
            else:
                out[key] = self.words(key)
        return out | {c: self.words(k) if k in self.words.texts else k for c, k in columns.items()}

    def statistics(self, test: str = "t") -> dict[str, str]:
        """Return what the columns of estimates are called.

        Parameters
        ----------
        test : str, default "t"
            Column of the test statistic.

        Returns
        -------
        dict
        """
        return {"est": self.words("estimate"), "se": self.words("se"), test: test, "pvalue": "p"} | {
            "ci_lower": self.words("lower"),
            "ci_upper": self.words("upper"),
        }

    def table(self, frame: pd.DataFrame, heads: dict[str, str], title: str, caption: str = "", **how: Any) -> Block:
        """Make a table whose constructs have their names.

        Parameters
        ----------
        frame : DataFrame
        heads : mapping of column to str
        title, caption : str
        **how
            As ``blocks.table`` takes them.

        Returns
        -------
        dict
        """
        return table(self.labelled(frame), heads, title, caption, words=self.words, **how)

    def terms(self, *keys: str) -> Block:
        """Return what terms mean, folded.

        Parameters
        ----------
        *keys : str
            Of the catalogue, without ``about_``.

        Returns
        -------
        dict
        """
        w = self.words
        signs = {"ave": "AVE", "htmt": "HTMT", "vif": "VIF", "r2": "R²", "f2": "f²", "cfi": "CFI, TLI", "rmsea": "RMSEA, SRMR"}  # fmt: skip
        rows = [(signs.get(k) or w(f"term_{k}"), w(f"about_{k}")) for k in keys]
        return facts(rows, w("terms"), folded=True)
