"""What a linkage says: the effect naive and corrected, the outcome at a better index, and who answered."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..churn.balance_check import Covariates, differences
from ..resampling import Replicates, intervals, standard_error
from ..results import Result
from .joining import Joined
from .measurement import Measurement
from .statistic import APPROACHES, LinkageStatistic, Point

if TYPE_CHECKING:
    from .effect import Linkage

HOW = {
    "likelihood": "maximum likelihood with the index integrated out",
    "calibration": "regression calibration",
    "simex": "SIMEX, quadratic",
    "none": "none",
}


@dataclass(frozen=True, eq=False, repr=False)
class LinkageResult(Result):
    """Effect of satisfaction on an outcome; made by :meth:`Linkage.fit`.

    Attributes
    ----------
    spec : Linkage
        What was fitted.
    joined : Joined
        Outcomes and answers, with the counts of what was joined.
    statistic : LinkageStatistic
        The estimation as a function of weightings of :attr:`rows`, for a bootstrap over further stages.
    replicates : Replicates
        Its replicates.
    excluded : DataFrame
        Rows left out, [reason, rows].
    level : float
        Confidence level.

    Examples
    --------
    >>> import cxmodels as cx
    >>> tables, _ = cx.datasets.simulate_subscribers(customers=800, months=12, seed=4)
    >>> labels = cx.churn.subscription_labels(tables["subscriptions"], "2023-09-30", 92)
    >>> joined = cx.linkage.join(labels, tables["surveys"], later="leave_out")
    >>> spec = cx.linkage.Linkage("churned", ["satisfaction", "expectations", "ideal"], scale=(1, 10))
    >>> found = spec.fit(joined, bootstrap=5, seed=1)
    >>> found.effects[["est", "se"]].round(3)
                 est     se
    approach
    naive     -0.057  0.015
    weighted  -0.057  0.015
    corrected -0.066  0.018
    """

    spec: Linkage
    joined: Joined
    rows: pd.DataFrame
    measurement: Measurement
    statistic: LinkageStatistic
    point: Point
    replicates: Replicates
    names: tuple[str, ...]
    asked: Covariates | None
    excluded: pd.DataFrame
    level: float
    warnings: tuple[str, ...] = ()

    @property
    def n_obs(self) -> int:
        """Respondents whose outcome is known."""
        return int(self.measurement.answered.sum())

    @property
    def n_base(self) -> int:
        """Rows of the base, respondents or not."""
        return len(self.rows)

    @property
    def reliability(self) -> float:
        """Share of the variance of the observed index that is no error, among the (weighted) respondents."""
        return self.point.reliability

    @cached_property
    def effects(self) -> pd.DataFrame:
        """Effect of one point of the index by approach, [est, se, z, pvalue, ci_lower, ci_upper, ratio].

        ``naive`` takes the answers as they are; ``weighted`` makes up for who answered; ``corrected`` also for the
        error of measurement, and is the one to use. On the scale of the family: log-odds (log-hazard for cloglog), money,
        or logarithm; ``ratio`` is exp(est), the odds, hazard or mean per point (NaN for gaussian).
        """
        k = 2 + len(self.names)
        at = np.array([1, k + 1, 2 * k + 1])
        out = self._table(at, pd.Index(APPROACHES, name="approach"))
        out["ratio"] = np.nan if self.spec.family == "gaussian" else np.exp(out["est"])
        return out

    @cached_property
    def marginal(self) -> pd.DataFrame:
        """Change of the mean outcome per point of the index by approach, [est, se, z, pvalue, ci_lower, ci_upper].

        In shares for 0/1 outcomes (0.004 is 0.4 percentage points), in money for spend, in logarithms for loglinear;
        averaged over the base.
        """
        part = self.statistic.parts()["marginal"]
        return self._table(np.arange(part.start, part.stop), pd.Index(APPROACHES, name="approach"))

    @cached_property
    def estimates(self) -> pd.DataFrame:
        """All terms of the corrected model, index term: [est, se, z, pvalue, ci_lower, ci_upper]."""
        part = self.statistic.parts()["corrected"]
        terms = ["intercept", self.measurement.name, *self.names]
        return self._table(np.arange(part.start, part.stop), pd.Index(terms, name="term"))

    @cached_property
    def gains(self) -> pd.DataFrame:
        """Mean outcome of the base if the true index of everybody rose, index points: [now, then, change, se, ci_lower, ci_upper].

        Standard error and interval are of the change.
        """
        part = self.statistic.parts()["moved"]
        est, reps = self.replicates.estimate[part], self.replicates.values[self.replicates.ok][:, part]
        change, moves = est[1:] - est[0], reps[:, 1:] - reps[:, :1]
        lower, upper = intervals(change, moves, "percentile", self.level)
        columns = {"now": est[0], "then": est[1:], "change": change, "se": standard_error(moves)}
        return pd.DataFrame(
            columns | {"ci_lower": lower, "ci_upper": upper}, index=pd.Index(self.statistic.shifts, name="points")
        )

    @cached_property
    def balance(self) -> pd.DataFrame:
        """Whether the respondents are like the base, [column, base, respondents, weighted, difference, difference_weighted].

        Means, and standardised differences of the respondents from the base before and after weighting; without response
        columns empty.
        """
        names = ["column", "base", "respondents", "weighted", "difference", "difference_weighted"]
        if self.asked is None:
            return pd.DataFrame(columns=names)
        x = self.asked.matrix(self.rows[list(self.spec.response)])
        here = self.measurement.answered
        parts = []
        for w in (np.ones(int(here.sum())), self.point.weights[here]):
            both = np.vstack([x[here], x])
            group = np.arange(len(both)) < here.sum()
            parts.append(differences(both, self.asked.names, group, np.concatenate([w, np.ones(len(x))])))
        plain, weighted = parts
        return pd.DataFrame(
            {
                "column": plain["column"],
                "base": plain["second"],
                "respondents": plain["first"],
                "weighted": weighted["first"],
                "difference": plain["difference"],
                "difference_weighted": weighted["difference"],
            }
        )

    @property
    def weights(self) -> pd.Series:
        """Weight of each row of the base for who answered, mean 1 among the respondents, 0 for the others."""
        w = self.point.weights
        return pd.Series(w / w[self.measurement.answered].mean(), self.rows.index, name="weight")

    def headline(self) -> list[tuple[str, str]]:
        """Outcome, rows, error of measurement, weights.

        Returns
        -------
        list of (label, value)
        """
        s, m = self.spec, self.measurement
        gone = (
            "; left out: " + ", ".join(f"{r.rows} {r.reason}" for r in self.excluded.itertuples())
            if len(self.excluded)
            else ""
        )
        w = self.point.weights[m.answered]
        worth = w.sum() ** 2 / (w**2).sum()
        weighted = f"for {', '.join(s.response)}; worth {worth:.0f} rows" if self.asked is not None else "none"
        error = (
            "not corrected"
            if s.how == "none"
            else f"reliability {self.reliability:.3f} ({m.how}); {HOW[s.how]}"
            if self.point.error > 0
            else "none, as given"
        )
        failed = f", {self.replicates.failed} failed" if self.replicates.failed else ""
        return [
            ("Linkage", f"{s.outcome} by {m.name}, {s.family}"),
            ("Rows", f"{self.n_obs} respondents of a base of {self.n_base}{gone}"),
            ("Error of measurement", error),
            ("Weights for who answered", weighted),
            (
                "Intervals",
                f"{100 * self.level:g}%, {self.replicates.n} bootstrap replicates{failed} of customers, all stages anew",
            ),
        ]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Frames of the summary, by title.

        Returns
        -------
        dict of DataFrame
        """
        out = {
            "Effect of one point": self.effects,
            "Change of the mean outcome per point": self.marginal,
            "If the index of everybody rose": self.gains,
            "Terms": self.estimates,
            "Rows joined": self.joined.counts,
        }
        return out | ({"Respondents and base": self.balance.set_index("column")} if len(self.balance) else {})

    def _table(self, at: Any, index: pd.Index) -> pd.DataFrame:
        """Estimates with their replicates' spread."""
        from scipy.special import ndtr

        est, reps = self.replicates.estimate[at], self.replicates.values[self.replicates.ok][:, at]
        se = standard_error(reps)
        with np.errstate(invalid="ignore", divide="ignore"):
            z = np.where(se > 0, est / se, np.nan)
        lower, upper = intervals(est, reps, "percentile", self.level)
        columns = {"est": est, "se": se, "z": z, "pvalue": 2 * ndtr(-np.abs(z)), "ci_lower": lower, "ci_upper": upper}
        return pd.DataFrame(columns, index=index)
