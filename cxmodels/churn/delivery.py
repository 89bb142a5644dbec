"""One schema for every hand-over: Parquet, CSV, DuckDB, or any database that SQLAlchemy reaches.

A day's list is written whole or not at all, and writing the same day again replaces it: a nightly job may be re-run
without doubling a customer. Cells that a spreadsheet would run as a formula are neutralised in CSV.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import DataError, SpecError, listed, near
from ..files import needed, neutral, replacing
from ..store import check_name, masked, opened, same_columns

SCHEMA = {
    "customer_id": "text",
    "as_of_date": "date",
    "horizon_days": "integer",
    "p_churn": "number",
    "p_low": "number",
    "p_high": "number",
    "rank": "integer",
    "percentile": "number",
    "decile": "integer",
    "expected_loss": "number",
    "expected_profit": "number",
    "action": "text",
    "reason_1": "text",
    "reason_2": "text",
    "reason_3": "text",
    "flags": "text",
    "model_id": "text",
    "data_hash": "text",
}
FILES = (".parquet", ".csv", ".duckdb")


def deliver(scores: pd.DataFrame, target: str | os.PathLike[str], *, table: str = "churn_scores") -> dict[str, Any]:
    """Write a list of customers where the retention team reads it.

    Parameters
    ----------
    scores : DataFrame
        From :func:`cxmodels.churn.targets`, of one date and one horizon.
    target : path or URL
        ``.parquet`` or ``.csv`` is a file that is replaced; ``.duckdb`` a database file and ``postgresql+pg8000://``
        (or another SQLAlchemy URL) a database, in which the rows of the same date and horizon are replaced and those
        of other days stay.
    table : str, default "churn_scores"
        Table of a database; made if it is not there.

    Returns
    -------
    dict
        target, rows, replaced (rows of the same day that were there before), neutralised (cells of a CSV to which an
        apostrophe was put).

    Raises
    ------
    DataError
        If a column of the schema is missing, identifiers are doubled, the date or the horizon is missing or not one,
        or an existing table has other columns.
    SpecError
        For a target of a kind that is not known, or a table name that is not a plain word.

    Examples
    --------
    >>> import tempfile, os
    >>> from cxmodels.churn import targets
    >>> from cxmodels.churn import deliver
    >>> scores = targets(["a", "b"], [0.1, 0.6], value=300, as_of_date="2026-03-31", horizon_days=90)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     deliver(scores, os.path.join(folder, "list.csv"))["rows"]
    2
    """
    frame, name = _checked(scores), os.fspath(target)
    check_name(table)
    told: dict[str, Any] = {"target": masked(name), "rows": len(frame), "replaced": 0, "neutralised": 0}
    suffix = Path(name).suffix.lower()
    if "://" in name or suffix == ".duckdb":
        told["replaced"] = _to_database(frame, name, table)
    elif suffix == ".parquet":
        _to_parquet(frame, Path(name))
    elif suffix == ".csv":
        told["neutralised"] = _to_csv(frame, Path(name))
    else:
        known = ", ".join(FILES)
        raise SpecError(
            f"Cannot tell what '{Path(name).name}' is; name a {known} file or a database URL.{near(suffix, FILES)}"
        )
    return told


def _checked(scores: pd.DataFrame) -> pd.DataFrame:
    """The columns of the schema in their order and types; one date, one horizon, no customer twice."""
    if gone := [c for c in SCHEMA if c not in scores]:
        raise DataError(f"The list lacks the columns {listed(gone)}; make it with cxmodels.churn.targets.")
    frame = scores[list(SCHEMA)].copy()
    if frame.empty:
        raise DataError("The list has no rows; nothing was written.")
    if frame.as_of_date.isna().any() or frame.horizon_days.isna().any():
        raise DataError("The list has no as_of_date or no horizon_days; they say which run a re-run replaces.")
    for key in ("as_of_date", "horizon_days"):
        if (kinds := frame[key].nunique()) > 1:
            raise DataError(
                f"The list has {kinds} different values of {key}; deliver one day and one horizon at a time."
            )
    if twice := int(frame.customer_id.astype(str).duplicated().sum()):
        raise DataError(f"{twice} customers stand in the list more than once; nothing was written.")
    frame["as_of_date"] = pd.to_datetime(frame.as_of_date).dt.date
    for column, kind in SCHEMA.items():
        if kind == "text":
            frame[column] = frame[column].fillna("").astype(str).astype(object)
        elif kind == "number":
            frame[column] = frame[column].astype(float)
        elif kind == "integer":
            frame[column] = frame[column].astype("int64")
    return frame


def _to_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Write a Parquet file whole or not at all."""
    pa, pq = needed("pyarrow", "store"), needed("pyarrow.parquet", "store")
    kinds = {"text": pa.string(), "date": pa.date32(), "integer": pa.int64(), "number": pa.float64()}
    schema = pa.schema([(column, kinds[kind]) for column, kind in SCHEMA.items()])
    with replacing(path, "list") as draft:
        pq.write_table(pa.Table.from_pandas(frame, schema=schema, preserve_index=False), draft)


def _to_csv(frame: pd.DataFrame, path: Path) -> int:
    """Write a CSV file whole or not at all; return the number of neutralised cells."""
    safe = neutral(frame)
    with replacing(path, "list") as draft:
        safe.to_csv(draft, index=False, lineterminator="\n")
    return sum(int((safe[c] != frame[c]).sum()) for c, kind in SCHEMA.items() if kind == "text")


def _to_database(frame: pd.DataFrame, target: str, table: str) -> int:
    """Replace the day's rows of a table; return how many there were."""
    key = {"as_of_date": frame.as_of_date.iloc[0], "horizon_days": int(frame.horizon_days.iloc[0])}
    with opened(target) as store:
        found = store.columns(table)
        if found:
            same_columns(table, found, list(SCHEMA))
        else:
            store.create(table, SCHEMA)
        replaced = store.delete(table, key) if found else 0
        store.insert(table, frame)
    return replaced


def read_delivery(
    target: str | os.PathLike[str], *, table: str = "churn_scores", as_of_date: Any = None
) -> pd.DataFrame:
    """Read back what was delivered.

    Parameters
    ----------
    target : path or URL
        As for :func:`deliver`.
    table : str, default "churn_scores"
        Table of a database.
    as_of_date : date, optional
        Only this day.

    Returns
    -------
    DataFrame
        The columns of the schema, ordered by date, horizon and rank. A CSV gives its neutralised texts.

    Raises
    ------
    DataError
        If there is nothing to read.

    Examples
    --------
    >>> import tempfile
    >>> from cxmodels.churn import targets
    >>> from cxmodels.churn import deliver, read_delivery
    >>> calls = targets(["a", "b"], [0.4, 0.1], value=500, as_of_date="2026-03-31", horizon_days=30)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = deliver(calls, f"{folder}/calls.parquet")
    ...     read_delivery(f"{folder}/calls.parquet")[["customer_id", "p_churn"]].values.tolist()
    [['a', 0.4], ['b', 0.1]]
    """
    name = os.fspath(target)
    if "://" in name or name.lower().endswith(".duckdb"):
        with opened(name, read_only=True) as store:
            frame = store.read(table)
    else:
        frame = _read_file(Path(name))
    frame = frame[list(SCHEMA)]
    frame["as_of_date"] = pd.to_datetime(frame.as_of_date)
    if as_of_date is not None:
        frame = frame[frame.as_of_date == pd.Timestamp(as_of_date)]
    return frame.sort_values(["as_of_date", "horizon_days", "rank"], ignore_index=True)


def _read_file(path: Path) -> pd.DataFrame:
    """Read a delivered file."""
    if not path.exists():
        raise DataError(f"There is no file '{path.name}' to read.")
    if path.suffix.lower() == ".parquet":
        found: pd.DataFrame = needed("pyarrow.parquet", "store").read_table(path).to_pandas()
        return found
    if path.suffix.lower() != ".csv":
        raise DataError(f"Cannot tell what '{path.name}' is; known are {listed(FILES)}.")
    texts = [c for c, kind in SCHEMA.items() if kind == "text"]
    numbers = [c for c, kind in SCHEMA.items() if kind == "number"]
    found = pd.read_csv(path, dtype=dict.fromkeys([*texts, *numbers], str), na_values=[""], keep_default_na=False)
    # The reader of pandas 2 rounds in the last digit.
    exact = {c: found[c].map(float).astype(float) for c in numbers if c in found}
    return found.assign(**exact).fillna(dict.fromkeys(texts, ""))
