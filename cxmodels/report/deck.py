"""A benchmark study as slides: native charts and tables that can be edited, the method in the notes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..files import needed, replacing
from .blocks import shown
from .svg import ACCENT, BLUE, GREY, INK, RULE, ticks

if TYPE_CHECKING:
    from .words import Language

WIDE, HIGH = 13.333, 7.5  # inches
LEFT, TOP, ROOM = 0.6, 1.45, 12.13
FONT = "Arial"
SOFT_UP, SOFT_DOWN = "#8fb4d3", "#e59a72"  # lighter than the ink of the intervals on them
DRAWING = "http://schemas.openxmlformats.org/drawingml/2006/main"


class Deck:
    """Slides being made; each has a title, one thing to see, and notes.

    Parameters
    ----------
    words : Language
        Language of the labels and of numbers on the slides.
    title : str
        Of the file.
    """

    def __init__(self, words: Language, title: str) -> None:
        pptx = needed("pptx", "report")
        from pptx.util import Inches

        self.words = words
        self._inches = Inches
        self._deck = pptx.Presentation()
        self._deck.slide_width, self._deck.slide_height = Inches(WIDE), Inches(HIGH)
        self._deck.core_properties.title = shown(title)
        self._deck.core_properties.author = "cxmodels"

    def slide(self, title: str, line: str = "", notes: str = "") -> Any:
        """Add a slide with a title and a line under it.

        Parameters
        ----------
        title, line : str
        notes : str
            For the speaker.

        Returns
        -------
        pptx.slide.Slide
        """
        slide = self._deck.slides.add_slide(self._deck.slide_layouts[5])
        head = slide.shapes.title
        head.left, head.top, head.width, head.height = map(self._inches, (LEFT, 0.35, ROOM, 0.6))
        self._write(head.text_frame, [shown(title, 120)], size=26, bold=True)
        if line:
            self.text(slide, [shown(line, 400)], 0.95, 0.45, size=14, colour=GREY)
        if notes:
            slide.notes_slide.notes_text_frame.text = shown(notes, 4000)
        return slide

    def text(
        self,
        slide: Any,
        lines: Sequence[str],
        top: float,
        height: float,
        *,
        left: float = LEFT,
        width: float = ROOM,
        size: float = 16,
        bold: bool = False,
        colour: str = INK,
    ) -> None:
        """Add paragraphs.

        Parameters
        ----------
        slide : Slide
        lines : sequence of str
        top, height, left, width : float
            Place in inches.
        size : float, default 16
            Points.
        bold : bool, default False
        colour : str
            ``#rrggbb``.
        """
        box = slide.shapes.add_textbox(*map(self._inches, (left, top, width, height)))
        self._write(box.text_frame, lines, size=size, bold=bold, colour=colour)

    def big(self, slide: Any, text: str, top: float) -> None:
        """Add the number that a slide is about.

        Parameters
        ----------
        slide : Slide
        text : str
        top : float
            Inches.
        """
        self.text(slide, [text], top, 1.9, size=110, bold=True, colour=BLUE)

    def table(self, slide: Any, heads: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[float]) -> None:
        """Add a native table; the first column is text, the others stand right.

        Parameters
        ----------
        slide : Slide
        heads : sequence of str
        rows : sequence of sequence of str
            Finished texts.
        widths : sequence of float
            Relative widths of the columns.
        """
        from pptx.enum.text import PP_ALIGN

        tall = min(0.36, (HIGH - TOP - 0.35) / (len(rows) + 1))
        shape = slide.shapes.add_table(
            len(rows) + 1, len(heads), *map(self._inches, (LEFT, TOP, ROOM, tall * (len(rows) + 1)))
        )
        grid = shape.table
        shape._element.graphic.graphicData.tbl[0][-1].text = "{2D5ABB26-0587-4C30-8999-92F81FD0307C}"  # no style
        for k, part in enumerate(widths):
            grid.columns[k].width = self._inches(ROOM * part / sum(widths))
        for i, line in enumerate([heads, *rows]):
            grid.rows[i].height = self._inches(tall)
            for k, text in enumerate(line):
                cell = grid.cell(i, k)
                cell.margin_top = cell.margin_bottom = self._inches(0.02)
                side = PP_ALIGN.LEFT if k == 0 else PP_ALIGN.RIGHT
                colour = GREY if i == 0 else ACCENT if text.startswith("▼") else BLUE if text.startswith("▲") else INK
                self._write(cell.text_frame, [shown(text, 60)], size=13, bold=i == 0, colour=colour, side=side)

    def bars(self, slide: Any, frame: pd.DataFrame, *, name: str, axis: str) -> None:
        """Add a native chart of bars from zero with intervals, first row on top.

        Parameters
        ----------
        slide : Slide
        frame : DataFrame
            [label, est, ci_lower, ci_upper, clear], one row per bar: what is clear is blue above zero and vermilion below,
            the others are pale. Put the number to be read into the label.
        name : str
            What the bars measure, in the sheet behind the chart.
        axis : str
            Under the chart.
        """
        from pptx.chart.data import CategoryChartData
        from pptx.enum.chart import XL_CHART_TYPE, XL_TICK_LABEL_POSITION
        from pptx.util import Pt

        rows = frame.iloc[::-1]  # bars are drawn from the bottom up
        est = rows["est"].astype(float)
        data = CategoryChartData(number_format="0.00")
        data.categories = [shown(v, 60) for v in rows["label"]]
        data.add_series(shown(name), [None if math.isnan(v) else round(v, 6) for v in est])
        place = map(self._inches, (LEFT, TOP, ROOM, min(HIGH - TOP - 0.3, 1.1 + 0.55 * len(rows))))
        chart = slide.shapes.add_chart(XL_CHART_TYPE.BAR_CLUSTERED, *place, data).chart
        chart.has_legend, chart.has_title = False, False
        chart.font.size, chart.font.name = Pt(13), FONT
        plot, series = chart.plots[0], chart.plots[0].series[0]
        plot.gap_width, plot.vary_by_categories, series.invert_if_negative = 55, False, False
        for k, (value, clear) in enumerate(zip(est, rows["clear"], strict=True)):
            fill = series.points[k].format.fill
            fill.solid()
            fill.fore_color.rgb = _rgb((SOFT_DOWN if value < 0 else SOFT_UP) if clear else RULE)
        _error_bars(series, est, rows)
        values, names = chart.value_axis, chart.category_axis
        values.has_major_gridlines, values.has_title = True, True
        values.major_gridlines.format.line.color.rgb = _rgb(RULE)
        values.format.line.fill.background()
        values.tick_labels.font.size = Pt(11)
        at = _reach(rows)
        values.minimum_scale, values.maximum_scale, values.major_unit = at[0], at[-1], at[1] - at[0]
        self._write(values.axis_title.text_frame, [shown(axis)], size=11, colour=GREY)
        names.tick_label_position, names.has_major_gridlines = XL_TICK_LABEL_POSITION.LOW, False
        names.format.line.color.rgb = _rgb(GREY)

    def write(self, path: str | Path) -> Path:
        """Write the slides, whole or not at all.

        Parameters
        ----------
        path : str or Path
            Ends in .pptx.

        Returns
        -------
        Path

        Raises
        ------
        DataError
            If the file cannot be written.
        """
        target = Path(path)
        with replacing(target, "slides") as draft:
            self._deck.save(str(draft))
        return target

    def _write(
        self,
        frame: Any,
        lines: Sequence[str],
        *,
        size: float,
        bold: bool = False,
        colour: str = INK,
        side: Any = None,
    ) -> None:
        """Put paragraphs into a text frame."""
        from pptx.enum.text import MSO_ANCHOR, PP_ALIGN
        from pptx.util import Pt

        frame.word_wrap, frame.vertical_anchor = True, MSO_ANCHOR.MIDDLE if len(lines) == 1 else MSO_ANCHOR.TOP
        for k, line in enumerate(lines):
            paragraph = frame.paragraphs[0] if k == 0 else frame.add_paragraph()
            paragraph.text, paragraph.alignment = line, side or PP_ALIGN.LEFT
            paragraph.space_after = Pt(size / 3 if len(lines) > 1 else 0)
            font = paragraph.font
            font.size, font.bold, font.name, font.color.rgb = Pt(size), bold, FONT, _rgb(colour)


def _reach(frame: pd.DataFrame) -> list[float]:
    """Ticks of the value axis; zero belongs to bars."""
    values = frame[["est", "ci_lower", "ci_upper"]].to_numpy(dtype=float)
    known = values[np.isfinite(values)]
    return ticks(min(known.min(initial=0.0), 0.0), max(known.max(initial=0.0), 0.0), 7)


def _error_bars(series: Any, est: pd.Series, frame: pd.DataFrame) -> None:
    """Give a series its intervals; the library has no call for them, the format has (ECMA-376, 21.2.2.55)."""
    if frame[["ci_lower", "ci_upper"]].isna().all(axis=None):
        return
    from lxml import etree

    space = series._element.nsmap["c"]

    def node(parent: Any, tag: str, **attributes: str) -> Any:
        return etree.SubElement(parent, f"{{{space}}}{tag}", attributes)

    bars = etree.Element(f"{{{space}}}errBars")
    node(bars, "errBarType", val="both")
    node(bars, "errValType", val="cust")
    node(bars, "noEndCap", val="0")
    sides = (("plus", frame["ci_upper"] - est), ("minus", est - frame["ci_lower"]))
    for tag, lengths in sides:
        numbers = node(node(bars, tag), "numLit")
        node(numbers, "formatCode").text = "General"
        node(numbers, "ptCount", val=str(len(lengths)))
        for k, value in enumerate(lengths):
            if math.isfinite(value):
                node(node(numbers, "pt", idx=str(k)), "v").text = f"{max(value, 0.0):.6g}"
    properties = node(bars, "spPr")
    stroke = etree.SubElement(properties, f"{{{DRAWING}}}ln", w="15875")
    fill = etree.SubElement(stroke, f"{{{DRAWING}}}solidFill")
    etree.SubElement(fill, f"{{{DRAWING}}}srgbClr", val=INK.lstrip("#"))
    series._element.find(f"{{{space}}}cat").addprevious(bars)


def _rgb(colour: str) -> Any:
    from pptx.dml.color import RGBColor

    return RGBColor.from_string(colour.lstrip("#").upper())
