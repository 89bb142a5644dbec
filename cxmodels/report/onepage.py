"""A report on one page, or in one cell of a notebook: headline, what must be read first, the result in words, sections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import pandas as pd

from .. import __version__
from .blocks import Block, markup, shown
from .words import Language

FIRST_WARNINGS = 8  # shown at once; more are folded


def render(
    words: Language,
    *,
    whole: bool,
    title: str,
    headline: str,
    rows: str,
    lead: Sequence[str],
    sections: Sequence[tuple[str, str, Sequence[Block]]],
    note: str,
    subtitle: str = "",
    prefix: str = "",
    alarm: str = "",
    warnings: Sequence[str] = (),
    names: Mapping[str, str] | None = None,
) -> str:
    """Put a report together: a page of its own, or one ``<div>`` for a notebook.

    Parameters
    ----------
    words : Language
    whole : bool
    title, subtitle : str
        Heading of the page and the line under it.
    headline : str
        Our own SVG above everything.
    rows : str
        What the numbers rest on, under the headline.
    lead : sequence of str
        The result in plain words.
    sections : sequence of (id, title, blocks)
        Those without blocks are left out.
    note : str
        At the foot.
    prefix : str, default ""
        Put before every id.
    alarm : str, default ""
        The reason not to publish, if there is one.
    warnings : sequence of str
        What must be read first.
    names : mapping, optional
        Constructs as the reader knows them, for the warnings.

    Returns
    -------
    str
    """
    style = markup(files(__package__).joinpath("style.css").read_text("utf-8"))
    title = shown(title, 300)
    told = [shown(words.told(w, names), 600) for w in warnings]
    body = template("body.html").render(
        words=words,
        whole=whole,
        title=title,
        subtitle=subtitle,
        prefix=prefix,
        headline=markup(headline),
        rows=rows,
        lead=lead,
        alarm=alarm,
        warnings={"first": told[:FIRST_WARNINGS], "rest": told[FIRST_WARNINGS:]},
        sections=[{"id": i, "title": t, "blocks": b} for i, t, b in sections if b],
        version=__version__,
        note=note,
    )
    if not whole:
        return f'<div class="cx" lang="{words.code}" style="max-width:62rem;padding:1rem 1.4rem"><style>{style}</style>{body}</div>'
    page = template("template.html")
    return str(page.render(lang=words.code, title=title, version=__version__, style=style, body=markup(body)))


def used_rows(words: Language, read: int, used: int, excluded: pd.DataFrame) -> str:
    """Say how many rows were read, used and excluded, and why.

    Parameters
    ----------
    words : Language
    read, used : int
    excluded : DataFrame
        Columns reason, rows.

    Returns
    -------
    str
    """
    lost = [
        words("excluded_for", n=int(n), reason=shown(words.told(why)))
        for why, n in zip(excluded["reason"], excluded["rows"], strict=True)
    ]
    return words("rows_line", rows=read, used=used, excluded=", ".join(lost) or words("none"))


@cache
def template(name: str) -> Any:
    """Return one of the templates beside this module.

    Parameters
    ----------
    name : str
        Such as ``"body.html"``.

    Returns
    -------
    jinja2.Template
    """
    from jinja2 import Environment, PackageLoader

    return Environment(loader=PackageLoader("cxmodels", "report"), autoescape=True, trim_blocks=True).get_template(
        name
    )
