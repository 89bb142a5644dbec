"""Scoring a Parquet file into a Parquet file, chunk by chunk: the memory it takes does not grow with the file.

Text stays as dictionary codes from the file to the look-up, each distinct value is read once per chunk, and chunks are
worked on in threads. A row's score is the same alone, in any chunk and in `predict_proba`.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError, SpecError, listed, near
from ..files import needed, replacing
from ..resampling import whole_number
from .encoding import Column, Table, check_columns, derive, is_blank, match, parsed
from .scorer import Scorer, probability

if TYPE_CHECKING:
    from .estimator import Churn

Array = NDArray[np.float64]
CHUNK = 131_072


@dataclass(frozen=True, eq=False)
class ScoreReport:
    """What scoring a file did.

    Parameters
    ----------
    rows : int
        Customers scored.
    mean : float
        Mean probability of leaving.
    flags : DataFrame
        [column, flag, rows, done]: values that could not be used as they are.
    path : str
        File written.
    """

    rows: int
    mean: float
    flags: pd.DataFrame
    path: str


def score_file(
    model: Churn | str | os.PathLike[str],
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    ids: str = "customer_id",
    chunk: int = CHUNK,
    intervals: bool = False,
    flags: bool = True,
    n_jobs: int = -1,
) -> ScoreReport:
    """Score a Parquet file into another, with flat memory.

    Parameters
    ----------
    model : Churn or path
        Fitted, or the file that :meth:`cxmodels.Churn.save` wrote.
    source : str or path
        Parquet file with the columns that the model needs, in any order, others beside them.
    target : str or path
        Parquet file to write: [customer_id, p_churn, (p_low, p_high,) flags]. Written whole or not at all.
    ids : str, default "customer_id"
        Column of identifiers, which must be unique.
    chunk : int, default 131072
        Rows at a time.
    intervals : bool, default False
        Also p_low and p_high, which takes as many models as there were folds.
    flags : bool, default True
        Also the flags of each row.
    n_jobs : int, default -1
        Chunks at a time, in threads; -1 for all processors.

    Returns
    -------
    ScoreReport

    Raises
    ------
    DataError
        For a file that is empty or cannot be read, a missing column, identifiers that are missing or stand twice.

    Examples
    --------
    >>> import tempfile
    >>> import cxmodels as cx
    >>> telco = cx.datasets.load("telco").head(2000)
    >>> model = cx.Churn(candidates=["linear"]).fit(telco.drop(columns="churn"), telco["churn"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     telco.rename_axis("customer_id").reset_index().to_parquet(f"{folder}/in.parquet")
    ...     report = cx.churn.score_file(model, f"{folder}/in.parquet", f"{folder}/out.parquet")
    >>> report.rows
    2000
    """
    pa, pq = needed("pyarrow", "store"), needed("pyarrow.parquet", "store")
    if isinstance(model, str | os.PathLike):
        from .saved import load

        model = load(model)
    scorer = model._scorer_of()
    whole_number("chunk", chunk, 1)
    if Path(source).resolve() == Path(target).resolve():
        raise SpecError(f"'{target}' is the file that is read; write to another one.")
    job = _Job(scorer, ids, model.level if intervals else None, flags)
    workers = (os.cpu_count() or 1) if n_jobs < 1 else n_jobs
    rows, total = 0, 0.0
    counts: dict[tuple[str, str], int] = {}
    with replacing(Path(target), "scores") as draft:
        with (
            _opened(source, job) as file,
            ThreadPoolExecutor(workers) as pool,
            pq.ParquetWriter(draft, job.schema(file.schema_arrow), use_dictionary=["flags"]) as writer,
        ):
            keys = np.empty(file.metadata.num_rows, dtype=np.uint64)
            batches = _batches(file, source, chunk, job.columns)
            for done in _ordered(pool, job, batches, workers + 2):
                writer.write_batch(pa.RecordBatch.from_arrays(done.arrays, schema=writer.schema))
                keys[rows : rows + done.rows] = done.keys
                rows, total = rows + done.rows, total + done.total
                for key, number in done.counts.items():
                    counts[key] = counts.get(key, 0) + number
        _check_unique(keys, ids)
    from .encoding import FLAGS

    found = [(column, flag, number, FLAGS[flag]) for (column, flag), number in sorted(counts.items())]
    table = pd.DataFrame(found, columns=["column", "flag", "rows", "done"])
    return ScoreReport(rows, total / rows, table, str(target))


@dataclass(frozen=True, eq=False)
class _Done:
    """One chunk scored."""

    arrays: list[Any]
    rows: int
    total: float
    keys: NDArray[np.uint64]
    counts: dict[tuple[str, str], int]


@dataclass(frozen=True, eq=False)
class _Job:
    """What is done to each chunk."""

    scorer: Scorer
    ids: str
    level: float | None
    flags: bool

    @property
    def columns(self) -> list[str]:
        """Columns read from the file."""
        return list(dict.fromkeys([self.ids, *(c.name for c in self.scorer.needed if not c.how)]))

    def schema(self, source: Any) -> Any:
        """Schema of the file written."""
        import pyarrow as pa

        kind = source.field(self.ids).type
        fields = [
            ("customer_id", kind.value_type if pa.types.is_dictionary(kind) else kind),
            ("p_churn", pa.float64()),
        ]
        if self.level is not None:
            fields += [("p_low", pa.float64()), ("p_high", pa.float64())]
        if self.flags:
            fields.append(("flags", pa.dictionary(pa.int32(), pa.string())))
        return pa.schema(fields)

    def __call__(self, batch: Any) -> _Done:
        """Score one chunk."""
        import pyarrow as pa

        ids = batch.column(self.ids)
        if pa.types.is_dictionary(ids.type):
            ids = ids.dictionary_decode()
        if ids.null_count:
            raise DataError(
                f"{ids.null_count} rows have no identifier in column '{self.ids}'; give each customer one."
            )
        table = read_arrow(batch, self.scorer)
        p = probability(self.scorer.logits(table))
        arrays = [ids, pa.array(p)]
        if self.level is not None:
            arrays += [pa.array(bound) for bound in self.scorer.interval(table, self.level)]
        if self.flags:
            state, texts = table.combined()
            arrays.append(pa.DictionaryArray.from_arrays(pa.array(state, pa.int32()), pa.array(texts)))
        counts = {(column, flag): len(rows) for column, flag, rows in table.flags}
        return _Done(arrays, len(p), float(p.sum()), hashed(ids), counts)


def read_arrow(batch: Any, scorer: Scorer) -> Table:
    """Read a record batch as :func:`cxmodels.churn.encoding.read` reads a frame.

    Parameters
    ----------
    batch : pyarrow.RecordBatch
        Rows.
    scorer : Scorer
        The model.

    Returns
    -------
    Table
    """
    found: dict[str, NDArray[Any]] = {}
    flags: list[tuple[str, str, NDArray[np.intp]]] = []
    for column in scorer.needed:
        if column.how:
            found[column.name] = derive(column.how, [found[p] for p in column.parts])
            continue
        array = batch.column(column.name)
        found[column.name], marked = _numbers(array, column) if column.kind == "number" else _levels(array, column)
        flags += [(column.name, flag, np.flatnonzero(m)) for flag, m in marked.items() if m is not None and m.any()]
    return Table([found[c.name] for c in scorer.features], flags)


def _numbers(array: Any, column: Column) -> tuple[Array, dict[str, NDArray[np.bool_] | None]]:
    """Floats, NaN for what is no finite number."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = None
    kind = array.type
    if pa.types.is_temporal(kind):
        series = array.to_pandas()
        from .encoding import _numbers as from_series

        x, marked = from_series(pd.Series(series))
        return x, {**marked, "out of range": (x < column.low) | (x > column.high)}
    if (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_decimal(kind)
    ):
        x = _floats(array if pa.types.is_floating(kind) else pc.cast(array, pa.float64(), safe=False))
        blank = np.isnan(x)
    else:
        code, values = _dictionary(array)
        numbers = np.append(parsed(values, column.truth), np.nan)
        empty = np.append([is_blank(v) for v in values], True).astype(bool)
        x, blank = numbers[code], empty[code]
        text = np.isnan(x) & ~blank
    infinite = np.isinf(x)
    if infinite.any():
        x = np.where(infinite, np.nan, x)
    beyond = (x < column.low) | (x > column.high)
    return x, {"blank": blank, "not a number": text, "infinite": infinite, "out of range": beyond}


def _levels(array: Any, column: Column) -> tuple[NDArray[Any], dict[str, NDArray[np.bool_] | None]]:
    """Codes of a category."""
    code, values = _dictionary(array)
    number, blank, unseen = match(values, column.levels)
    if column.pooled:
        number[unseen] = column.size - 1
    marked: dict[str, NDArray[np.bool_] | None] = {
        "blank": blank[code] if (blank[:-1].any() or array.null_count) else None,
        "unseen": unseen[code] if unseen.any() else None,
    }
    return number[code], marked


def _dictionary(array: Any) -> tuple[NDArray[np.intp], list[Any]]:
    """Place of each value among the distinct ones, -1 for null."""
    import pyarrow as pa

    coded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
    places = coded.indices
    if places.null_count:
        places = places.fill_null(-1)
    return places.to_numpy(zero_copy_only=False), coded.dictionary.to_pylist()


def _floats(array: Any) -> Array:
    return np.asarray(array.to_numpy(zero_copy_only=False), dtype=np.float64)


def hashed(ids: Any) -> NDArray[np.uint64]:
    """A 64-bit number per identifier: itself where it is a whole number, else a hash of its bytes.

    Parameters
    ----------
    ids : pyarrow.Array
        Identifiers without nulls.

    Returns
    -------
    ndarray of uint64
    """
    import pyarrow as pa

    if pa.types.is_integer(ids.type):
        return ids.to_numpy(zero_copy_only=False).astype(np.uint64)
    if not (pa.types.is_string(ids.type) or pa.types.is_large_string(ids.type)):
        return pd.util.hash_array(np.asarray(ids.to_numpy(zero_copy_only=False)))
    wide = pa.types.is_large_string(ids.type)
    offsets = np.frombuffer(ids.buffers()[1], np.int64 if wide else np.int32)[ids.offset : ids.offset + len(ids) + 1]
    length = np.diff(offsets).astype(np.intp)
    if not len(length) or not length.max():
        return np.zeros(len(length), dtype=np.uint64)
    data = np.frombuffer(ids.buffers()[2], np.uint8)[offsets[0] : offsets[-1]]
    factor = pd.util.hash_array(np.arange(1, int(length.max()) + 1)) | np.uint64(1)
    if (length == length[0]).all():
        out = np.zeros(len(length), dtype=np.uint64)
        for k, byte in enumerate(data.reshape(len(length), -1).T):
            out += (byte.astype(np.uint64) + np.uint64(1)) * factor[k]
        return pd.util.hash_array(out)
    start = np.repeat(offsets[:-1] - offsets[0], length)
    value = (data.astype(np.uint64) + np.uint64(1)) * factor[np.arange(len(data)) - start]
    out = np.concatenate([[np.uint64(0)], np.cumsum(value, dtype=np.uint64)])
    return pd.util.hash_array(out[offsets[1:] - offsets[0]] - out[offsets[:-1] - offsets[0]])


def _check_unique(keys: NDArray[np.uint64], ids: str) -> None:
    """Say how many identifiers stand more than once; numbers that only rise need no sorting."""
    if (keys[1:] > keys[:-1]).all():
        return
    keys.sort()
    if twice := int((keys[1:] == keys[:-1]).sum()):
        raise DataError(f"{twice} identifiers stand more than once in column '{ids}'; give one row per customer.")


def _batches(file: Any, source: str | os.PathLike[str], chunk: int, columns: list[str]) -> Iterator[Any]:
    """Chunks of the file; damage beyond its head shows only here."""
    import pyarrow as pa

    try:
        yield from file.iter_batches(batch_size=chunk, columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"'{source}' is damaged: {str(error).splitlines()[0]}") from None


def _opened(source: str | os.PathLike[str], job: _Job) -> Any:
    """The file, checked: readable, not empty, with all columns; text of the model as dictionaries."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(source)
    except FileNotFoundError:
        raise DataError(f"There is no file '{source}'.") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"'{source}' cannot be read as Parquet: {str(error).splitlines()[0]}") from None
    schema, rows = file.schema_arrow, file.metadata.num_rows
    try:
        check_columns(schema.names, job.scorer.needed)
        if job.ids not in schema.names:
            raise DataError(
                f"Column '{job.ids}' with the identifiers is not in the file; name it, ids=....{near(job.ids, schema.names)}"
            )
        if repeated := sorted({n for n in job.columns if schema.names.count(n) > 1}):
            raise DataError(f"Column {listed(repeated)} stands more than once in the file; keep one of each name.")
        if not rows:
            raise DataError(f"'{source}' has no rows; there is nothing to score.")
    finally:
        file.close()
    text = [
        c.name
        for c in job.scorer.needed
        if not c.how
        and (pa.types.is_string(schema.field(c.name).type) or pa.types.is_large_string(schema.field(c.name).type))
    ]
    return pq.ParquetFile(source, read_dictionary=text, pre_buffer=False)


def _ordered(pool: ThreadPoolExecutor, job: _Job, batches: Iterator[Any], ahead: int) -> Iterator[_Done]:
    """Chunks scored in their order, a few at a time in the air."""
    waiting: deque[Future[_Done]] = deque()
    try:
        for batch in batches:
            waiting.append(pool.submit(job, batch))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
