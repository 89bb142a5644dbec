"""One schema for every hand-over: Parquet, CSV, DuckDB, or any database that SQLAlchemy reaches.

A day's list is written whole or not at all, and writing the same day again replaces it: a nightly job may be re-run
without doubling a customer. Cells that a spreadsheet would run as a formula are neutralised in CSV.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import DataError, SpecError, listed, near
from ..files import needed, neutral, replacing

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
_DUCKDB = {"text": "VARCHAR", "date": "DATE", "integer": "BIGINT", "number": "DOUBLE"}
_BATCH = 10_000


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
    >>> scores = targets(["a", "b"], [0.1, 0.6], value=300, as_of_date="2026-03-31", horizon_days=90)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     deliver(scores, os.path.join(folder, "list.csv"))["rows"]
    2
    """
    frame, name = _checked(scores), os.fspath(target)
    if not table.isidentifier():
        raise SpecError(f"The table name {table!r} must be a plain word of letters, digits and underscores.")
    told: dict[str, Any] = {"target": name, "rows": len(frame), "replaced": 0, "neutralised": 0}
    if "://" in name:
        told["target"] = name.split("://", 1)[0] + "://" + name.rsplit("@", 1)[-1].split("://")[-1]  # no password
        told["replaced"] = _to_database(frame, name, table)
        return told
    suffix = Path(name).suffix.lower()
    if suffix == ".duckdb":
        told["replaced"] = _to_duckdb(frame, Path(name), table)
    elif suffix == ".parquet":
        _to_parquet(frame, Path(name))
    elif suffix == ".csv":
        told["neutralised"] = _to_csv(frame, Path(name))
    else:
        known = (".parquet", ".csv", ".duckdb")
        raise SpecError(
            f"Cannot tell what {Path(name).name!r} is; name a {', '.join(known)} file or a database URL."
            f"{near(suffix, known)}"
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
    with replacing(path) as draft:
        pq.write_table(pa.Table.from_pandas(frame, schema=schema, preserve_index=False), draft)


def _to_csv(frame: pd.DataFrame, path: Path) -> int:
    """Write a CSV file whole or not at all; return the number of neutralised cells."""
    safe = neutral(frame)
    with replacing(path) as draft:
        safe.to_csv(draft, index=False, lineterminator="\n")
    return sum(int((safe[c] != frame[c]).sum()) for c, kind in SCHEMA.items() if kind == "text")


def _to_duckdb(frame: pd.DataFrame, path: Path, table: str) -> int:
    """Replace the day's rows of a table in a DuckDB file, in one transaction."""
    duckdb = needed("duckdb", "store")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        db = duckdb.connect(str(path))
    except duckdb.Error as error:
        raise DataError(f"'{path.name}' cannot be opened as a DuckDB file: {str(error).splitlines()[0]}") from None
    try:
        db.begin()
        columns = ", ".join(f'"{c}" {_DUCKDB[kind]}' for c, kind in SCHEMA.items())
        db.execute(f'CREATE TABLE IF NOT EXISTS "{table}" ({columns})')
        _same_columns(table, [row[0] for row in db.execute(f'DESCRIBE "{table}"').fetchall()])
        key = [frame.as_of_date.iloc[0], int(frame.horizon_days.iloc[0])]
        old = db.execute(f'SELECT count(*) FROM "{table}" WHERE as_of_date = ? AND horizon_days = ?', key).fetchone()
        db.execute(f'DELETE FROM "{table}" WHERE as_of_date = ? AND horizon_days = ?', key)
        db.register("new_scores", frame)
        names = ", ".join(f'"{c}"' for c in SCHEMA)
        db.execute(f'INSERT INTO "{table}" ({names}) SELECT {names} FROM new_scores')
        db.commit()
        return int(old[0])
    finally:
        db.close()


def _to_database(frame: pd.DataFrame, url: str, table: str) -> int:
    """Replace the day's rows of a table in a database, in one transaction."""
    sql = needed("sqlalchemy", "store")
    kinds = {"text": sql.Text, "date": sql.Date, "integer": sql.BigInteger, "number": sql.Float(53)}
    try:
        engine = sql.create_engine(url)
    except (sql.exc.ArgumentError, sql.exc.NoSuchModuleError, ImportError) as error:
        raise SpecError(f"The database URL cannot be used: {str(error).splitlines()[0]}") from None
    scores = sql.Table(table, sql.MetaData(), *(sql.Column(c, kinds[kind]) for c, kind in SCHEMA.items()))
    mine = (scores.c.as_of_date == frame.as_of_date.iloc[0]) & (
        scores.c.horizon_days == int(frame.horizon_days.iloc[0])
    )
    try:
        with engine.begin() as connection:
            scores.create(connection, checkfirst=True)
            _same_columns(table, [c["name"] for c in sql.inspect(connection).get_columns(table)])
            replaced = connection.execute(sql.delete(scores).where(mine)).rowcount
            plain = frame.astype(object).where(frame.notna(), None)
            for start in range(0, len(plain), _BATCH):
                connection.execute(sql.insert(scores), plain.iloc[start : start + _BATCH].to_dict("records"))
        return int(replaced)
    except sql.exc.SQLAlchemyError as error:
        raise DataError(f"The database refused the list, nothing was written: {str(error).splitlines()[0]}") from None
    finally:
        engine.dispose()


def _same_columns(table: str, found: list[str]) -> None:
    """Refuse a table that was made for something else."""
    if odd := sorted(set(SCHEMA) ^ set(found)):
        raise DataError(f"The table '{table}' is there with other columns ({listed(odd)}); name another table.")


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
    """
    name = os.fspath(target)
    if "://" in name:
        sql = needed("sqlalchemy", "store")
        engine = sql.create_engine(name)
        try:
            with engine.connect() as connection:
                frame = pd.read_sql(sql.text(f'SELECT * FROM "{table}"'), connection)
        finally:
            engine.dispose()
    else:
        frame = _read_file(Path(name), table)
    frame = frame[list(SCHEMA)]
    frame["as_of_date"] = pd.to_datetime(frame.as_of_date)
    if as_of_date is not None:
        frame = frame[frame.as_of_date == pd.Timestamp(as_of_date)]
    return frame.sort_values(["as_of_date", "horizon_days", "rank"], ignore_index=True)


def _read_file(path: Path, table: str) -> pd.DataFrame:
    """Read a delivered file."""
    texts = {c: str for c, kind in SCHEMA.items() if kind == "text"}
    if not path.exists():
        raise DataError(f"There is no file '{path.name}' to read.")
    readers: dict[str, Callable[[], pd.DataFrame]] = {
        ".parquet": lambda: needed("pyarrow.parquet", "store").read_table(path).to_pandas(),
        ".csv": lambda: pd.read_csv(path, dtype=texts, na_values=[""], keep_default_na=False).fillna(
            dict.fromkeys(texts, "")
        ),
        ".duckdb": lambda: _query(path, table),
    }
    if path.suffix.lower() not in readers:
        raise DataError(f"Cannot tell what '{path.name}' is; known are {listed(readers)}.")
    return readers[path.suffix.lower()]()


def _query(path: Path, table: str) -> pd.DataFrame:
    """Read a table of a DuckDB file."""
    with needed("duckdb", "store").connect(str(path), read_only=True) as db:
        return db.execute(f'SELECT * FROM "{table}"').df()
