"""How a survey shows itself: a line or two of text, a table in Jupyter, a frame of moments."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..errors import listed
from ..files import in_html
from .entries import scale_text

if TYPE_CHECKING:
    from .survey import Survey

_SHOWN = 60
"""Columns that a notebook lists."""

_STYLE = "text-align:left;padding:0.15em 0.8em 0.15em 0;vertical-align:top"


def described(survey: Survey, items: Iterable[str] | None, language: str | None) -> pd.DataFrame:
    """Moments of items, as `Survey.describe` documents."""
    names = _numeric_columns(survey) if items is None else [items] if isinstance(items, str) else list(items)
    weights = survey.weights
    weights = np.ones(len(survey)) if weights is None else weights
    values = _floats(survey, names) if items is None else survey.numeric(names)
    rows = [
        (name, survey.label(name, language), *_moments(values[:, j], weights), _scale(survey, name))
        for j, name in enumerate(names)
    ]
    columns = ["item", "label", "n", "missing", "mean", "sd", "min", "max", "scale"]
    return pd.DataFrame(rows, columns=columns).astype({"n": int, "missing": int})


def _numeric_columns(survey: Survey) -> list[str]:
    """Numeric columns that stand once and have no role."""
    roles = {survey.weight_name, survey.wave, *survey.hierarchy}
    frame = survey.frame.loc[:, ~survey.frame.columns.duplicated(keep=False)]
    return [n for n in frame.columns if n not in roles and pd.api.types.is_numeric_dtype(frame[n].dtype)]


def _floats(survey: Survey, names: list[str]) -> np.ndarray:
    """Columns as they are: a description must not fail where a model would."""
    return survey.frame[names].to_numpy(dtype=float, na_value=np.nan)


def _moments(x: np.ndarray, weights: np.ndarray) -> tuple[int, int, float, float, float, float]:
    """Rows answered, rows missing, weighted mean and sd, extremes."""
    there = ~np.isnan(x)
    n, answered, w = int(there.sum()), x[there], weights[there]
    if not n or not w.any():
        return n, len(x) - n, np.nan, np.nan, np.nan, np.nan
    with np.errstate(invalid="ignore"):
        mean = np.average(answered, weights=w)
        variance = np.average((answered - mean) ** 2, weights=w) * n / (n - 1) if n > 1 else np.nan
    return n, len(x) - n, float(mean), float(np.sqrt(variance)), float(answered.min()), float(answered.max())


def _scale(survey: Survey, name: str) -> str:
    scale = survey.scale(name)
    return scale_text(scale) if scale else ""


def _roles(survey: Survey) -> list[str]:
    own = vars(survey)["_weights"] is not None
    weights = survey.weight_name or ("given by value" if own else "")
    roles = {"weights": weights, "wave": survey.wave, "hierarchy": " in ".join(survey.hierarchy)}
    return [f"{role}: {said}" for role, said in roles.items() if said]


def _first_line(survey: Survey) -> str:
    rows, columns = survey.frame.shape
    described = sum(name in survey.codebook for name in survey.frame.columns)
    parts = [f"Survey of {rows} rows x {columns} columns", f"{described} in the codebook", *_roles(survey)]
    return "; ".join(parts)


def _all_notes(survey: Survey) -> list[str]:
    """What reading decided, what the codebook describes in vain, and what became missing."""
    notes = list(survey.notes)
    absent = [name for name in survey.codebook if name not in survey.frame.columns]
    if absent:
        notes.append(f"The codebook describes {listed(absent)}, not in the data.")
    codes = survey.raw_missing
    if codes.empty:
        return notes
    total = int(codes["rows"].sum())
    where = listed(codes["column"].unique(), limit=4)
    shown = ", ".join(dict.fromkeys(map(str, codes["code"])))
    return [*notes, f"{total} answer{'s' * (total > 1)} held a missing code: {shown} in {where}."]


def as_text(survey: Survey) -> str:
    """A line of what there is, and one for each note."""
    return "\n".join([_first_line(survey), *(f"  {note}" for note in _all_notes(survey))])


def as_html(survey: Survey) -> str:
    """A table of the columns; everything from the data is escaped."""
    codes = survey.raw_missing.groupby("column")["rows"].sum()
    body = []
    for j, name in enumerate(survey.frame.columns[:_SHOWN]):
        column = survey.frame.iloc[:, j]
        item = survey.codebook.entries.get(name)
        label = survey.label(name) if item and item.label else ""
        scale = _scale(survey, name) + (", reversed" if item and item.reversed else "")
        cells = (name, label, scale, int(column.isna().sum()), int(codes.get(name, 0)))
        body.append("<tr>" + "".join(f'<td style="{_STYLE}">{in_html(cell)}</td>' for cell in cells) + "</tr>")
    if len(survey.frame.columns) > _SHOWN:
        body.append(f'<tr><td colspan="5">and {len(survey.frame.columns) - _SHOWN} more columns</td></tr>')
    heads = ("column", "label", "scale", "missing", "by code")
    head = "".join(f'<th scope="col" style="{_STYLE}">{text}</th>' for text in heads)
    notes = "".join(f"<div>{in_html(note, 600)}</div>" for note in _all_notes(survey))
    return (
        f'<div style="overflow-x:auto;overflow-wrap:anywhere"><strong>{in_html(_first_line(survey), 600)}</strong>{notes}'
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )
