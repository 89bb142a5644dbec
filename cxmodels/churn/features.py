"""What was known of each customer at each snapshot: a declarative list of features, built from dated tables.

Every table is joined as of the snapshot: only rows dated at or before it are used, however late the file was made.
Rows dated later than all snapshots of their customer are counted, never used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from ..errors import DataError, SpecError, listed, near
from ..results import Result
from .labels import Labels
from .sources import KEYS, Look, attributes, dated
from .splits import TimeSplit
from .steps import Attributes, Latest, Recency, Stat, Step, Trend, Window, lengths, names_of, one_of
from .timeline import day_text, days, table
from .windows import COUNTS, MEASURES, STATS

# Inside the class `table` and `days` are arguments.
_table, _days = table, days


@dataclass(frozen=True, eq=False, repr=False)
class FeatureTable(Result):
    """Features of customers at snapshots; made by :meth:`Features.build`.

    Attributes
    ----------
    frame : DataFrame
        The snapshots in their order, with one more column per feature.
    features : tuple of str
        Names of these columns.
    coverage : DataFrame
        One row per dated table, [table, date, first, last, rows, customers, with_rows, short]: span and number of the rows
        used; customers looked at, and those with a row by then; snapshots whose longest window begins before the table
        does, so that it holds fewer days than its name says.
    excluded : DataFrame
        Rows never used, [table, reason, rows].

    Examples
    --------
    >>> import pandas as pd
    >>> import cxmodels as cx
    >>> table = pd.DataFrame({"customer_id": ["a", "b", "c"], "start": ["2024-01-05"] * 3, "end": ["2024-04-10", None, None]})
    >>> labels = cx.churn.subscription_labels(table, "2024-03-31", 30, observed_until="2024-06-30")
    >>> usage = pd.DataFrame({"customer_id": ["a", "a", "b"], "date": ["2024-03-01", "2024-03-25", "2024-03-30"], "minutes": [5, 7, 9]})
    >>> built = cx.churn.Features().window("usage", "minutes", days=30, stats="sum").build(labels, {"usage": usage})
    >>> X, left = built.training()
    >>> X.assign(left=left)
       usage_minutes_sum_30d  left
    0                    7.0     1
    1                    9.0     0
    2                    0.0     0
    """

    frame: pd.DataFrame
    features: tuple[str, ...]
    coverage: pd.DataFrame
    excluded: pd.DataFrame

    @property
    def n_obs(self) -> int:
        """Snapshots of customers."""
        return len(self.frame)

    @property
    def X(self) -> pd.DataFrame:
        """The features alone."""
        return self.frame[list(self.features)]

    def training(self) -> tuple[pd.DataFrame, pd.Series]:
        """Return features and labels of the rows whose label is known.

        Returns
        -------
        X : DataFrame
        y : Series of int
            1 left, 0 stayed.

        Raises
        ------
        DataError
            The snapshots have no labels.
        """
        if "churned" not in self.frame:
            raise DataError("The snapshots have no column 'churned': build the features from labels.")
        known = self.frame["churned"].notna()
        return self.X[known], self.frame.loc[known, "churned"].astype(int)

    def time_split(self, tests: Any = 1, **options: Any) -> TimeSplit:
        """Split the rows of :meth:`training` by time.

        Parameters
        ----------
        tests : int or iterable of dates, default 1
            The last so many snapshots, or which.
        **options
            ``gap`` and ``history`` of :class:`TimeSplit`.

        Returns
        -------
        TimeSplit
            With the horizon of the labels as embargo.

        Raises
        ------
        DataError
            The snapshots have no labels, or nothing to train on.

        Examples
        --------
        >>> import pandas as pd
        >>> import cxmodels as cx
        >>> tables, _ = cx.datasets.simulate_subscribers(customers=200, months=24, seed=1)
        >>> days = pd.date_range("2023-06-30", "2024-06-30", freq="QE")
        >>> labels = cx.churn.subscription_labels(tables["subscriptions"], days, 91)
        >>> built = cx.churn.Features().recency("tickets").build(labels, tables)
        >>> fit, last = next(iter(built.time_split(tests=1).split()))
        >>> len(fit) > len(last)
        True
        """
        X, _ = self.training()
        rows = self.frame.loc[X.index]
        return TimeSplit(rows["as_of_date"], float(rows["horizon_days"].max()), tests=tests, **options)

    def headline(self) -> list[tuple[str, str]]:
        """Say how many rows and features there are and what was left out.

        Returns
        -------
        list of (label, value)
        """
        when = self.frame["as_of_date"]
        span = f"{day_text(when.min())} to {day_text(when.max())}" if when.nunique() > 1 else day_text(when.min())
        rows = [
            ("Rows", f"{self.n_obs} ({self.frame['customer_id'].nunique()} customers, as of {span})"),
            ("Features", str(len(self.features))),
        ]
        return rows + [
            ("Never used", f"{r.rows} rows of '{r.table}': {r.reason}") for r in self.excluded.itertuples()
        ]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Give what each table covered.

        Returns
        -------
        dict of DataFrame
        """
        return {"Coverage": self.coverage}


@dataclass(frozen=True)
class Features:
    """A list of features, told table by table; each verb returns a new list with one step more.

    Feature names say what they are: ``usage_minutes_sum_30d``, ``tickets_count_90d``, ``survey_satisfaction``,
    ``survey_age_days``. A window of d days is (t - d, t]. Customers without a row have counts and sums of 0 and blank
    means, extremes and ages.

    Parameters
    ----------
    steps : tuple, default ()
        What to compute, in this order; the verbs below add to it, so that it is rarely given.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodels.churn import Features
    >>> usage = pd.DataFrame(
    ...     {"customer_id": ["a", "a", "a"], "date": ["2024-01-10", "2024-01-30", "2024-02-02"], "minutes": [60, 20, 99]}
    ... )
    >>> snapshots = pd.DataFrame({"customer_id": ["a", "b"], "as_of_date": "2024-01-31"})
    >>> spec = Features().window("usage", "minutes", days=(7, 30), stats=("count", "sum")).recency("usage")
    >>> built = spec.build(snapshots, {"usage": usage})
    >>> built.X.T
                            0    1
    usage_count_7d        1.0  0.0
    usage_minutes_sum_7d 20.0  0.0
    usage_count_30d       2.0  0.0
    usage_minutes_sum_30d 80.0 0.0
    usage_days_since_last  1.0  NaN
    >>> built.excluded.values.tolist()
    [['usage', 'dated after every snapshot of the customer', 1]]
    """

    steps: tuple[Step, ...] = field(default=())

    def window(
        self,
        table: str,
        columns: str | Iterable[str] = (),
        *,
        days: float | Iterable[float] = (7, 30, 90),
        stats: Stat | Iterable[Stat] = ("count", "sum", "mean"),
        date: str = "date",
        prefix: str | None = None,
    ) -> Features:
        """Add statistics of the last days.

        Parameters
        ----------
        table : str
            Name of the table.
        columns : str or iterable of str, optional
            Numbers to summarise; none for counts of rows only.
        days : float or iterable of float, default (7, 30, 90)
            Lengths of the windows.
        stats : str or iterable of str, default ("count", "sum", "mean")
            ``count`` of rows and ``days`` with rows, for the table; ``sum``, ``mean``, ``min``, ``max``, ``std`` (n - 1)
            of each column, blanks left aside.
        date : str, default "date"
            Column that says when a row became known.
        prefix : str, optional
            Begins the names; the name of the table by default.

        Returns
        -------
        Features

        Raises
        ------
        SpecError
            An option is unknown.
        """
        return self._windows(table, columns, lengths(days), stats, date, prefix)

    def total(
        self,
        table: str,
        columns: str | Iterable[str] = (),
        *,
        stats: Stat | Iterable[Stat] = ("count", "sum"),
        date: str = "date",
        prefix: str | None = None,
    ) -> Features:
        """Add statistics of all rows up to the snapshot.

        Parameters
        ----------
        table, columns, stats, date, prefix
            As for :meth:`window`.

        Returns
        -------
        Features
        """
        return self._windows(table, columns, (None,), stats, date, prefix)

    def trend(
        self,
        table: str,
        columns: str | Iterable[str],
        *,
        days: float | Iterable[float] = 30,
        measures: str | Iterable[str] = ("ratio",),
        date: str = "date",
        prefix: str | None = None,
    ) -> Features:
        """Add the change from one window to the next.

        Parameters
        ----------
        table : str
        columns : str or iterable of str
        days : float or iterable of float, default 30
            Length d: the last d days are compared with the d days before.
        measures : str or iterable of str, default ("ratio",)
            ``change``: sum of the last window less the sum of the earlier one; ``ratio``: the one over the other, blank
            where the earlier is 0; ``slope``: least-squares slope per day of the values over both windows, blank with
            values at fewer than two instants.
        date : str, default "date"
        prefix : str, optional

        Returns
        -------
        Features

        Raises
        ------
        SpecError
            An option is unknown.

        Examples
        --------
        >>> import pandas as pd
        >>> import cxmodels as cx
        >>> table = pd.DataFrame({"customer_id": ["a", "b", "c"], "start": ["2024-01-05"] * 3, "end": ["2024-04-10", None, None]})
        >>> labels = cx.churn.subscription_labels(table, "2024-03-31", 30, observed_until="2024-06-30")
        >>> usage = pd.DataFrame({"customer_id": ["a", "a", "b"], "date": ["2024-03-01", "2024-03-25", "2024-03-30"], "minutes": [5, 7, 9]})
        >>> spec = cx.churn.Features().total("usage", "minutes", stats="sum").trend("usage", "minutes", days=10).latest("usage", "minutes")
        >>> spec.build(labels, {"usage": usage}).X.round(2).T
                                    0    1    2
        usage_minutes_sum_total  12.0  9.0  0.0
        usage_minutes_ratio_10d   NaN  NaN  NaN
        usage_minutes             7.0  9.0  NaN
        usage_age_days            6.0  1.0  NaN
        """
        chosen = names_of(columns)
        if not chosen:
            raise SpecError(f"The trend of table '{table}' names no column: say which numbers to follow.")
        step = Trend(table, chosen, date, lengths(days), one_of("measures", measures, MEASURES), prefix or table)
        return self._with(step)

    def recency(self, table: str, *, first: bool = False, date: str = "date", prefix: str | None = None) -> Features:
        """Add the days since the last row.

        Parameters
        ----------
        table : str
        first : bool, default False
            Also the days since the first row, such as the time as a customer.
        date : str, default "date"
        prefix : str, optional

        Returns
        -------
        Features
        """
        return self._with(Recency(table, date, first, prefix or table))

    def latest(
        self,
        table: str,
        columns: str | Iterable[str],
        *,
        date: str = "date",
        max_age: float | None = None,
        prefix: str | None = None,
    ) -> Features:
        """Add the latest known values, such as survey answers or index scores, and their age in days.

        A row in which all the columns are blank is no answer and is passed over. Of several rows at one instant, numbers
        are averaged and the last text in sorted order is taken. Scores of a model that was fitted to later surveys
        know a little of these through its weights: fit it to surveys before the first snapshot, or say so.

        Parameters
        ----------
        table : str
        columns : str or iterable of str
            Numbers or text.
        date : str, default "date"
        max_age : float, optional
            Values older than so many days are blank; the age stands.
        prefix : str, optional

        Returns
        -------
        Features
        """
        chosen = names_of(columns)
        if not chosen:
            raise SpecError(f"The latest values of table '{table}' name no column: say which.")
        age = None if max_age is None else _days(max_age, "max_age", 0)
        return self._with(Latest(table, chosen, date, age, prefix or table))

    def attributes(self, table: str, columns: str | Iterable[str], *, prefix: str | None = None) -> Features:
        """Add columns of a table with one row per customer and no date.

        They are taken as they stand in the table, so they must not change after the snapshot: a region does, a status
        does not qualify. :func:`audit` looks for what slips through.

        Parameters
        ----------
        table : str
        columns : str or iterable of str
        prefix : str, optional
            Begins the names, with an underscore; nothing by default.

        Returns
        -------
        Features

        Examples
        --------
        >>> import pandas as pd
        >>> import cxmodels as cx
        >>> table = pd.DataFrame({"customer_id": ["a", "b", "c"], "start": ["2024-01-05"] * 3, "end": ["2024-04-10", None, None]})
        >>> labels = cx.churn.subscription_labels(table, "2024-03-31", 30, observed_until="2024-06-30")
        >>> plans = pd.DataFrame({"customer_id": ["a", "b", "c"], "plan": ["basic", "plus", "plus"]})
        >>> cx.churn.Features().attributes("plans", "plan").build(labels, {"plans": plans}).X
            plan
        0  basic
        1   plus
        2   plus
        """
        return self._with(Attributes(table, names_of(columns), f"{prefix}_" if prefix else ""))

    def build(
        self, snapshots: Labels | Any, tables: Mapping[str, Any], *, customer: str = "customer_id"
    ) -> FeatureTable:
        """Compute the features of each customer at each snapshot.

        Parameters
        ----------
        snapshots : Labels or frame
            With the columns ``customer_id`` and ``as_of_date``; others are kept.
        tables : mapping of str to frame
            The tables by name.
        customer : str, default "customer_id"
            Name of the customer's column in the tables.

        Returns
        -------
        FeatureTable
            The same numbers whatever the order of the rows.

        Raises
        ------
        SpecError
            A table is not given, or two features have one name.
        DataError
            A column is missing or of the wrong kind, a customer is twice at one snapshot, or ids are text in one table
            and numbers in another.
        """
        if not self.steps:
            raise SpecError("No features are asked for: add some, such as Features().recency('usage').")
        tables = dict(tables)
        for step in self.steps:
            if step.table not in tables:
                hint = near(step.table, tables) or f" There are {listed(tables)}."
                raise SpecError(f"Table '{step.table}' is not given.{hint}")
        frame = snapshots.frame if isinstance(snapshots, Labels) else _table(snapshots, "snapshots", KEYS)
        look = Look.at(frame)
        groups: dict[Any, list[Step]] = {}
        for step in self.steps:
            groups.setdefault(_source(step), []).append(step)
        sources = {
            key: dated(steps, tables[key[0]], look, customer) for key, steps in groups.items() if key[1] is not None
        }
        made: dict[str, Any] = {}
        excluded = [row for source in sources.values() for row in source.excluded]
        for step in self.steps:
            if isinstance(step, Attributes):
                columns, strange = attributes(step, tables[step.table], look, customer)
                excluded += strange
            else:
                source = sources[_source(step)]
                columns = step.compute(source.rows, source.frame)
            if taken := [name for name in columns if name in made or name in frame]:
                raise SpecError(f"Two columns are called {listed(taken)}: give one of the steps another prefix.")
            made |= columns
        built = pd.DataFrame({name: pd.Series(values)[look.back].array for name, values in made.items()})
        joined = pd.concat([frame.reset_index(drop=True), built], axis=1)
        joined["as_of_date"] = pd.Series(look.when)[look.back].array
        coverage = pd.DataFrame([source.coverage for source in sources.values()])
        return FeatureTable(
            joined, tuple(made), coverage, pd.DataFrame(excluded, columns=["table", "reason", "rows"])
        )

    def _windows(
        self, name: str, columns: Any, spans: tuple[float | None, ...], stats: Any, date: str, prefix: str | None
    ) -> Features:
        """Add a window step; statistics of columns need columns."""
        chosen, wanted = names_of(columns), one_of("stats", stats, COUNTS + STATS)
        if not chosen and not (set(wanted) & set(COUNTS)):
            raise SpecError(f"The window of table '{name}' names no column for {listed(wanted)}: say which numbers.")
        return self._with(Window(name, chosen, date, spans, wanted, prefix or name))

    def _with(self, step: Step) -> Features:
        return Features((*self.steps, step))


def _source(step: Step) -> tuple[Any, ...]:
    """Steps on one table and date share its rows; the latest answers leave out rows that answer nothing."""
    return (step.table, step.date, step.columns if isinstance(step, Latest) else None)
