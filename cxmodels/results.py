"""How every result shows itself: the same numbers as text in a terminal and as a table in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .files import in_html

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from .report.svg import Drawing

STYLE = (
    "border-collapse:collapse;font-variant-numeric:tabular-nums;margin:.4em 0 1em",
    "padding:.15em .7em;border-bottom:1px solid #ddd;text-align:",
)


class Result:
    """Base of all results: a headline, warnings, tables, and their display.

    Subclasses give :meth:`headline` and :meth:`tables`; nothing is computed anew for display.
    """

    warnings: tuple[str, ...] = ()

    def headline(self) -> list[tuple[str, str]]:
        """Return what must be read first: model, rows used and excluded, convergence.

        Returns
        -------
        list of (label, value)
        """
        return []

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the frames that the summary shows, by title.

        Returns
        -------
        dict of DataFrame
        """
        return {}

    def summary(self, digits: int = 3) -> str:
        """Return the whole result as text.

        Parameters
        ----------
        digits : int, default 3
            Decimals shown.

        Returns
        -------
        str

        Examples
        --------
        >>> import cxmodels as cx
        >>> model = "visual =~ x1 + x2 + x3; text =~ x4 + x5 + x6; text ~ visual"
        >>> res = cx.SEM(model).fit(cx.datasets.load("holzinger"))
        >>> print(res.summary(digits=2).splitlines()[0])
        Model       SEM, ML, 13 parameters
        """
        parts = [repr(self)]
        for title, frame in self.tables().items():
            shown = frame.to_string(index=_named(frame), na_rep="", float_format=lambda v: f"{v:.{digits}f}")
            parts.append(f"{title}\n{shown}")
        return "\n\n".join(parts)

    def to_table(
        self,
        format: str | None = None,
        path: str | Path | None = None,
        *,
        what: str | Sequence[str] | None = None,
        **options: Any,
    ) -> str | Path:
        """Return the result as tables in journal style, or write them to a file.

        Parameters
        ----------
        format : {"html", "latex", "markdown", "xlsx"}, optional
            Default: as the suffix of `path` says, HTML where there is no path.
        path : str or Path, optional
            File to write, whole or not at all; a workbook needs one.
        what : str or sequence of str, optional
            Which tables; default all there are.
        **options
            labels, digits, stars, as for :func:`cxmodels.report.table`, which also puts models side by side.

        Returns
        -------
        str or Path
            The text, or the file written.

        Raises
        ------
        SpecError
            For an unknown format, table or option.

        Examples
        --------
        >>> import cxmodels as cx
        >>> res = cx.SEM("visual =~ x1 + x2 + x3").fit(cx.datasets.load("holzinger"))
        >>> print(res.to_table("markdown", what="measurement").splitlines()[5])
        | x1 | 1.00 |  |  |  | .62 |  |  |  |
        """
        from .report.publication import table

        made = table(self, what=what, **options)
        return made.to(format or "html") if path is None else made.write(path, format)

    def diagram(self, **options: Any) -> Drawing:
        """Draw the path diagram of the model.

        Parameters
        ----------
        **options
            As for :func:`cxmodels.report.sem_diagram` (which, group, significance, labels, items, title) for models
            of covariances, and :func:`cxmodels.report.path_diagram` for path models and satisfaction indices;
            ``language="uk"`` for its words in Ukrainian, as ``"ru"`` and ``"bg"``.

        Returns
        -------
        Drawing
            SVG text that a notebook shows; ``.write("diagram.svg")`` saves it.

        Raises
        ------
        SpecError
            If the result is not of a model with paths.

        Examples
        --------
        >>> import cxmodels as cx
        >>> model = "visual =~ x1 + x2 + x3; text =~ x4 + x5 + x6; text ~ visual"
        >>> res = cx.SEM(model).fit(cx.datasets.load("holzinger"))
        >>> drawing = res.diagram(title="Two abilities")
        >>> drawing[:4]
        '<svg'
        >>> _ = drawing.write("diagram.svg")  # doctest: +SKIP
        """
        return picture("diagram", self, **options)

    def to_mermaid(self) -> str:
        """Return the path diagram as a Mermaid flowchart, which GitHub and JupyterLab draw.

        Returns
        -------
        str
            Standardised estimates; a dotted arrow is not significant.

        Examples
        --------
        >>> import cxmodels as cx
        >>> model = "visual =~ x1 + x2 + x3; text =~ x4 + x5 + x6; text ~ visual"
        >>> res = cx.SEM(model).fit(cx.datasets.load("holzinger"))
        >>> print(res.to_mermaid().splitlines()[0])
        flowchart LR
        """
        return str(picture("mermaid", self))

    def to_dot(self) -> str:
        """Return the path diagram in the DOT language of Graphviz.

        Returns
        -------
        str
            Standardised estimates; a dashed arrow is not significant.

        Examples
        --------
        >>> import cxmodels as cx
        >>> model = "visual =~ x1 + x2 + x3; text =~ x4 + x5 + x6; text ~ visual"
        >>> res = cx.SEM(model).fit(cx.datasets.load("holzinger"))
        >>> print(res.to_dot().splitlines()[0])
        digraph model {
        """
        return str(picture("dot", self))

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        rows = self.headline()
        width = max((len(k) for k, _ in rows), default=0)
        lines = [f"{k:<{width}}  {v}" for k, v in rows]
        return "\n".join(lines + [f"Warning: {w}" for w in self.warnings])

    def _repr_html_(self) -> str:
        # Against the direction of the package, as in `picture`: what people see is the report's.
        from .report.notebook import notebook_html

        return notebook_html(self)


class Derived(Result):
    """Base of what is made from a fitted result, its `point`: it rests on the same rows."""

    point: Any

    @property
    def n_obs(self) -> int:
        """Rows used."""
        return int(self.point.n_obs)

    @property
    def excluded(self) -> pd.DataFrame:
        """Rows left out, [reason, rows]."""
        return self.point.excluded


class Resampled(Derived):
    """Base of what is made from a fitted result and `replicates` of it."""

    replicates: Any

    @property
    def failed(self) -> int:
        """Replicates that gave no estimate and are left out."""
        return int(self.replicates.failed)

    @property
    def runs(self) -> str:
        """How many replicates there were, how many failed, and their seed."""
        r = self.replicates
        return f"{r.n} replicates, {r.failed} failed, seed {r.seed if r.seed is not None else 'none (given rows)'}"

    @property
    def warnings(self) -> tuple[str, ...]:  # type: ignore[override]
        """What was unusual about the fit."""
        return tuple(self.point.warnings)


def picture(kind: str, result: Result, **options: Any) -> Drawing:
    """Have the report draw a picture of a result.

    Parameters
    ----------
    kind : str
        What to draw, as ``cxmodels.report.pictures`` names it.
    result : Result
    **options
        Of the picture.

    Returns
    -------
    Drawing
    """
    from .report.pictures import draw

    return draw(kind, result, **options)


def axes(kind: str, result: Result, *arguments: Any, **options: Any) -> Axes:
    """Have the report draw a picture of a result on matplotlib axes.

    Parameters
    ----------
    kind : str
        What to draw, a function of ``cxmodels.report.axes`` or ``cxmodels.report.sem_axes``.
    result : Result
    *arguments, **options
        Of the picture.

    Returns
    -------
    matplotlib.axes.Axes
    """
    from .report import axes as pictures
    from .report import sem_axes

    home = sem_axes if kind in sem_axes.__all__ else pictures
    return getattr(home, kind)(result, *arguments, **options)


def plain_html(result: Result, pictures: str = "") -> str:
    """Render a result's headline, warnings and tables as HTML.

    Parameters
    ----------
    result : Result
    pictures : str, default ""
        Markup of ours that stands before the tables.

    Returns
    -------
    str
        One ``<div>``, everything from the data escaped.

    Examples
    --------
    >>> plain_html(Result())
    '<div style="..."><table style="..."></table></div>'
    """
    head = "".join(
        f'<tr><th scope="row" style="text-align:left;padding-right:1em">{in_html(k)}</th>'
        f'<td style="text-align:left">{in_html(v, 600)}</td></tr>'
        for k, v in result.headline()
    )
    out = [f'<table style="{STYLE[0]}">{head}</table>']
    out += [
        f'<p style="color:#a33;margin:.3em 0"><strong>Warning.</strong> {in_html(w, 600)}</p>'
        for w in result.warnings
    ]
    out += [pictures]
    out += [f"<h4 style='margin:.6em 0 0'>{in_html(t)}</h4>{frame_html(f)}" for t, f in result.tables().items()]
    return f'<div style="overflow-x:auto;overflow-wrap:anywhere">{"".join(out)}</div>'


def frame_html(frame: pd.DataFrame, digits: int = 3) -> str:
    """Render a frame as a plain, escaped HTML table.

    Parameters
    ----------
    frame : DataFrame
    digits : int, default 3
        Decimals of floating-point numbers.

    Returns
    -------
    str

    Examples
    --------
    >>> import pandas as pd
    >>> "&lt;b&gt;" in frame_html(pd.DataFrame({"item": ["<b>"], "est": [0.5]}))
    True
    """
    shown = frame.reset_index(names=[n or "" for n in frame.index.names]) if _named(frame) else frame

    def cell(value: object, tag: str) -> str:
        number = isinstance(value, float | int) and not isinstance(value, bool)
        text = (
            ""
            if value != value or value is None
            else f"{value:.{digits}f}"
            if isinstance(value, float)
            else str(value)
        )
        return f'<{tag} style="{STYLE[1]}{"right" if number else "left"}">{in_html(text)}</{tag}>'

    head = "".join(cell(str(c), "th") for c in shown.columns)
    body = "".join(
        "<tr>" + "".join(cell(v, "td") for v in row) + "</tr>" for row in shown.itertuples(index=False, name=None)
    )
    return f'<table style="{STYLE[0]}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _named(frame: pd.DataFrame) -> bool:
    """Whether the index says something, and is not just row numbers."""
    return frame.index.dtype.kind not in "iu"
