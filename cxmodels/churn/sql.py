"""The linear and the additive model as one SQL query, so that a warehouse scores where the data are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import SpecError
from ..inference import choose
from .encoding import BLANKS, Column
from .linear import Effect, Linear
from .scorer import Scorer, Trees
from .tables import Block

Array = NDArray[np.float64]

DIALECTS = ("duckdb", "postgresql", "sqlite")


def query(scorer: Scorer, dialect: str, table: str, ids: Sequence[str] = ()) -> str:
    """Write the query.

    Parameters
    ----------
    scorer : Scorer
        The model.
    dialect : {"duckdb", "postgresql", "sqlite"}
        Whose words are used.
    table : str
        Table to read, ``schema.table`` or a name.
    ids : sequence of str
        Columns that the query gives beside the probability; those that the model needs by default.

    Returns
    -------
    str

    Raises
    ------
    SpecError
        For a model with interactions or a plugged-in one.
    """
    choose("dialect", dialect, DIALECTS)
    model = scorer.model
    if not (isinstance(model, Linear) or (isinstance(model, Trees) and _additive(model))):
        raise SpecError(
            f"Only the linear and the additive model become SQL, not the {scorer.kind} one; "
            "fit Churn(candidates=['linear', 'additive'])."
        )
    if isinstance(model, Linear):
        terms = [_effect(c, e, dialect) for c, e in zip(scorer.features, model.effects, strict=True)]
        base = float(model.intercepts[0])
    else:
        blocks = model.tables.blocks
        terms = [_steps(scorer.features[b.columns[0]], b) for b in blocks]
        base = model.tables.base
    raw = "\n    + ".join([_number(base), *terms])
    eta = f"{_number(scorer.sigmoid.intercept)} + {_number(scorer.sigmoid.slope)} * raw_log_odds"
    most, least = _ends(dialect)
    given = ", ".join(_quoted(name) for name in ids or [c.name for c in scorer.needed if not c.how])
    return (
        f"{_reading(scorer.needed, table, dialect)}"
        f",\nraw AS (\n  SELECT *,\n    {raw} AS raw_log_odds\n  FROM {_source(scorer.needed)}\n)\n"
        f"SELECT {given}, 1.0 / (1.0 + exp(-{most}(-700.0, {least}(700.0, {eta})))) AS p_churn\nFROM raw"
    )


def _additive(model: Trees) -> bool:
    return all(len(b.columns) == 1 for b in model.tables.blocks)


def _reading(columns: list[Column], table: str, dialect: str) -> str:
    """Typed columns, then derived ones each on those before."""
    name = ".".join(_quoted(part) for part in table.split("."))
    typed = ",\n    ".join(f"{_typed(c, dialect)} AS {_own(c)}" for c in columns if not c.how)
    text = f"WITH read AS (\n  SELECT {name}.*,\n    {typed}\n  FROM {name}\n)"
    before = "read"
    for k, column in enumerate(c for c in columns if c.how):
        parts = [_cx(p) for p in column.parts]
        made = (
            " + ".join(parts)
            if column.how == "sum"
            else f"CASE WHEN {parts[1]} <> 0 THEN {parts[0]} / {parts[1]} END"
        )
        text += f",\nderived_{k} AS (\n  SELECT *, {made} AS {_own(column)}\n  FROM {before}\n)"
        before = f"derived_{k}"
    return text


def _source(columns: list[Column]) -> str:
    derived = sum(bool(c.how) for c in columns)
    return f"derived_{derived - 1}" if derived else "read"


def _typed(column: Column, dialect: str) -> str:
    name = _quoted(column.name)
    if column.kind == "number":
        value = _as_number(name, dialect)
        return f"CASE WHEN {value} > -1e308 AND {value} < 1e308 THEN {value} END"
    text = f"trim(CAST({name} AS {'TEXT' if dialect != 'duckdb' else 'VARCHAR'}))"
    blanks = ", ".join(_text(b) for b in sorted(BLANKS))
    return f"CASE WHEN lower({text}) NOT IN ({blanks}) THEN {text} END"


def _as_number(name: str, dialect: str) -> str:
    """A number, from a column that may hold numbers as text; other text is no value, not an error and not 0."""
    if dialect == "duckdb":
        return f"TRY_CAST({name} AS DOUBLE)"
    if dialect == "sqlite":
        text = f"trim({name})"
        looks = f"{text} GLOB '*[0-9]*' AND {text} NOT GLOB '*[^-+.0-9eE]*'"
        return (
            f"CASE WHEN typeof({name}) <> 'text' THEN CAST({name} AS REAL) WHEN {looks} THEN CAST({text} AS REAL) END"
        )
    text = f"trim(CAST({name} AS TEXT))"
    looks = f"{text} ~ '^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?$'"
    return f"CASE WHEN {looks} THEN CAST({text} AS DOUBLE PRECISION) END"


def _effect(column: Column, effect: Effect, dialect: str) -> str:
    """A broken line, or a value per level."""
    x = _own(column)
    if column.kind == "category":
        return _levels(column, effect.levels[0])
    most, least = _ends(dialect)
    inside = f"{least}({x}, {_number(effect.high)})"
    bends = [
        f"{most}({inside} - {_number(k)}, 0.0) * {_number(s)}"
        for k, s in zip(effect.knots, effect.slopes[0], strict=True)
        if s
    ]
    return f"CASE WHEN {x} IS NULL THEN {_number(effect.levels[0, 0])} ELSE {' + '.join(bends) or '0.0'} END"


def _steps(column: Column, block: Block) -> str:
    """A value per bin, or per level."""
    value = block.values[block.classes[0]]
    if column.kind == "category":
        return _levels(column, value)
    x = _own(column)
    whens = [
        f"WHEN {x} <= {_number(edge)} THEN {_number(v)}"
        for edge, v, after in zip(column.edges, value[1:-1], value[2:], strict=True)
        if v != after
    ]
    return f"CASE WHEN {x} IS NULL THEN {_number(value[0])} {' '.join(whens)} ELSE {_number(value[-1])} END"


def _levels(column: Column, value: Array) -> str:
    """A value per level, the last code's or that of blank for others."""
    x = _own(column)
    other = value[-1] if column.pooled else value[0]
    whens = []
    for level, v in zip(column.levels, value[1:], strict=False):
        names = [level, level.lower()] if level in ("True", "False") else [level]
        whens.append(f"WHEN {x} IN ({', '.join(_text(n) for n in names)}) THEN {_number(v)}")
    return f"CASE WHEN {x} IS NULL THEN {_number(value[0])} {' '.join(whens)} ELSE {_number(other)} END"


def _ends(dialect: str) -> tuple[str, str]:
    return ("max", "min") if dialect == "sqlite" else ("greatest", "least")


def _own(column: Column) -> str:
    return _cx(column.name)


def _cx(name: str) -> str:
    return _quoted(f"cx {name}")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _number(value: float) -> str:
    """A double: with an exponent, for else some databases read a decimal; negative ones in brackets."""
    text = f"{float(value):.17e}"
    return f"({text})" if value < 0 else text
