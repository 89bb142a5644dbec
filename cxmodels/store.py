"""Tables in a DuckDB file, or in any database that SQLAlchemy reaches: all of a change lands, or none.

Both kinds answer to the same few verbs, so that what is written above them does not care which it is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from .errors import DataError, SpecError, listed
from .files import needed

KINDS = {
    "text": "VARCHAR",
    "date": "DATE",
    "time": "TIMESTAMP",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "yes": "BOOLEAN",
}
_BATCH = 10_000

Key = Mapping[str, Any]


class Store(Protocol):
    """What can be done inside :func:`opened`."""

    def columns(self, table: str) -> list[str]:
        """Names of a table's columns; none if there is no such table."""

    def create(self, table: str, kinds: Mapping[str, str]) -> None:
        """Make a table of columns of the kinds text, date, time, integer, number, yes."""

    def add(self, table: str, column: str, kind: str) -> None:
        """Add a column, empty in the rows that are there."""

    def delete(self, table: str, key: Key) -> int:
        """Remove the rows with these values, and return how many there were."""

    def insert(self, table: str, frame: pd.DataFrame) -> None:
        """Add rows."""

    def read(self, table: str, key: Key | None = None) -> pd.DataFrame:
        """Return the rows with these values, or all."""


@contextmanager
def opened(target: str | os.PathLike[str], *, read_only: bool = False) -> Iterator[Store]:
    """Open a database for one change.

    Parameters
    ----------
    target : path or URL
        A ``.duckdb`` file, made if it is not there, or a SQLAlchemy URL such as ``postgresql+pg8000://...``.
    read_only : bool, default False
        Only read; several readers may then share a DuckDB file.

    Yields
    ------
    Store
        All that is done with it becomes visible together at the end, or not at all after an error.

    Raises
    ------
    DataError
        If the file is no DuckDB file or is in use, or the database refuses.
    SpecError
        If the target is neither a ``.duckdb`` file nor a usable URL.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with opened(Path(folder) / "a.duckdb") as store:
    ...         store.create("t", {"x": "number"})
    ...         store.insert("t", pd.DataFrame({"x": [1.5]}))
    ...     with opened(Path(folder) / "a.duckdb", read_only=True) as store:
    ...         store.read("t").x.tolist()
    [1.5]
    """
    name = os.fspath(target)
    if "://" in name:
        with _database(name) as store:
            yield store
    elif Path(name).suffix.lower() == ".duckdb":
        with _duckdb(Path(name), read_only) as store:
            yield store
    else:
        raise SpecError(f"'{Path(name).name}' is no database: name a .duckdb file or a database URL.")


def check_new(target: str | os.PathLike[str]) -> None:
    """Refuse a file that :func:`opened` could not make.

    Parameters
    ----------
    target : path

    Raises
    ------
    SpecError
        If it is no ``.duckdb`` file.
    DataError
        If its folder cannot be written to.

    Examples
    --------
    >>> check_new("study.duckdb")
    """
    path = Path(target).absolute()
    if path.suffix.lower() != ".duckdb":
        raise SpecError(f"'{path.name}' is no database: name a .duckdb file or a database URL.")
    needed("duckdb", "store")
    home = next(p for p in path.parents if p.exists())
    if not home.is_dir() or not os.access(home, os.W_OK | os.X_OK):
        raise DataError(f"'{path.name}' cannot be made: '{home.name}' is not a folder we may change.")


def masked(target: str | os.PathLike[str]) -> str:
    """Return the name of a target without user and password.

    Parameters
    ----------
    target : path or URL

    Returns
    -------
    str

    Examples
    --------
    >>> masked("postgresql+pg8000://ann:secret@host/db")
    'postgresql+pg8000://host/db'
    """
    name = os.fspath(target)
    if "://" not in name:
        return name
    scheme, rest = name.split("://", 1)
    return f"{scheme}://{rest.rsplit('@', 1)[-1]}"


def kind_of(column: pd.Series) -> str:
    """Return the kind of column that holds a Series.

    Parameters
    ----------
    column : Series

    Returns
    -------
    str
        text, time, integer, number or yes.

    Examples
    --------
    >>> kind_of(pd.Series([1, 2])), kind_of(pd.Series(["a"]))
    ('integer', 'text')
    """
    types = pd.api.types
    if types.is_bool_dtype(column):
        return "yes"
    if types.is_integer_dtype(column):
        return "integer"
    if types.is_numeric_dtype(column):
        return "number"
    return "time" if types.is_datetime64_any_dtype(column) else "text"


def check_name(name: str) -> str:
    """Return the name of a table if it is a plain word.

    Parameters
    ----------
    name : str

    Returns
    -------
    str

    Raises
    ------
    SpecError
        If it holds anything but letters, digits and underscores.
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise SpecError(f"The table name {name!r} must be a plain word of letters, digits and underscores.")
    return name


@contextmanager
def _duckdb(path: Path, read_only: bool) -> Iterator[Store]:
    """One transaction on a DuckDB file."""
    duckdb = needed("duckdb", "store")
    if read_only and not path.exists():
        raise DataError(f"There is no file '{path.name}' to read.")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        db = duckdb.connect(str(path), read_only=read_only)
    except duckdb.Error as error:
        why = "is in use by another program" if "lock" in str(error).lower() else "cannot be opened as a DuckDB file"
        raise DataError(f"'{path.name}' {why}: {str(error).splitlines()[0][:160]}") from None
    try:
        db.begin()
        yield _Duck(db)
        db.commit()
    except duckdb.Error as error:
        raise DataError(f"'{path.name}' refused, nothing was written: {str(error).splitlines()[0][:160]}") from None
    finally:
        db.close()  # what was not committed is gone


class _Duck:
    """Verbs on DuckDB."""

    def __init__(self, db: Any) -> None:
        self.db = db

    def columns(self, table: str) -> list[str]:
        found = self.db.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = ? ORDER BY ordinal_position",
            [table],
        )
        return [row[0] for row in found.fetchall()]

    def create(self, table: str, kinds: Mapping[str, str]) -> None:
        columns = ", ".join(f"{_quoted(c)} {KINDS[kind]}" for c, kind in kinds.items())
        self.db.execute(f"CREATE TABLE {_quoted(table)} ({columns})")

    def add(self, table: str, column: str, kind: str) -> None:
        self.db.execute(f"ALTER TABLE {_quoted(table)} ADD COLUMN {_quoted(column)} {KINDS[kind]}")

    def delete(self, table: str, key: Key) -> int:
        where = _where(key)
        count = self.db.execute(f"SELECT count(*) FROM {_quoted(table)}{where}", list(key.values())).fetchone()[0]
        self.db.execute(f"DELETE FROM {_quoted(table)}{where}", list(key.values()))
        return int(count)

    def insert(self, table: str, frame: pd.DataFrame) -> None:
        names = ", ".join(map(_quoted, frame.columns))
        self.db.register("rows_to_insert", frame)
        self.db.execute(f"INSERT INTO {_quoted(table)} ({names}) SELECT {names} FROM rows_to_insert")
        self.db.unregister("rows_to_insert")

    def read(self, table: str, key: Key | None = None) -> pd.DataFrame:
        if not self.columns(table):
            raise DataError(f"There is no table '{table}'.")
        key = key or {}
        found: pd.DataFrame = self.db.execute(f"SELECT * FROM {_quoted(table)}{_where(key)}", list(key.values())).df()
        return found


@contextmanager
def _database(url: str) -> Iterator[Store]:
    """One transaction on a database."""
    sql = needed("sqlalchemy", "store")
    try:
        engine = sql.create_engine(url)
    except (sql.exc.ArgumentError, sql.exc.NoSuchModuleError, ImportError) as error:
        raise SpecError(f"The database URL cannot be used: {str(error).splitlines()[0]}") from None
    try:
        with engine.begin() as connection:
            yield _Sql(sql, connection)
    except sql.exc.SQLAlchemyError as error:
        raise DataError(f"The database refused, nothing was written: {str(error).splitlines()[0][:160]}") from None
    finally:
        engine.dispose()


class _Sql:
    """Verbs on SQLAlchemy."""

    def __init__(self, sql: Any, connection: Any) -> None:
        self.sql, self.connection = sql, connection
        self.types = {
            "text": sql.Text, "date": sql.Date, "time": sql.DateTime, "integer": sql.BigInteger,
            "number": lambda: sql.Float(53), "yes": sql.Boolean,
        }  # fmt: skip

    def columns(self, table: str) -> list[str]:
        inspector = self.sql.inspect(self.connection)
        return [c["name"] for c in inspector.get_columns(table)] if inspector.has_table(table) else []

    def create(self, table: str, kinds: Mapping[str, str]) -> None:
        columns = [self.sql.Column(c, self.types[kind]()) for c, kind in kinds.items()]
        self.sql.Table(table, self.sql.MetaData(), *columns).create(self.connection)

    def add(self, table: str, column: str, kind: str) -> None:
        quote = self.connection.dialect.identifier_preparer.quote_identifier
        made = self.types[kind]().compile(self.connection.dialect)
        self.connection.execute(self.sql.text(f"ALTER TABLE {quote(table)} ADD COLUMN {quote(column)} {made}"))

    def delete(self, table: str, key: Key) -> int:
        known = self._table(table)
        return int(self.connection.execute(self.sql.delete(known).where(*self._matches(known, key))).rowcount)

    def insert(self, table: str, frame: pd.DataFrame) -> None:
        known = self._table(table)
        plain = frame.astype(object).where(frame.notna(), None)
        for start in range(0, len(plain), _BATCH):
            self.connection.execute(self.sql.insert(known), plain.iloc[start : start + _BATCH].to_dict("records"))

    def read(self, table: str, key: Key | None = None) -> pd.DataFrame:
        if not self.columns(table):
            raise DataError(f"There is no table '{table}'.")
        known = self._table(table)
        query = self.sql.select(known)
        return pd.read_sql(query.where(*self._matches(known, key)) if key else query, self.connection)

    def _table(self, table: str) -> Any:
        return self.sql.Table(table, self.sql.MetaData(), autoload_with=self.connection)

    def _matches(self, known: Any, key: Key) -> list[Any]:
        return [known.c[c] == v for c, v in key.items()]


def _quoted(name: str) -> str:
    """A name as SQL writes it, whatever it holds."""
    return '"' + str(name).replace('"', '""') + '"'


def _where(key: Key) -> str:
    """Condition of DuckDB for these values."""
    return " WHERE " + " AND ".join(f"{_quoted(c)} = ?" for c in key) if key else ""


def same_columns(table: str, found: list[str], wanted: list[str]) -> None:
    """Refuse a table that was made for something else.

    Parameters
    ----------
    table : str
    found, wanted : list of str
        Its columns, and those it should have.

    Raises
    ------
    DataError
        Naming the columns that differ.
    """
    if odd := sorted(set(wanted) ^ set(found)):
        raise DataError(f"The table '{table}' is there with other columns ({listed(odd)}); name another table.")
