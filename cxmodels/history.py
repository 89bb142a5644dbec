"""The memory of a study: the results of every wave in one DuckDB file, or in any database.

Nothing is ever overwritten. Every run of a wave adds its rows under a new run number, in one transaction, and reading
takes the last run of each wave: a re-run replaces a wave at one stroke, a killed run leaves what was there, and earlier
runs can still be looked at.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from .errors import DataError, SpecError, listed, near
from .files import path_of
from .store import Store, check_name, check_new, kind_of, masked, opened

RUNS = {"run": "integer", "study": "text", "wave": "text", "finished": "time", "tables": "text", "provenance": "text"}
FIRST = ("run", "wave")  # columns that the history puts before those of a frame


@dataclass(frozen=True)
class History:
    """Results of a study, wave by wave.

    Parameters
    ----------
    target : path or URL
        A ``.duckdb`` file or a SQLAlchemy URL.
    study : str, default "study"
        Several studies may share a database.

    Examples
    --------
    >>> import tempfile
    >>> import os
    >>> import pandas as pd
    >>> from cxmodels import History
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     history = History(os.path.join(folder, "study.duckdb"))
    ...     _ = history.write("2024", {"scores": pd.DataFrame({"company": ["a"], "index": [71.0]})})
    ...     _ = history.write("2025", {"scores": pd.DataFrame({"company": ["a"], "index": [73.5]})})
    ...     history.read("scores")[["wave", "company", "index"]].values.tolist()
    [['2024', 'a', 71.0], ['2025', 'a', 73.5]]
    """

    target: str | os.PathLike[str]
    study: str = "study"

    def __post_init__(self) -> None:
        path_of(self.target, "History()")

    def __repr__(self) -> str:
        return f"History({masked(self.target)!r}, study={self.study!r})"

    def write(
        self, wave: Any, frames: Mapping[str, pd.DataFrame], provenance: Mapping[str, Any] | None = None
    ) -> int:
        """Add the results of a wave; they take the place of its earlier ones for every reader.

        Parameters
        ----------
        wave : object
            The wave's name or year; kept as text.
        frames : mapping of str to DataFrame
            Tables by name, such as scores, impacts, units. Their columns may grow from wave to wave.
        provenance : mapping, optional
            Facts that go into JSON: versions, data hash, seed, rows used.

        Returns
        -------
        int
            Number of the run.

        Raises
        ------
        SpecError
            For no frames, a name that is no plain word, or columns named run or wave.
        DataError
            If a column changed its kind, or the database refuses; nothing is written then.

        Examples
        --------
        >>> import os, tempfile
        >>> import pandas as pd
        >>> import cxmodels as cx
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     history = cx.History(os.path.join(folder, "study.duckdb"))
        ...     history.write(2025, {"scores": pd.DataFrame({"company": ["a"], "index": [73.5]})})
        1
        """
        if not frames:
            raise SpecError("There is nothing to write; give at least one frame.")
        for name, frame in frames.items():
            if check_name(name) == "runs":
                raise SpecError("The name 'runs' is the history's own; name the frame otherwise.")
            if taken := [c for c in FIRST if c in frame]:
                raise SpecError(
                    f"The frame '{name}' has a column {listed(taken)}, which the history adds itself; rename it."
                )
        told = json.dumps(dict(provenance or {}), default=str, sort_keys=True)
        with opened(self.target) as store:
            run = self._next_run(store)
            for name, frame in frames.items():
                rows = _plain(frame)
                rows.insert(0, "run", run)
                rows.insert(1, "wave", str(wave))
                _fit(store, self._table(name), rows)
                store.insert(self._table(name), rows)
            line = {
                "run": run,
                "study": self.study,
                "wave": str(wave),
                "finished": datetime.now(UTC).replace(tzinfo=None, microsecond=0),
                "tables": ",".join(frames),
                "provenance": told,
            }
            store.insert("cx_runs", pd.DataFrame([line]))
        return run

    def check(self) -> None:
        """Refuse a target that could not be written to, before a long run rather than after it.

        Raises
        ------
        SpecError
            If it is neither a ``.duckdb`` file nor a usable URL.
        DataError
            If it cannot be opened.
        """
        if "://" in os.fspath(self.target) or os.path.exists(self.target):
            with opened(self.target, read_only=True):
                return
        check_new(self.target)

    def runs(self, *, all_runs: bool = False) -> pd.DataFrame:
        """List what is held.

        Parameters
        ----------
        all_runs : bool, default False
            Also runs that a later run of the same wave replaced.

        Returns
        -------
        DataFrame
            [run, wave, finished, tables, provenance], in the order of the waves; provenance as a dict.

        Raises
        ------
        DataError
            If there is no history yet.

        Examples
        --------
        >>> import os, tempfile
        >>> import pandas as pd
        >>> import cxmodels as cx
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     history = cx.History(os.path.join(folder, "study.duckdb"))
        ...     _ = history.write(2025, {"scores": pd.DataFrame({"company": ["a"], "index": [73.5]})})
        ...     history.runs()[["run", "wave", "tables"]].values.tolist()
        [[1, '2025', 'scores']]
        """
        with opened(self.target, read_only=True) as store:
            return self._runs(store, all_runs)

    def read(self, name: str, waves: Sequence[Any] | None = None, *, run: int | None = None) -> pd.DataFrame:
        """Read a table back.

        Parameters
        ----------
        name : str
            As written.
        waves : sequence, optional
            Only these.
        run : int, optional
            One run by number, even if a later one replaced it.

        Returns
        -------
        DataFrame
            The frame's columns after ``wave``; waves in order.

        Raises
        ------
        DataError
            If there is no such table, wave or run.
        """
        with opened(self.target, read_only=True) as store:
            runs = self._runs(store, all_runs=run is not None)
            known = sorted({t for tables in runs.tables for t in tables.split(",")})
            if name not in known:
                raise DataError(f"The history has no table '{name}'; it has {listed(known)}.{near(name, known)}")
            wanted = [str(w) for w in waves] if waves is not None else runs.wave.tolist()
            if gone := [w for w in wanted if w not in set(runs.wave)]:
                raise DataError(f"The history has no wave {listed(gone)}; it has {listed(runs.wave)}.")
            chosen = runs[runs.wave.isin(wanted)] if run is None else runs[runs.run == run]
            if chosen.empty:
                raise DataError(f"The history has no run {run}.")
            parts = [store.read(self._table(name), {"run": int(r)}) for r in chosen.run]
        filled = [p for p in parts if len(p)] or parts[:1]
        return pd.concat(filled, ignore_index=True).drop(columns="run")

    def _table(self, name: str) -> str:
        """Name of a frame's table; each study has its own."""
        return f"{''.join(c if c.isalnum() else '_' for c in self.study)}_{name}"

    def _next_run(self, store: Store) -> int:
        """Number of the next run; makes the list of runs the first time."""
        if not store.columns("cx_runs"):
            store.create("cx_runs", RUNS)
            return 1
        return int(store.read("cx_runs")["run"].max() or 0) + 1

    def _runs(self, store: Store, all_runs: bool) -> pd.DataFrame:
        """Runs of this study, by wave."""
        if not store.columns("cx_runs"):
            raise DataError(f"There is no history in {masked(self.target)} yet.")
        runs = store.read("cx_runs", {"study": self.study}).sort_values("run")
        if not all_runs:
            runs = runs.drop_duplicates("wave", keep="last")
        runs = runs.sort_values("wave", key=lambda w: w.map(_order), kind="stable").reset_index(drop=True)
        runs["provenance"] = runs.provenance.map(json.loads)
        return runs.drop(columns="study")


def _order(wave: str) -> tuple[int, float, str]:
    """Waves that are numbers in numeric order, others after them."""
    try:
        return (0, float(wave), wave)
    except ValueError:
        return (1, 0.0, wave)


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame of plain columns: categories and mixed objects as texts, infinities and blanks as missing."""
    out = frame.reset_index() if any(n is not None for n in frame.index.names) else frame.reset_index(drop=True)
    out.columns = [str(c) for c in out.columns]
    for column in out.columns:
        if (kind := kind_of(out[column])) == "text":
            values = out[column].astype(object)
            out[column] = values.where(values.isna(), values.map(str)).where(values.notna(), None)
        elif kind == "number":
            out[column] = out[column].astype(float).replace([np.inf, -np.inf], np.nan)
    return out


def _fit(store: Store, table: str, rows: pd.DataFrame) -> None:
    """Make the table, or give it the columns that are new."""
    found = store.columns(table)
    kinds = {str(c): kind_of(rows[c]) for c in rows}
    if not found:
        store.create(table, kinds)
    for column in (c for c in kinds if found and c not in found):
        store.add(table, column, kinds[column])
