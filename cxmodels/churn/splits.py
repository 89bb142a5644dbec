"""Splits that a churn model can be trusted on: by time with an embargo, or by customer. scikit-learn's protocol.

A split of random rows puts other snapshots of the same customer, and the same months, on both sides, and looks better
than any list that will be mailed. Whoever wants one all the same has scikit-learn's StratifiedKFold.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError, SpecError
from ..resampling import whole_number
from .timeline import DAY, dates, day_text, days, instants, span

Fold = tuple[NDArray[np.intp], NDArray[np.intp]]


class TimeSplit:
    """Train on the past, test on a later snapshot, with nothing of the test's time in the training labels.

    The label of a snapshot t is known at t + horizon. A test at snapshot T trains on the snapshots with
    t + horizon + gap <= T; those between are left out (the embargo). With several tests the origin rolls forward.

    Parameters
    ----------
    as_of : array-like of shape (n,)
        Snapshot of each row.
    horizon : float
        Days of the label's window.
    tests : int or iterable of dates, default 1
        The last so many snapshots that have something to train on, or the snapshots to test.
    gap : float, default 0
        Further days between the end of the training labels and the test, such as the time until tables arrive.
    history : float, optional
        Train on snapshots of the last so many days before the latest that may be used; on all by default.
    customers : array-like of shape (n,), optional
        If given, customers of the test are left out of its training, to judge the model on new ones.

    Attributes
    ----------
    table : DataFrame
        One row per test, [test, train_first, train_last, train_rows, embargoed_rows, test_rows]; embargoed are earlier
        rows left out for any reason.

    Raises
    ------
    DataError
        Dates are blank or no dates, or a test has nothing to train on.
    SpecError
        An argument is out of its range.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodels.churn import TimeSplit
    >>> as_of = pd.date_range("2024-01-31", periods=6, freq="ME").repeat(10)
    >>> split = TimeSplit(as_of, horizon=31, tests=2)
    >>> split.table.drop(columns="train_first")
            test train_last  train_rows  embargoed_rows  test_rows
    0 2024-05-31 2024-04-30          40               0         10
    1 2024-06-30 2024-04-30          40              10         10
    >>> [(len(train), len(test)) for train, test in split.split(range(60))]
    [(40, 10), (40, 10)]
    """

    def __init__(
        self,
        as_of: Any,
        horizon: float,
        *,
        tests: Any = 1,
        gap: float = 0,
        history: float | None = None,
        customers: Any = None,
    ) -> None:
        when = dates(pd.DataFrame({"as_of": _column(as_of)}), "as_of", "rows")
        if not len(when) or np.isnat(when).any():
            raise DataError(f"{int(np.isnat(when).sum())} of {len(when)} rows have no snapshot: leave them out.")
        self._who = None if customers is None else _numbers(customers, len(when), "customers")
        before = span(days(horizon, "horizon")) + span(days(gap, "gap", 0))
        back = None if history is None else span(days(history, "history"))
        known, length = np.unique(when), f"{before / DAY:g}"
        usable = [t for t in known if (known + before <= t).any()]
        if isinstance(tests, (int, np.integer)) and not isinstance(tests, bool):
            if not 1 <= tests <= max(len(usable), 1):
                raise SpecError(
                    f"`tests` is {tests}, but only {len(usable)} of {len(known)} snapshots lie {length} days or more after "
                    "another: ask for fewer."
                )
            chosen = usable[-int(tests) :]
        else:
            chosen = list(instants(tests, "tests"))
        if not chosen:
            raise DataError(
                f"None of the {len(known)} snapshots ({day_text(known[0])} to {day_text(known[-1])}) lies {length} days or more "
                "after another, so training labels would reach into the test: add earlier snapshots."
            )
        self._n, self._folds, rows = len(when), [], []
        for test in chosen:
            tested = when == test
            allowed = when + before <= test
            if not tested.any() or not allowed.any():
                what = "row to test" if not tested.any() else "snapshot whose label ends by then to train on"
                raise DataError(f"The test at {day_text(test)} has no {what}.")
            if back is not None:
                allowed &= when > when[allowed].max() - back
            if self._who is not None:
                allowed &= ~np.isin(self._who, self._who[tested])
                if not allowed.any():
                    raise DataError(
                        f"All customers known before the test at {day_text(test)} are in it: leave `customers` out."
                    )
            fold = np.flatnonzero(allowed), np.flatnonzero(tested)
            self._folds.append(fold)
            used = when[fold[0]]
            rows.append([test, used.min(), used.max(), len(used), int((when < test).sum()) - len(used), len(fold[1])])
        names = ["test", "train_first", "train_last", "train_rows", "embargoed_rows", "test_rows"]
        self.table = pd.DataFrame(rows, columns=names)

    def __repr__(self) -> str:
        return f"TimeSplit({len(self._folds)} tests, {self._n} rows)"

    def split(self, X: Any = None, y: Any = None, groups: Any = None) -> Iterator[Fold]:
        """Give the row numbers of each training and test set.

        Parameters
        ----------
        X : array-like of shape (n, ...), optional
            Only its length is looked at: it must be that of the rows the split was made for.
        y, groups : object
            Ignored.

        Yields
        ------
        train, test : ndarray of int
        """
        _check_rows(X, self._n)
        yield from self._folds

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Number of tests.

        Parameters
        ----------
        X, y, groups : object
            Ignored.

        Returns
        -------
        int
        """
        return len(self._folds)


class CustomerSplit:
    """Folds of whole customers: all rows of a customer are on one side.

    Parameters
    ----------
    customers : array-like of shape (n,)
        Customer of each row.
    folds : int, default 5
    seed : int, default 1
        Shuffles the customers; the order of the rows does not matter.

    Raises
    ------
    DataError
        Customers are blank, or fewer than the folds.
    SpecError
        `folds` or `seed` is out of its range.

    Examples
    --------
    >>> from cxmodels.churn import CustomerSplit
    >>> split = CustomerSplit(["a", "a", "b", "c", "c", "d"], folds=2)
    >>> sorted(len(test) for _, test in split.split(range(6)))
    [2, 4]
    """

    def __init__(self, customers: Any, folds: int = 5, *, seed: int = 1) -> None:
        who = _numbers(customers, None, "customers")
        whole_number("seed", seed, 0)
        self.folds = whole_number("folds", folds, 2)
        count = int(who.max()) + 1 if len(who) else 0
        if count < folds:
            raise DataError(f"There are {count} customers for {folds} folds: ask for fewer folds.")
        self._who, self._seed = who, seed

    def __repr__(self) -> str:
        return f"CustomerSplit({self.folds} folds, {len(self._who)} rows)"

    def split(self, X: Any = None, y: Any = None, groups: Any = None) -> Iterator[Fold]:
        """Give the row numbers of each training and test set.

        Parameters
        ----------
        X : array-like of shape (n, ...), optional
            Only its length is looked at.
        y : array-like of shape (n,), optional
            Labels of two kinds: customers who ever left are then dealt to the folds evenly.
        groups : object
            Ignored.

        Yields
        ------
        train, test : ndarray of int
        """
        _check_rows(X, len(self._who))
        count = int(self._who.max()) + 1
        order = np.random.default_rng(self._seed).permutation(count)
        if y is not None:
            left = pd.factorize(pd.Series(np.asarray(y)), sort=True)[0]
            ever = np.zeros(count)
            np.maximum.at(ever, self._who, left)
            order = order[np.argsort(ever[order], kind="stable")]
        fold = np.empty(count, dtype=int)
        fold[order] = np.arange(count) % self.folds
        for k in range(self.folds):
            tested = fold[self._who] == k
            yield np.flatnonzero(~tested), np.flatnonzero(tested)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Number of folds.

        Parameters
        ----------
        X, y, groups : object
            Ignored.

        Returns
        -------
        int
        """
        return self.folds


def _column(values: Any) -> Any:
    return (
        values.to_numpy()
        if isinstance(values, pd.Series)
        else np.asarray(values)
        if not hasattr(values, "dtype")
        else values
    )


def _numbers(customers: Any, n: int | None, name: str) -> NDArray[np.int64]:
    """Number customers, whatever the order of the rows."""
    values = pd.Series(_column(customers))
    if n is not None and len(values) != n:
        raise DataError(f"There are {len(values)} {name} for {n} rows: give one each.")
    if blank := int(values.isna().sum()):
        raise DataError(f"{blank} of {len(values)} {name} are blank: leave these rows out.")
    return pd.factorize(values, sort=True)[0].astype(np.int64)


def _check_rows(X: Any, n: int) -> None:
    """Raise if the rows are not those that the split was made for."""
    rows = n if X is None else X.shape[0] if hasattr(X, "shape") else len(X)
    if rows != n:
        raise DataError(f"The split was made for {n} rows, these are {rows}: make it from the same rows.")
