"""What a caller gives to :class:`cxmodels.Churn`, checked: tables, labels, weights, identifiers, options."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError, DataWarning, described, listed, near
from ..resampling import whole_number

Array = NDArray[np.float64]


def as_frame(model: Any, X: Any, y: Any, *, reset: bool) -> tuple[pd.DataFrame, bool]:
    """The table as a pandas frame with names.

    Parameters
    ----------
    model : Churn
        Gets, or has, the number and the names of the columns.
    X, y : frame or array, and labels
        What the caller gave.
    reset : bool
        Whether this is training.

    Returns
    -------
    frame : DataFrame
    named : bool
        Whether it came with names of columns.

    Raises
    ------
    DataError
        For something that is no table; at training also without labels, rows or columns.
    """
    from sklearn.utils.validation import validate_data

    if X is None or np.isscalar(X) or isinstance(X, os.PathLike):
        raise DataError(
            f"X must be a table (Expected 2D array), not {described(X)}; read a file first, as by pandas.read_csv."
        )
    if hasattr(X, "codebook"):
        raise DataError(f"X must be a table (Expected 2D array), not {described(X)}; give its .frame.")
    if _is_frame(X):
        from ..survey.frames import to_pandas

        frame = to_pandas(X)
        named = all(isinstance(c, str) for c in frame.columns)
        frame.columns = [str(c) for c in frame.columns]
        if reset:
            if y is None:
                raise DataError("Churn requires y to be passed, but the target y is None.")
            if not frame.shape[1]:
                raise DataError(f"The table has 0 feature(s) (shape={frame.shape}) while a minimum of 1 is required.")
            if not len(frame):
                raise DataError("The table has no rows (0 sample(s)); there is nothing to learn from.")
            model.n_features_in_ = frame.shape[1]
            model._names = list(frame.columns)
            if named:
                model.feature_names_in_ = np.array(frame.columns, dtype=object)
            elif hasattr(model, "feature_names_in_"):
                del model.feature_names_in_
        return frame, True
    if reset and y is None:
        raise DataError("Churn requires y to be passed, but the target y is None.")
    try:
        array = validate_data(model, X, reset=reset, dtype=None, ensure_all_finite=False)
    except ValueError as error:
        raise DataError(" ".join(str(error).split())) from None
    if reset:
        model._names = [f"x{j}" for j in range(array.shape[1])]
    frame = pd.DataFrame(array, columns=model._names)
    return (frame.infer_objects() if array.dtype == object else frame), False


def labels_of(y: ArrayLike, n: int) -> NDArray[Any]:
    """Labels as an array without blanks.

    Parameters
    ----------
    y : array-like of shape (n,)
        Labels.
    n : int
        Rows of the table.

    Returns
    -------
    ndarray

    Raises
    ------
    DataError
        For another length, blanks, or infinities.
    """
    from sklearn.utils import column_or_1d

    raw: Any = y
    if isinstance(raw, pd.Series):
        raw = raw.to_numpy(dtype=object) if raw.dtype.kind not in "biuf" else raw.to_numpy()
    if np.isscalar(raw):
        raise DataError(f"y should be a 1d array, one label per row, not {raw!r}; give the column itself.")
    labels = column_or_1d(raw, warn=True)
    if len(labels) != n:
        raise DataError(f"y has {len(labels)} labels for {n} rows; give one each.")
    if blank := int(pd.isna(labels).sum()):
        raise DataError(
            f"Input y contains NaN or blanks ({blank} of {n} labels); leave customers without an outcome out."
        )
    if labels.dtype.kind == "f" and np.isinf(labels).any():
        raise DataError("Input y contains infinity or a value too large for dtype('float64'); give two labels.")
    if (
        labels.dtype == object
        and len({isinstance(v, str) for v in labels.tolist()}) == 1
        and isinstance(labels[0], str)
    ):
        labels = labels.astype(str)
    return labels


def outcome_of(labels: NDArray[Any], min_churners: Any) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """The two labels, and 1 for those who have the second.

    Parameters
    ----------
    labels : ndarray of shape (n,)
        Two labels.
    min_churners : int
        Fewest rows of each, see :class:`cxmodels.Churn`.

    Returns
    -------
    classes : ndarray of shape (2,)
    outcome : ndarray of shape (n,)
        0 or 1.

    Raises
    ------
    DataError
        For one label, more than two, or too few rows of one.
    """
    from sklearn.utils.multiclass import check_classification_targets, type_of_target

    try:
        check_classification_targets(labels)
    except ValueError:
        raise DataError(
            f"Unknown label type: {type_of_target(labels)}: y holds {len(np.unique(labels))} different numbers; "
            "give two labels, who left and who stayed."
        ) from None
    classes, outcome = np.unique(labels, return_inverse=True)
    if len(classes) > 2:
        raise DataError(
            "Only binary classification is supported. The type of the target is "
            f"{type_of_target(labels)}: y holds {len(classes)} labels, {listed(classes[:8].tolist())}."
        )
    count = np.bincount(outcome, minlength=2)
    if len(classes) < 2:
        raise DataError(
            f"y has only one class, '{classes[0]}', in all {len(outcome)} rows; a model needs customers who left and who stayed."
        )
    least = max(2, min(whole_number("min_churners", min_churners, 1), int(np.ceil(len(outcome) / 10))))
    if len(outcome) >= 20 and count.min() < least:
        raise DataError(
            f"Only {count.min()} of {len(outcome)} rows have the label '{classes[count.argmin()]}', fewer than the {least} "
            "that are needed (min_churners); take a longer window or more customers."
        )
    return classes, outcome.reshape(-1)


def audited(
    frame: pd.DataFrame, outcome: NDArray[np.intp], act: bool
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """What the audit says, and which columns are left out for it.

    Parameters
    ----------
    frame : DataFrame
        Training rows.
    outcome : ndarray of shape (n,)
        0 or 1.
    act : bool
        Whether there is to be an audit.

    Returns
    -------
    found : DataFrame
        The audit.
    dropped : DataFrame
        [column, reason].
    beside : list of str
        Duplicates, which may still be parts of totals.

    Raises
    ------
    DataError
        If no column is left.
    """
    if not act:
        empty = pd.DataFrame(columns=["column", "issue", "evidence", "advice", "action"])
        return empty, pd.DataFrame(columns=["column", "reason"]), []
    from .auditing import audit

    found = audit(frame, outcome)
    out = found[found["action"] == "drop"]
    dropped = out.groupby("column", sort=False)["issue"].agg(", ".join).rename("reason").reset_index()
    if len(dropped) == frame.shape[1]:
        raise DataError(
            f"The audit leaves out all {frame.shape[1]} columns ({listed(dropped['column'])}); give others, or set audit=False."
        )
    if len(dropped):
        said = [f"{c} ({r})" for c, r in zip(dropped["column"], dropped["reason"], strict=True)]
        warnings.warn(
            f"Columns left out by the audit: {listed(said)}; see audit_, or set audit=False.",
            DataWarning,
            stacklevel=4,
        )
    return found, dropped, dropped.loc[dropped["reason"] == "duplicate", "column"].tolist()


def column_of(X: Any, name: str) -> Any:
    """A column of a table by its name.

    Parameters
    ----------
    X : frame
        The table.
    name : str
        The column.

    Returns
    -------
    Series

    Raises
    ------
    DataError
        If there is none.
    """
    names = [str(c) for c in getattr(X, "columns", X if isinstance(X, Mapping) else ())]
    if names.count(name) != 1:
        many = "more than one" if name in names else "no"
        raise DataError(f"The table has {many} column '{name}'.{near(name, names)}")
    return X[name]


def check_ids(ids: ArrayLike) -> NDArray[Any]:
    """Check identifiers of customers.

    Parameters
    ----------
    ids : array-like of shape (n,)
        Identifiers.

    Returns
    -------
    ndarray

    Raises
    ------
    DataError
        For one that is missing or stands twice.
    """
    series = pd.Series(np.asarray(ids))
    if blank := int(series.isna().sum()):
        raise DataError(f"{blank} of {len(series)} customers have no identifier; give each one.")
    if (twice := series[series.duplicated()]).size:
        raise DataError(
            f"{len(twice)} identifiers stand more than once, such as {listed(twice.unique()[:3])}; give one row per customer."
        )
    return series.to_numpy()


def weights_of(given: ArrayLike | None, frame: pd.DataFrame) -> Array:
    """Weights as floats that are not negative, not all zero.

    Parameters
    ----------
    given : array-like of shape (n,), optional
        Weights; ones by default.
    frame : DataFrame
        The rows.

    Returns
    -------
    ndarray of shape (n,)
    """
    from sklearn.utils.validation import _check_sample_weight

    try:
        w = _check_sample_weight(given, frame.to_numpy(), dtype=np.float64, ensure_non_negative=True)
    except ValueError as error:
        raise DataError(f"The weights cannot be used: {' '.join(str(error).split())}") from None
    if not w.sum() > 0:
        raise DataError("Sample weights must contain at least one non-zero number.")
    return w


def provenance(frame: pd.DataFrame, outcome: NDArray[np.intp], w: Array, seed: Any) -> dict[str, Any]:
    """Where a model comes from.

    Parameters
    ----------
    frame : DataFrame
        Training rows.
    outcome, w : ndarray of shape (n,)
        Outcomes and weights.
    seed : int
        Seed.

    Returns
    -------
    dict
        version, rows, churn_rate, seed, data_hash.
    """
    import hashlib

    from .. import __version__

    marks = np.sort(pd.util.hash_pandas_object(frame.astype(str).assign(_y=outcome, _w=w), index=False).to_numpy())
    rate = float(w @ outcome / w.sum())
    digest = hashlib.sha256(marks.tobytes()).hexdigest()
    return {"version": __version__, "rows": len(frame), "churn_rate": rate, "seed": seed, "data_hash": digest}


def _is_frame(X: Any) -> bool:
    if hasattr(X, "toarray"):  # sparse, which scikit-learn's own check refuses; one kind of it is a mapping
        return False
    if isinstance(X, pd.DataFrame | Mapping):
        return True
    return not isinstance(X, np.ndarray) and (hasattr(X, "__arrow_c_stream__") or hasattr(X, "__dataframe__"))


def customers_of(groups: ArrayLike | None, used: NDArray[np.bool_]) -> NDArray[np.uint64] | None:
    """A hash of the customer of each row used, or None where customers are not named.

    Parameters
    ----------
    groups : array-like of shape (n,) or None
        As given.
    used : ndarray of bool of shape (n,)
        Which rows are used.

    Returns
    -------
    ndarray of uint64 or None

    Raises
    ------
    DataError
        For a wrong length, blanks, or fewer than two customers.
    """
    if groups is None:
        return None
    labels = pd.Series(np.asarray(groups, dtype=object))
    if len(labels) != len(used):
        raise DataError(f"There are {len(labels)} groups for {len(used)} rows; give the customer of each row.")
    if blank := int(labels.isna().sum()):
        raise DataError(f"The customer is blank in {blank} rows; every row needs one.")
    text = labels[used].astype(str)
    if text.nunique() < 2:
        raise DataError("All rows are of one customer, who cannot be held out.")
    return pd.util.hash_array(text.to_numpy(dtype=object), categorize=False)
