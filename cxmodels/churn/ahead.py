"""What every regression of durations tells of customers: who stays how long, from now on, and how well it was foreseen.

For a customer who stayed until t0 the chance to stay until t0 + h is exp(-(H(t0 + h) - H(t0))), H being the cumulative
hazard. Its uncertainty comes by the delta method from the coefficients and, with Cox, from the baseline too.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError, DataWarning, SpecError
from ..inference import quantile
from ..results import Result
from ..survey.frames import to_pandas
from .durations import Array, Durations, column, excluded_text, left_text, numbers, read_durations, times_of
from .terms import Terms

_CELLS = 2_000_000  # numbers of a gradient held at a time
_GRID = 200  # steps of an area under a curve


@dataclass(frozen=True, repr=False, eq=False, kw_only=True)
class SurvivalResult(Result):
    """A fitted regression of durations.

    Attributes
    ----------
    estimates : DataFrame
        One line per term.
    fit_measures : Series
    covariance : DataFrame
        Of the coefficients.
    n_obs, n_events : int
        Rows used, and how many of them end with leaving.
    excluded : DataFrame
        [reason, rows].
    terms : Terms
        Columns, terms and reference levels.
    level : float
        Confidence level.
    """

    estimates: pd.DataFrame
    fit_measures: pd.Series
    covariance: pd.DataFrame
    n_obs: int
    n_events: int
    excluded: pd.DataFrame
    terms: Terms
    spells: Durations
    spec: Any
    level: float
    name: str
    warnings: tuple[str, ...] = field(default=())
    ends: NDArray[np.bool_] | None = None

    def headline(self) -> list[tuple[str, str]]:
        """Return model, rows and reference levels.

        Returns
        -------
        list of (label, value)
        """
        rows = [
            ("Model", self.name),
            ("Customers", f"{self.n_obs:,}, {left_text(self.spells, self.n_events)}{excluded_text(self.excluded)}"),
        ]
        if self.spells.truncated:
            rows.append(("Watched from later on", f"{int((self.spells.entry > 0).sum()):,} rows (left truncation)"))
        if self.terms.references:
            rows.append(("Compared with", ", ".join(f"{k} = {v}" for k, v in self.terms.references.items())))
        return rows

    def _ending(self: Any) -> list[tuple[str, str]]:
        """The last lines of a headline: what standard errors rest on, and convergence."""
        by = f"robust, by {self.clusters:,} clusters" if self.clusters else "robust"
        said = by if self.spec.robust or self.clusters else "from the information"
        return [("Standard errors", said), ("Converged", "yes" if self.converged else "NO")]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return estimates and fit.

        Returns
        -------
        dict of DataFrame
        """
        return {"Estimates": self.estimates.set_index("term"), "Fit": self.fit_measures.rename("value").to_frame()}

    def survival(self, data: Any, times: Any) -> pd.DataFrame:
        """Foresee the chance to stay until given times, from the start of the relation.

        Parameters
        ----------
        data : frame
            Customers, with the columns of the model.
        times : float or array-like of shape (k,)

        Returns
        -------
        DataFrame
            Index of the data; a column per time. Blank for customers with a blank, and beyond the longest duration watched.
        """
        return self.ahead(data, times, so_far=0.0)

    def ahead(self, data: Any, horizons: Any, *, so_far: Any = 0.0, interval: bool = False) -> pd.DataFrame:
        """Foresee the chance to stay on from now.

        Parameters
        ----------
        data : frame
            Customers who are there, with the columns of the model.
        horizons : float or array-like of shape (k,)
            Time from now.
        so_far : str, float or array-like of shape (n,), default 0
            How long each customer stayed already: a column, a number for all, or numbers.
        interval : bool, default False
            Also standard errors and intervals, symmetric on the log-log scale.

        Returns
        -------
        DataFrame
            Index of the data, a column per horizon. With `interval` long: [customer, horizon, survival, se, ci_lower,
            ci_upper], the customer being the index. Blank beyond what was ever watched.

        Warns
        -----
        DataWarning
            Where customers get no value.
        """
        frame, x, start = self._customers(data, so_far)
        steps = times_of(horizons, "horizons")
        out = np.full((len(frame), len(steps)), np.nan)
        spread = out.copy()
        known = self._known(frame, x, start, steps)
        for rows in _chunks(np.flatnonzero(~np.isnan(x).any(axis=1)), len(steps) * max(x.shape[1], 1)):
            end = start[rows, None] + steps
            change, slope, own = self._hazard(frame.iloc[rows], x[rows], start[rows], end, interval)
            out[rows] = change
            if slope is not None:
                spread[rows] = np.einsum("nmp,pq,nmq->nm", slope, self.covariance.to_numpy(), slope)
                spread[rows] += 0.0 if own is None else own
        out[~known] = np.nan
        if not interval:
            return pd.DataFrame(np.exp(-out), frame.index, pd.Index(steps, name="horizon"))
        with np.errstate(divide="ignore", invalid="ignore"):
            wide = np.where(out > 0, quantile(self.level) * np.sqrt(spread) / out, 0.0)
            ends = np.exp(-out * np.exp(wide)), np.exp(-out * np.exp(-wide))
            se = np.exp(-out) * np.sqrt(spread)
        parts = {
            "survival": np.exp(-out),
            "se": np.where(np.isnan(out), np.nan, se),
            "ci_lower": ends[0],
            "ci_upper": ends[1],
        }
        keys = {"customer": np.repeat(frame.index.to_numpy(), len(steps)), "horizon": np.tile(steps, len(frame))}
        return pd.DataFrame(keys | {k: v.ravel() for k, v in parts.items()})

    def remaining(self, data: Any, until: float, *, so_far: Any = 0.0) -> pd.DataFrame:
        """Foresee how much longer customers stay, within a period from now.

        Parameters
        ----------
        data : frame
        until : float
            Length of the period: the expectation is restricted to it, for nothing is known beyond.
        so_far : str, float or array-like of shape (n,), default 0
            As for :meth:`ahead`.

        Returns
        -------
        DataFrame
            Index of the data: [est, se, ci_lower, ci_upper], the area under the curve from now on, 0 to `until`.
        """
        end = float(times_of(until, "until")[-1])
        if end <= 0:
            raise SpecError(f"until must be above 0, not {until!r}.")
        steps = np.linspace(0, end, _GRID + 1)[1:]
        middle = steps - steps[0] / 2  # each step of a curve counts with its middle
        table, _ = self.weighted(data, middle, np.full(_GRID, steps[0]), so_far=so_far, reach=end)
        return table.assign(ci_lower=table["ci_lower"].clip(0, end), ci_upper=table["ci_upper"].clip(0, end))

    def weighted(
        self,
        data: Any,
        horizons: Array,
        amounts: Array,
        *,
        so_far: Any = 0.0,
        mass: Array | None = None,
        reach: float | None = None,
    ) -> tuple[pd.DataFrame, float]:
        """Sum amounts that come at given times from now if the customer is still there.

        Parameters
        ----------
        data : frame
        horizons : ndarray of shape (k,)
            Time from now of each amount, rising.
        amounts : ndarray of shape (k,) or (n, k)
            What comes then.
        so_far : str, float or array-like of shape (n,), default 0
            As for :meth:`ahead`.
        mass : ndarray of shape (n,), optional
            What each customer counts in the total; default 1.
        reach : float, optional
            Farthest time that must be known; default the last horizon.

        Returns
        -------
        customers : DataFrame
            Index of the data: [est, se, ci_lower, ci_upper]; blank where a horizon is beyond what was ever watched.
        se : float
            Of the total: errors are shared by customers, so that it is no sum of squares.
        """
        frame, x, start = self._customers(data, so_far)
        steps, amounts = np.asarray(horizons, dtype=float), np.asarray(amounts, dtype=float)
        amounts = np.broadcast_to(amounts, (len(frame), len(steps)))
        far = np.array([steps[-1] if reach is None else reach])
        known = self._known(frame, x, start, far)[:, 0]
        mass = np.ones(len(frame)) if mass is None else np.asarray(mass, dtype=float)
        est, var = np.full(len(frame), np.nan), np.full(len(frame), np.nan)
        V, total, turns = self.covariance.to_numpy(), np.zeros(len(self.covariance)), np.zeros(1)
        for rows in _chunks(np.flatnonzero(known & ~np.isnan(x).any(axis=1)), len(steps) * max(x.shape[1], 1)):
            end = start[rows, None] + steps
            change, slope, own = self._hazard(frame.iloc[rows], x[rows], start[rows], end, True)
            flow = amounts[rows] * np.exp(-change)
            est[rows] = flow.sum(axis=1)
            assert slope is not None
            moved = -np.einsum("nm,nmp->np", flow, slope)
            var[rows] = np.einsum("np,pq,nq->n", moved, V, moved)
            total += mass[rows] @ moved
            if own is not None:  # losses of the baseline in each step are independent of those in others
                later = np.cumsum(flow[:, ::-1], axis=1)[:, ::-1]
                var[rows] += (later**2 * np.diff(own, axis=1, prepend=0.0)).sum(axis=1)
                turns = turns + self._turns(frame.iloc[rows], x[rows], start[rows], end, later * mass[rows, None])
        se = np.sqrt(var)
        half = quantile(self.level) * se
        table = pd.DataFrame({"est": est, "se": se, "ci_lower": est - half, "ci_upper": est + half}, frame.index)
        return table, float(np.sqrt(total @ V @ total + self._shared(turns)))

    def evaluate(
        self,
        data: Any,
        event: Any = "event",
        *,
        duration: Any = "duration",
        times: Any = None,
        tau: float | None = None,
    ) -> pd.Series:
        """Judge the model on customers that it has not seen.

        Parameters
        ----------
        data : frame
            Customers with the columns of the model.
        event, duration : str or array-like of shape (n,)
            What became of them.
        times : array-like of shape (k,), optional
            Times of the Brier score; default 20 between the 5 % and 95 % quantiles of their durations.
        tau : float, optional
            End of the period of Uno's concordance; default the last of `times`.

        Returns
        -------
        Series
            harrell, uno (concordance), ibs, ibs_null (the same of a Kaplan-Meier curve of the training rows for
            everybody), n_obs. Weights for censoring come from the training rows; of several rows of one customer from the
            last, which `cluster` tells.

        See Also
        --------
        cxmodels.churn.concordance, cxmodels.churn.survival_brier, cxmodels.churn.survival_calibration
        """
        from .foresight import concordance, survival_brier
        from .survival import KaplanMeier

        frame = to_pandas(data)
        seen = read_durations(frame, event, duration)
        table = frame[seen.used]
        if times is None:
            times = np.unique(np.quantile(seen.time, np.linspace(0.05, 0.95, 20)))
            times = times[times < seen.time.max()]
            if not len(times):
                raise DataError(f"All {seen.n} customers have the same duration, so there is no time to judge at.")
        grid = times_of(times)
        lives = self.spells if self.ends is None else self.spells[self.ends]
        train = (lives.time, lives.event > 0)
        foreseen = self.survival(table, grid).to_numpy()
        risk = self._risk(table, foreseen)
        fine = ~np.isnan(foreseen).any(axis=1) & ~np.isnan(risk)
        if not fine.any():
            raise DataError(f"No customer has a value at all times up to {grid[-1]:g}; choose earlier times.")
        t, e = seen.time[fine], seen.event[fine] > 0
        tau = float(grid[-1]) if tau is None else tau
        own = self.spells
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)  # said by the fit
            null = KaplanMeier().fit(own.time, (own.event > 0).astype(int), entry=own.entry, weights=own.weights)
        flat = np.tile(null.at(grid)["survival"].to_numpy(), (len(t), 1))
        out = {
            "harrell": concordance(t, e, risk[fine]),
            "uno": concordance(t, e, risk[fine], kind="uno", tau=tau, censoring=train),
            "ibs": survival_brier(t, e, foreseen[fine], grid, censoring=train).attrs["integrated"],
            "ibs_null": survival_brier(t, e, flat, grid, censoring=train).attrs["integrated"],
        }
        return pd.Series(out | {"n_obs": float(fine.sum())})

    def calibration(
        self, data: Any, event: Any = "event", *, duration: Any = "duration", horizons: Any, bins: int = 10
    ) -> pd.DataFrame:
        """Compare foreseen with observed leaving by given horizons, on customers that the model has not seen.

        Parameters
        ----------
        data : frame
            Customers with the columns of the model.
        event, duration : str or array-like of shape (n,)
            What became of them.
        horizons : float or array-like of shape (k,)
            Times since the start.
        bins : int, default 10
            Groups along the forecast.

        Returns
        -------
        DataFrame
            See :func:`cxmodels.churn.survival_calibration`.
        """
        from .foresight import survival_calibration

        frame = to_pandas(data)
        seen = read_durations(frame, event, duration)
        grid = times_of(horizons, "horizons")
        foreseen = self.survival(frame[seen.used], grid).to_numpy()
        fine = ~np.isnan(foreseen).any(axis=1)
        if not fine.any():
            raise DataError(f"No customer has a value at all horizons up to {grid[-1]:g}; choose nearer ones.")
        left = (seen.event[fine] > 0).astype(int)
        return survival_calibration(seen.time[fine], left, foreseen[fine], grid, bins=bins, level=self.level)

    # --- what each model tells --------------------------------------------------------------------------------------

    @abstractmethod
    def _hazard(
        self, frame: pd.DataFrame, x: Array, start: Array, end: Array, slope: bool
    ) -> tuple[Array, Array | None, Array | None]:
        """Change of the cumulative hazard from start (n,) to end (n, k), its gradient, and the variance of its baseline."""

    def _turns(self, frame: pd.DataFrame, x: Array, start: Array, end: Array, later: Array) -> Array:
        """How a total hangs on each jump of the baseline, as differences along the event times."""
        return np.zeros(1)

    def _shared(self, turns: Array) -> float:
        """Variance of a total that comes from the baseline."""
        return 0.0

    def _longest(self, frame: pd.DataFrame) -> Array:
        """Time after which nothing is known of each row."""
        return np.full(len(frame), np.inf)

    def _risk(self, frame: pd.DataFrame, foreseen: Array) -> Array:
        """What orders customers from those who stay to those who leave: the mean of the hazards at the times."""
        return -np.log(np.maximum(foreseen, 1e-300)).mean(axis=1)

    # ----------------------------------------------------------------------------------------------------------------

    def _customers(self, data: Any, so_far: Any) -> tuple[pd.DataFrame, Array, Array]:
        """Table, terms and time so far."""
        frame = to_pandas(data)
        if np.isscalar(so_far) and not isinstance(so_far, str):
            start = np.full(len(frame), float(times_of(so_far, "so_far")[0]))
        else:
            start = numbers(column(frame, so_far, "so_far"), "so_far")
            if bad := int((~(start >= 0)).sum()):
                raise DataError(f"so_far is blank or negative for {bad} of {len(start)} customers.")
        return frame, self.terms.matrix(frame, warn=True), start

    def _known(self, frame: pd.DataFrame, x: Array, start: Array, steps: Array) -> NDArray[np.bool_]:
        """Which customers and horizons lie within what was watched."""
        known = start[:, None] + steps <= self._longest(frame)[:, None]
        if over := int((~known.all(axis=1) & ~np.isnan(x).any(axis=1)).sum()):
            warnings.warn(
                f"{over} of {len(frame)} customers are foreseen beyond the longest duration watched and get blanks; "
                "choose a nearer horizon, or WeibullAFT, which goes on by its law.",
                DataWarning,
                stacklevel=4,
            )
        return known


def after(excluded: pd.DataFrame, reasons: Sequence[tuple[str, Any]]) -> tuple[NDArray[np.bool_], pd.DataFrame]:
    """Leave out further rows, and count them by the first reason of each.

    Parameters
    ----------
    excluded : DataFrame
        [reason, rows] so far.
    reasons : sequence of (reason, rows)
        Which of the remaining rows go.

    Returns
    -------
    keep : ndarray of bool
    excluded : DataFrame

    Raises
    ------
    DataError
        If no row is left.
    """
    keep, lines = np.ones(len(reasons[0][1]), dtype=bool), []
    for reason, rows in reasons:
        if count := int((rows & keep).sum()):
            lines.append((reason, count))
        keep &= ~rows
    if not keep.any():
        said = ", ".join(f"{r}: {n}" for r, n in lines)
        raise DataError(f"No row is left ({said}); fill blanks or choose fewer columns.")
    return keep, pd.concat([excluded, pd.DataFrame(lines, columns=["reason", "rows"])], ignore_index=True)


def _chunks(rows: NDArray[np.intp], cells: int) -> Iterator[NDArray[np.intp]]:
    """Rows in parts of bounded memory."""
    size = max(_CELLS // max(cells, 1), 1)
    for i in range(0, len(rows), size):
        yield rows[i : i + size]
