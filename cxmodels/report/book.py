"""A page of a benchmark report: one self-contained file with contents at the side, folds and tables that sort offline."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from .. import __version__
from .blocks import Block, markup, shown
from .words import Language

FIRST_WARNINGS = 6  # shown at once; more are folded


def page(
    words: Language,
    *,
    title: str,
    subtitle: str = "",
    headline: str = "",
    facts: str = "",
    lead: Sequence[str] = (),
    warnings: Sequence[str] = (),
    sections: Sequence[dict[str, Any]] = (),
    contents: bool = False,
    up: str = "",
) -> str:
    """Render a page.

    Parameters
    ----------
    words : Language
    title, subtitle : str
        Heading of the page and the line under it.
    headline : str
        Our own SVG above everything.
    facts : str
        What the numbers rest on, under the headline.
    lead : sequence of str
        The result in plain words.
    warnings : sequence of str
        What must be read first.
    sections : sequence of dict
        id, title, blocks, and below: sections to list under it at the side.
    contents : bool, default False
        Whether a list of contents stands at the side.
    up : str
        Address of the page above.

    Returns
    -------
    str
        HTML with inline style, script and SVG; nothing is loaded. Without script everything can still be read.

    Examples
    --------
    >>> from cxmodels.report.words import language
    >>> text = page(language("en"), title="<Nation>", sections=[section("a", "A", [])])
    >>> "&lt;Nation&gt;" in text, "<Nation>" in text
    (True, False)
    """
    template, style, script = _paper()
    known = [s for s in sections if s["blocks"]]
    return template.render(
        words=words,
        lang=words.code,
        version=__version__,
        style=style,
        script=script,
        title=shown(title, 300),
        subtitle=shown(subtitle, 500),
        headline=markup(headline),
        facts=facts,
        lead=lead,
        warnings=[shown(w, 600) for w in warnings],
        shown=FIRST_WARNINGS,
        sections=known,
        contents=known if contents else [],
        up=up,
    )


@cache
def _paper() -> tuple[Any, Any, Any]:
    """The template, style and script that all pages share."""
    from jinja2 import Environment, PackageLoader

    env = Environment(loader=PackageLoader("cxmodels", "report"), autoescape=True, trim_blocks=True)
    style, book, script = (env.loader.get_source(env, f)[0] for f in ("style.css", "book.css", "book.js"))  # type: ignore[union-attr]
    return env.get_template("book.html"), markup(style + book), markup(script)


def section(id: str, title: str, blocks: Sequence[Block], below: Sequence[dict[str, str]] = ()) -> dict[str, Any]:
    """Make a section of a page.

    Parameters
    ----------
    id, title : str
    blocks : sequence of dict
    below : sequence of dict
        id and title of what is listed under it at the side.

    Returns
    -------
    dict
    """
    return {"id": id, "title": title, "blocks": list(blocks), "below": list(below)}


def group(id: str, title: str, blocks: Sequence[Block]) -> Block:
    """Make a block with a heading of its own.

    Parameters
    ----------
    id, title : str
    blocks : sequence of dict

    Returns
    -------
    dict
    """
    return {"kind": "group", "id": id, "title": shown(title), "blocks": list(blocks)}


def fold(title: str, blocks: Sequence[Block]) -> Block:
    """Make a block that the screen shows on asking; print shows it.

    Parameters
    ----------
    title : str
    blocks : sequence of dict

    Returns
    -------
    dict
    """
    return {"kind": "fold", "title": title, "blocks": list(blocks)}


def line(text: str, style: str = "line") -> Block:
    """Make a paragraph in a style of its own.

    Parameters
    ----------
    text : str
    style : {"line", "first"}, default "line"
        A line of facts, or what to do first.

    Returns
    -------
    dict
    """
    return {"kind": "text", "text": text, "style": style}
