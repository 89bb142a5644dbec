"""The door for tables: any frame that narwhals knows, or a dict of arrays, becomes pandas."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataError

_ACCEPTED = "a pandas, polars or pyarrow table, any other frame narwhals supports, or a dict of columns"
# Before pandas 3 a shallow copy shares its values with the caller's frame.
_DEEP = int(pd.__version__.split(".")[0]) < 3


def to_pandas(data: Any) -> pd.DataFrame:
    """Return a pandas frame that no later change of the caller's reaches."""
    if isinstance(data, pd.DataFrame):
        if data.columns.nlevels > 1:
            raise DataError(f"The data have {data.columns.nlevels} levels of column names: join them to one.")
        return data.copy(deep=_DEEP)
    if isinstance(data, Mapping):
        return _from_columns(data)
    if isinstance(data, np.ndarray):
        raise DataError("An array has no column names: wrap it, pandas.DataFrame(array, columns=[...]).")
    return _from_narwhals(data)


def _from_columns(data: Mapping[str, Any]) -> pd.DataFrame:
    try:
        return pd.DataFrame(dict(data))
    except (ValueError, TypeError):
        sizes = {name: len(column) if np.ndim(column) == 1 else "no 1-D array" for name, column in data.items()}
        said = ", ".join(f"'{name}': {size}" for name, size in list(sizes.items())[:8])
        raise DataError(f"The columns of the data must be 1-D arrays of one length; they are {said}.") from None


def _from_narwhals(data: Any) -> pd.DataFrame:
    import narwhals as nw

    try:
        frame = nw.from_native(data)
    except TypeError:
        hint = " To read a file use cxmodels.read_survey." if isinstance(data, str | os.PathLike) else ""
        raise DataError(f"Data must be {_ACCEPTED}, not of type {type(data).__name__}.{hint}") from None
    if isinstance(frame, nw.LazyFrame):
        # Polars would want pyarrow to become pandas, duckdb to become anything else.
        frame = frame.collect() if frame.implementation.is_polars() else frame.collect("pandas")
    if frame.implementation.is_pandas_like():
        return to_pandas(frame.to_pandas())
    return pd.DataFrame({name: _column(frame[name]) for name in frame.columns}, columns=frame.columns)


def _column(series: Any) -> Any:
    """One column as an array: numbers fast and with NaN for null, the rest by value (needs no pyarrow)."""
    if series.dtype.is_decimal():
        import narwhals as nw

        series = series.cast(nw.Float64)
    return series.to_numpy() if series.dtype.is_numeric() else pd.Series(series.to_list())
