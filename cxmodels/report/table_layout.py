"""What tables of different families share: headed blocks, models side by side, labels, discriminant validity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from .tables import Column, Table

__all__ = ["estimate_columns", "headed", "named", "side_by_side", "validity_table"]

LABELLED = ("item", "construct", "outcome", "predictor", "path", "driver", "target", "attribute", "label")


def headed(frame: pd.DataFrame, by: str, label: str, of_block: pd.DataFrame | None = None) -> pd.DataFrame:
    """Put a line before each block that names it and says what is known of the block as a whole.

    Parameters
    ----------
    frame : DataFrame
        Lines, blocks together.
    by : str
        Column that names the block.
    label : str
        Column of the first cell; the block's name stands there.
    of_block : DataFrame, optional
        Index block, further columns of the heading line.

    Returns
    -------
    DataFrame
        With a column heading (bool), fresh integer index.
    """
    parts: list[pd.DataFrame] = []
    known: dict[Any, dict[str, Any]] = {} if of_block is None else of_block.to_dict("index")  # type: ignore[assignment]
    for name, block in frame.groupby(by, sort=False):
        head = pd.DataFrame({by: [name], label: [name], "heading": [True]}).assign(**known.get(name, {}))
        parts += [head, block.assign(heading=False)]
    return pd.concat(parts, ignore_index=True)


def side_by_side(parts: Mapping[str, pd.DataFrame], keys: Sequence[str], values: Sequence[str]) -> pd.DataFrame:
    """Join the same lines of several models; their columns become ``value|model``, those of one alone keep their names.

    Parameters
    ----------
    parts : mapping of model to DataFrame
    keys : sequence of str
        Columns that name a line.
    values : sequence of str

    Returns
    -------
    DataFrame
        Lines in the order in which they first appear.
    """
    order: dict[tuple[object, ...], None] = {}
    columns: dict[str, dict[tuple[object, ...], object]] = {}
    for model, frame in parts.items():
        names = list(zip(*(frame[k] for k in keys), strict=True))
        order |= dict.fromkeys(names)
        for v in values:
            if v in frame:
                columns[f"{v}|{model}" if len(parts) > 1 else v] = dict(zip(names, frame[v], strict=True))
    lines = _grouped(list(order))
    out = pd.DataFrame(lines, columns=list(keys))
    for name, found in columns.items():
        out[name] = pd.Series([found.get(line, np.nan) for line in lines], dtype=float)
    return out


def _grouped(lines: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """Lines with the same first key together, so that a path only the second model has joins its outcome."""
    first = list(dict.fromkeys(line[0] for line in lines))
    return sorted(lines, key=lambda line: first.index(line[0]))


def estimate_columns(
    models: Sequence[str], short: Sequence[Column], full: Sequence[Column], stars: bool
) -> list[Column]:
    """Columns of one model in full, or of several in short under their names; stars replace z, t and p.

    Parameters
    ----------
    models : sequence of str
    short, full : sequence of Column
        Names without the model.
    stars : bool

    Returns
    -------
    list of Column
    """
    tests = {"z", "t", "pvalue"}
    out = []
    for model in models:
        for c in full if len(models) == 1 else short:
            if stars and c.name in tests:
                continue
            c = c if stars else replace(c, pvalue="")
            out.append(c if len(models) == 1 else _of_model(c, model))
    return out


def _of_model(c: Column, model: str) -> Column:
    """A column of one of several models."""
    name = f"{c.name}|{model}" if isinstance(c.name, str) else (f"{c.name[0]}|{model}", f"{c.name[1]}|{model}")
    return replace(c, name=name, pvalue=f"{c.pvalue}|{model}" if c.pvalue else "", span=model)


def validity_table(lower: pd.DataFrame, upper: pd.DataFrame | None, of: Sequence[str], digits: int) -> Table | None:
    """Correlations of constructs and roots of the AVE on and below the diagonal, which stands out; ratios above it.

    Parameters
    ----------
    lower, upper : DataFrame
        Square, the same names: Fornell and Larcker's matrix, and heterotrait-monotrait ratios.
    of : sequence of str
        What the table is of, where there is more than one: model, group.
    digits : int

    Returns
    -------
    Table or None
        The columns are headed by numbers, the lines by number and name; None for a single construct.
    """
    if len(lower) < 2:
        return None
    names = [str(n) for n in lower.index]
    values = np.tril(lower.to_numpy(dtype=float))
    above = np.triu_indices(len(names), 1)
    values[above] = np.nan
    if upper is not None:
        values[above] = upper.reindex(index=lower.index, columns=lower.index).to_numpy(dtype=float)[above]
    frame = pd.DataFrame({"number": [f"{i}." for i in range(1, len(names) + 1)], "construct": names})
    columns = [Column("number", "", "text"), Column("construct", "Construct", "text")]
    for k in range(len(names)):
        frame[str(k + 1)] = values[:, k]
        frame[f"diagonal {k + 1}"] = np.arange(len(names)) == k
        columns.append(Column(str(k + 1), str(k + 1), "unit", bold=f"diagonal {k + 1}"))
    notes = [
        "Below the diagonal: correlations of the constructs; on it: square roots of the average variance extracted "
        "(Fornell & Larcker, 1981); above it: heterotrait-monotrait ratios (Henseler et al., 2015)."
    ]
    notes += [f"Of {', '.join(of)}."] if of else []
    return Table("Discriminant Validity", frame, columns, notes, digits, "validity")


def named(made: Table, labels: Mapping[str, str]) -> Table:
    """Write constructs and items by their labels.

    Parameters
    ----------
    made : Table
    labels : mapping of name to label

    Returns
    -------
    Table
    """
    if not labels:
        return made
    columns = [c for c in made.frame if c in LABELLED]
    return replace(
        made, frame=made.frame.assign(**{c: made.frame[c].map(lambda v: labels.get(v, v)) for c in columns})
    )
