"""The pieces a report is made of: texts, figures, facts, tables with flagged cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..files import shown
from .lettering import right_to_left
from .words import NOTHING, Language, language

if TYPE_CHECKING:
    from ..survey import Survey

Block = dict[str, Any]
LONGEST_LABEL = 80
ENGLISH = language("en")


@dataclass(frozen=True)
class Flag:
    """Cells that miss a threshold, with a sign for readers who do not see the colour.

    Parameters
    ----------
    where : ndarray of bool of shape (rows,)
    sign : {"▼", "▲"}
    why : str
        What the threshold is.
    """

    where: np.ndarray
    sign: str
    why: str


def below(values: pd.Series, limit: float, words: Language = ENGLISH) -> Flag:
    """Flag values under a limit.

    Parameters
    ----------
    values : Series
    limit : float
    words : Language, optional
        By default English.

    Returns
    -------
    Flag

    Examples
    --------
    >>> below(pd.Series([0.6, 0.8, float("nan")]), 0.7).where.tolist()
    [True, False, False]
    """
    return Flag((values < limit).to_numpy(), "▼", words("below", limit=words.plain(limit)))


def above(values: pd.Series, limit: float, words: Language = ENGLISH) -> Flag:
    """Flag values over a limit.

    Parameters
    ----------
    values : Series
    limit : float
    words : Language, optional
        By default English.

    Returns
    -------
    Flag

    Examples
    --------
    >>> above(pd.Series([4.0, 6.0]), 5).where.tolist()
    [False, True]
    """
    return Flag((values > limit).to_numpy(), "▲", words("above", limit=words.plain(limit)))


def bounds(words: Language) -> dict[str, str]:
    """What the columns of an estimate and its interval are called.

    Parameters
    ----------
    words : Language

    Returns
    -------
    dict of {column: head}

    Examples
    --------
    >>> bounds(language("bg"))["est"]
    'Оценка'
    """
    return {"est": words("estimate"), "se": words("se"), "ci_lower": words("lower"), "ci_upper": words("upper")}


def labels(survey: Survey, columns: Iterable[object], words: Language) -> dict[str, str]:
    """Return what a survey calls its columns, for those it words otherwise than by their names.

    Parameters
    ----------
    survey : Survey
    columns : iterable of str
        What is no column of the survey is a construct, which the catalogue may know.
    words : Language
        Whose labels are wanted; else the English ones, else any.

    Returns
    -------
    dict of {column: label}
        Labels that several columns share are followed by the column.

    Examples
    --------
    >>> import cxmodels as cx
    >>> labels(cx.datasets.survey("mobi"), ["CUSA1", "weight"], language("uk"))
    {'CUSA1': 'Загальна задоволеність оператором'}
    """
    texts = {c: shown(survey.label(c, words.code), LONGEST_LABEL) for c in dict.fromkeys(map(str, columns))}
    if words.code != "en":
        texts |= {c: words.known(f"construct_{c}", c) for c in texts if c not in survey.frame}
    twice = Counter(texts.values())
    return {c: t if twice[t] == 1 else f"{t} ({c})" for c, t in texts.items() if t != c}


def inline(text: str) -> str:
    """Keep a name in right-to-left script from turning the sentence around it.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
        The text between Unicode's isolating marks where it needs them.

    Examples
    --------
    >>> inline("Loyalty")
    'Loyalty'
    """
    return f"\u2068{text}\u2069" if right_to_left(text) else text


def paragraph(text: str) -> Block:
    """Make a block of prose.

    Parameters
    ----------
    text : str

    Returns
    -------
    dict
    """
    return {"kind": "text", "text": text}


def figure(svg: str, caption: str = "") -> Block:
    """Make a block of one picture.

    Parameters
    ----------
    svg : str
        Our own markup, whose texts are escaped already.
    caption : str, default ""

    Returns
    -------
    dict
    """
    return {"kind": "figure", "svg": markup(svg), "caption": caption}


def facts(rows: Iterable[tuple[str, str]], title: str = "", *, folded: bool = False) -> Block:
    """Make a block of terms and what is said of them.

    Parameters
    ----------
    rows : iterable of (term, text)
    title : str, default ""
    folded : bool, default False
        Whether the screen shows the title only, until asked; print shows all.

    Returns
    -------
    dict
    """
    return {"kind": "facts", "rows": list(rows), "title": title, "folded": folded}


def table(
    frame: pd.DataFrame,
    heads: Mapping[str, str],
    title: str,
    caption: str = "",
    *,
    digits: int = 3,
    flags: Mapping[str, Flag] | None = None,
    folded: bool = False,
    words: Language = ENGLISH,
) -> Block:
    """Make a block of one table.

    Parameters
    ----------
    frame : DataFrame
    heads : mapping of column to str
        The columns shown, in order, and what the reader calls them.
    title, caption : str
    digits : int, default 3
        Decimals.
    flags : mapping of column to Flag, optional
    folded : bool, default False
        Whether the screen shows the title only, until asked; print shows all.
    words : Language, optional
        How numbers are written; by default as in English.

    Returns
    -------
    dict
    """
    flags = flags or {}
    numeric = {c: pd.api.types.is_numeric_dtype(frame[c]) for c in heads}
    rows = [
        [
            {
                "text": cell(value, digits, c, words),
                "number": numeric[c],
                "flag": flags[c] if c in flags and flags[c].where[i] else None,
            }
            for c, value in zip(heads, line, strict=True)
        ]
        for i, line in enumerate(frame[list(heads)].itertuples(index=False, name=None))
    ]
    head = [{"text": shown(text), "number": numeric[c]} for c, text in heads.items()]
    return {"kind": "table", "head": head, "rows": rows, "title": title, "caption": caption, "folded": folded}


def cell(value: Any, digits: int, column: str = "", words: Language = ENGLISH) -> str:
    """Write a value as the reader sees it.

    Parameters
    ----------
    value : object
    digits : int
        Decimals of a floating-point number.
    column : str, default ""
        Its column; p-values and scale ends are written their own way.
    words : Language, optional
        How numbers are written; by default as in English.

    Returns
    -------
    str

    Examples
    --------
    >>> cell(-0.5, 2), cell(float("nan"), 2), cell(0.0002, 3, "pvalue"), cell(12345, 0)
    ('−0.50', '–', '< 0.001', '12,345')
    """
    if value is None or pd.isna(value):
        return NOTHING
    if isinstance(value, float | np.floating):
        if column.startswith("pvalue"):
            return words.pvalue(float(value))
        plain = column in ("missing", "lowest", "highest")
        return words.plain(float(value)) if plain else words.number(float(value), digits)
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return words.count(int(value))
    return shown(value)


def markup(text: str) -> Any:
    """Mark text as our own HTML or SVG, not to be escaped again.

    Parameters
    ----------
    text : str

    Returns
    -------
    markupsafe.Markup
    """
    from markupsafe import Markup

    return Markup(text)
