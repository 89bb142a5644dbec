"""What an improvement is worth, as frames: every stage, every attribute, what the answer hangs on, and how sure it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import CxWarning, DataWarning, SpecWarning
from ..resampling import Interval, Replicates, intervals, standard_error
from ..results import Result, picture
from . import sensitivity as hidden
from . import words
from .chain import Chain, Effects
from .tornado import Inputs, share_needed, tornado

if TYPE_CHECKING:
    from ..report.svg import Drawing

Array = NDArray[np.float64]
Number = Callable[[dict[str, Any]], Any]  # of the numbers under one weighting, or many


@dataclass(frozen=True, eq=False, repr=False)
class SatisfactionWorth(Result):
    """The worth of an improvement and of one point of satisfaction; made by :func:`value_of_satisfaction`.

    Attributes
    ----------
    chain : Chain
        All stages as a function of row weightings.
    now : Effects
        The stages between satisfaction and money, in the data themselves.
    replicates : Replicates
        Of the joint bootstrap.
    price : ndarray
        Cost of a point of each attribute.
    budget : float or None
    steps : ndarray
        Budgets of the curve.
    ranges : dict
        Ends of what is assumed.
    interval, level : str, float
    names : tuple
        Columns of the base: identifier, outcome, controls.
    warnings : tuple of str
        What was unusual, as also warned.

    Examples
    --------
    >>> import cxmodels as cx
    >>> base, survey, truth = cx.worth.simulate_worth(800, seed=1)
    >>> fit = cx.Drivers("csi", ["speed", "price"]).fit(survey)
    >>> worth = cx.value_of_satisfaction(
    ...     fit, base, {"speed": 1.0}, customer="customer_id", left="left", margin="margin", costs={"speed": 500.0},
    ...     reliability=0.6, scale=(1, 10), n=10, seed=1,
    ... )
    >>> worth.point.loc[["value"], ["est", "ci_lower", "ci_upper"]].round(0)
                est  ci_lower  ci_upper
    quantity
    value     331.0   -1043.0    3158.0
    >>> worth.paragraph[:40]
    'Moving speed +1 for every respondent (on'
    """

    chain: Chain
    now: Effects
    replicates: Replicates
    price: Array
    budget: float | None
    steps: Array
    ranges: dict[str, tuple[float, float]]
    interval: Interval
    level: float
    names: tuple[str, str, tuple[str, ...]]
    warnings: tuple[str, ...] = ()

    # --- the frames -----------------------------------------------------------------------------------------------

    @cached_property
    def point(self) -> pd.DataFrame:
        """The worth of one point of satisfaction, index quantity: [est, se, ci_lower, ci_upper].

        value (of the whole base), value_per_customer, by_retention and by_spending (its parts), chance_to_leave (change, 0-1) and
        customers_kept (more at the end of the horizon).
        """
        n = self.customers
        rows: dict[Any, Number] = {
            "value": lambda f: f["point"],
            "value_per_customer": lambda f: f["point"] / n,
            "by_retention": lambda f: f["point_retained"],
            "by_spending": lambda f: f["point"] - f["point_retained"],
            "chance_to_leave": lambda f: f["point_chance"] - f["chance"],
            "customers_kept": lambda f: f["point_kept"] - f["kept_now"],
        }
        return self._summed(rows, "quantity")

    @cached_property
    def stages(self) -> pd.DataFrame:
        """Every stage of the chain, [stage, quantity, unit, now, then, change, se, ci_lower, ci_upper] (the last three of the change).

        Stages: attribute (mean rise of those who can follow), satisfaction, retention, spending (with `spend`), value; cost and
        return where the plan costs something.
        """
        f, names, cost = self._found, self.chain.source.names, self.cost
        rows: list[tuple[str, str, str, float, Number]] = [
            ("attribute", names[k], "points", float(self.means[k]), _column("realised", int(k))) for k in self._moved
        ]
        rows += [
            ("satisfaction", self.target, "0-100", f["satisfaction"], _column("points", 0)),
            ("retention", "chance to leave per period", "0-1", f["chance"], lambda d: d["chance_then"] - d["chance"]),
            ("retention", f"customers after {self.horizon} periods", "customers", f["kept_now"], lambda d: d["kept_then"] - d["kept_now"]),
            ("spending", "margin per customer and period", "money", f["margin"], lambda d: d["margin"] * np.expm1(d["spend"] * d["points"][..., 0])),
            ("value", f"of the base over {self.horizon} periods", "money", f["now"], _column("value", 0)),
        ]  # fmt: skip
        if cost > 0:
            rows += [
                ("cost", "now and once", "money", np.nan, lambda d: cost + 0 * d["now"]),
                ("return", "value less cost", "money", np.nan, lambda d: d["value"][..., 0] - cost),
                ("return", "per unit of cost", "ratio", np.nan, lambda d: d["value"][..., 0] / cost - 1),
            ]
        if self.chain.customers.spend is None:
            rows = [row for row in rows if row[0] != "spending"]
        made = self._summed({i: row[4] for i, row in enumerate(rows)}, "row").rename(columns={"est": "change"})
        out = pd.DataFrame([row[:4] for row in rows], columns=["stage", "quantity", "unit", "now"])
        out["then"] = out["now"] + made["change"].to_numpy()
        return pd.concat([out, made.reset_index(drop=True)], axis=1)

    @cached_property
    def effects(self) -> pd.DataFrame:
        """Each rise alone, index attribute: [asked, realised, share_at_end, points, value, se, ci_lower, ci_upper, cost, net, net_per_cost].

        points: of satisfaction, 0-100. The interval is that of the value. Empty where satisfaction itself was raised.
        """
        f, moved, source = self._found, self._moved, self.chain.source
        value = self._summed({k: _column("value", 1 + j) for j, k in enumerate(moved)}, "k")
        asked = self.chain.plans[0][moved]
        top = np.where(asked > 0, source.hi[moved], source.lo[moved])
        x = source.answers[:, moved]
        cost = np.abs(asked) * self.price[moved]
        out = pd.DataFrame(
            {
                "asked": asked, "realised": f["realised"][moved], "share_at_end": np.average(x == top, axis=0, weights=source.case) if len(moved) else [],
                "points": f["points"][1 : 1 + len(moved)], "value": value["est"].to_numpy(), "se": value["se"].to_numpy(),
                "ci_lower": value["ci_lower"].to_numpy(), "ci_upper": value["ci_upper"].to_numpy(), "cost": cost,
            },
            index=pd.Index([source.names[k] for k in moved], name="attribute"),
        )  # fmt: skip
        out["net"] = out["value"] - out["cost"]
        with np.errstate(invalid="ignore", divide="ignore"):
            out["net_per_cost"] = np.where(out["cost"] > 0, out["net"] / out["cost"], np.nan)
        return out

    @cached_property
    def curve(self) -> pd.DataFrame:
        """Return against budget: [budget, points, value, ci_lower, ci_upper, net, net_lower, net_upper, (one column per attribute)].

        Every budget is spent where it raises satisfaction most; empty without costs.
        """
        if not len(self.steps):
            return pd.DataFrame(
                columns=["budget", "points", "value", "ci_lower", "ci_upper", "net", "net_lower", "net_upper"]
            )
        first = 1 + len(self._moved)
        value = self._summed({i: _column("value", first + i) for i in range(len(self.steps))}, "i")
        out = pd.DataFrame(
            {"budget": self.steps, "points": self._found["points"][first:], "value": value["est"].to_numpy()}
        )
        for end in ("ci_lower", "ci_upper"):
            out[end] = value[end].to_numpy()
        out["net"] = out["value"] - out["budget"]
        out["net_lower"], out["net_upper"] = out["ci_lower"] - out["budget"], out["ci_upper"] - out["budget"]
        sold = np.flatnonzero(self.price > 0)
        rises = pd.DataFrame(self.chain.plans[first:][:, sold], columns=[self.chain.source.names[k] for k in sold])
        return pd.concat([out, rises], axis=1)

    @cached_property
    def linkage(self) -> pd.DataFrame:
        """What ties the stages, index quantity: [est, se, ci_lower, ci_upper].

        log_odds_to_leave and log_spend are per point of satisfaction, corrected for error of measurement; ``_uncorrected`` per
        point of the score as it was measured. reliability: of the score, and beyond the controls. satisfaction: mean and sd of
        the base.
        """
        named = {
            "log_odds_to_leave": "effect", "log_odds_to_leave_uncorrected": "naive", "log_spend": "spend",
            "log_spend_uncorrected": "spend_naive", "reliability": "reliability", "reliability_beyond_controls": "within",
            "satisfaction": "satisfaction", "satisfaction_sd": "sd",
        }  # fmt: skip
        keep = {k: v for k, v in named.items() if self.chain.customers.spend is not None or "spend" not in k}
        return self._summed({k: _named(v) for k, v in keep.items()}, "quantity")

    @cached_property
    def tornado(self) -> pd.DataFrame:
        """What the answer hangs on, the most important first: [input, low, high, at_low, at_high, range].

        Every stage at the ends of its interval and every assumption at the ends of its range, all else as estimated; the answer
        is value less cost.
        """
        frame = self.linkage
        own = self._summed({"points": _column("points", 0), "chance": _named("chance")}, "input")
        frame = pd.concat([own, frame.rename(index={"log_odds_to_leave": "effect", "log_spend": "spend"})])
        stages = ["points", "effect", "spend", "chance"] if len(self._moved) else ["effect", "spend", "chance"]
        low, high = frame["ci_lower"].to_dict(), frame["ci_upper"].to_dict()
        ends = {k: (float(low[k]), float(high[k])) for k in stages if k in low}
        skip = {"cost"} if not self.cost else set()
        return tornado(self._inputs, ends | {k: v for k, v in self.ranges.items() if k not in skip})

    @cached_property
    def sensitivity(self) -> pd.DataFrame:
        """How strong a hidden common cause of satisfaction and leaving would have to be, index measure: [value, reading].

        E-values (VanderWeele and Ding 2017) are for a difference of one standard deviation of satisfaction. Robustness values
        (Cinelli and Hazlett 2020) are for the linear regression of leaving on score and controls among respondents, unweighted.
        """
        c, inside = self.chain.customers, self.chain.customers.link
        score = self.chain.source.measure(np.ones((1, len(c.unit)))).scores[0]
        place = c.unit[inside]
        t, df = hidden.partial_t(c.left[place], np.column_stack([c.x[place], score[inside]]))
        link = self.linkage.to_dict("index")
        est, sd, chance = link["log_odds_to_leave"], link["satisfaction_sd"]["est"], self._found["chance"]
        ratio = hidden.risk_ratio(float(np.exp(est["est"] * sd)), chance)
        near = est["ci_upper"] if est["est"] < 0 else est["ci_lower"]
        crosses = est["ci_lower"] <= 0 <= est["ci_upper"]
        limit = 1.0 if crosses else hidden.risk_ratio(float(np.exp(near * sd)), chance)
        rows = [
            ("risk_ratio", ratio, f"of leaving, for {sd:.1f} points more of satisfaction (one standard deviation)"),
            ("e_value", hidden.e_value(ratio), "risk ratio a hidden cause needs with both, to explain all of it away"),
            ("e_value_limit", hidden.e_value(limit), f"the same, to move the {self.level:.0%} interval to no effect"),
            ("partial_r2", t**2 / (t**2 + df), "share of the residual variance of leaving that the score explains"),
            ("robustness", hidden.robustness_value(t, df), "share of the residual variance of both that a hidden cause needs, to explain all of it away"),
            ("robustness_limit", hidden.robustness_value(t, df, level=self.level), f"the same, to move the {self.level:.0%} interval to no effect"),
        ]  # fmt: skip
        if self.cost > 0 and self._found["value"][0] > 0:
            share = share_needed(self._inputs)
            said = "share of the associations with leaving and spending that must be cause for the value to reach the cost"
            rows.append(("share_needed", share, said))
            if share < 1:
                told = "robustness, to bring the return to zero"
                rows.append(("robustness_return", hidden.robustness_value(t, df, q=1 - share), told))
        return pd.DataFrame(rows, columns=["measure", "value", "reading"]).set_index("measure")

    @property
    def plan(self) -> pd.Series:
        """Rises of the attributes, in points: those asked for, or those of the best plan."""
        source = self.chain.source
        return pd.Series(self.chain.plans[0][self._moved], [source.names[k] for k in self._moved], name="rise")

    @property
    def matched(self) -> pd.DataFrame:
        """How many respondents were found in the base, [what, rows]."""
        return self.chain.customers.matched

    @property
    def excluded(self) -> pd.DataFrame:
        """Customers of the base left out, [reason, rows]; a row with two reasons counts in both."""
        return self.chain.customers.excluded

    # --- numbers --------------------------------------------------------------------------------------------------

    @property
    def n_obs(self) -> int:
        """Respondents behind the effect on retention."""
        return len(self.chain.customers.link)

    @property
    def customers(self) -> int:
        """Customers in the base."""
        return self.chain.customers.n

    @property
    def horizon(self) -> int:
        """Periods counted."""
        return self.chain.terms.horizon

    @property
    def target(self) -> str:
        """What is called satisfaction."""
        return self.chain.source.target

    @property
    def cost(self) -> float:
        """Cost of the plan."""
        return float(np.abs(self.chain.plans[0]) @ self.price)

    @cached_property
    def means(self) -> Array:
        """Mean of each attribute among respondents, by case weight."""
        x, w = self.chain.source.answers, self.chain.source.case[:, None]
        seen = np.isfinite(x)
        return np.asarray((np.where(seen, x, 0.0) * w).sum(axis=0) / (seen * w).sum(axis=0))

    @property
    def final(self) -> dict[str, Any]:
        """The line of :attr:`stages` that is the answer: return, or value where nothing was paid."""
        frame = self.stages
        return {
            str(k): v for k, v in frame[frame["stage"] == ("return" if self.cost > 0 else "value")].iloc[0].items()
        }

    @property
    def paragraph(self) -> str:
        """The answer in plain words."""
        return words.paragraph(self)

    # --- display --------------------------------------------------------------------------------------------------

    def headline(self) -> list[tuple[str, str]]:
        """What is raised, the worth of a point, the return, and on whom it rests.

        Returns
        -------
        list of (label, value)
        """
        return words.headline(self)

    def tables(self) -> dict[str, pd.DataFrame]:
        """Frames of the summary, by title.

        Returns
        -------
        dict of DataFrame
        """
        out = {"One point of satisfaction": self.point, "The chain": self.stages}
        if len(self.effects):
            out["Each rise alone"] = self.effects
        out |= {"What ties the stages": self.linkage, "What the answer hangs on": self.tornado}
        out["A hidden common cause"] = self.sensitivity
        out["Respondents and customers"] = self.matched.set_index("what")
        if len(self.excluded):
            out["Customers left out"] = self.excluded.set_index("reason")
        return out

    def plot(self, kind: str = "chain", **options: Any) -> Drawing:
        """Draw the answer.

        Parameters
        ----------
        kind : {"chain", "waterfall", "tornado", "curve", "linkage"}, default "chain"
            The stages one after another; how the rises add up to the return; what the answer hangs on; return against budget;
            effects with and without correction.
        **options
            title, width, words, id of the picture; ``language="uk"`` for its words in Ukrainian, as ``"ru"`` and ``"bg"``.

        Returns
        -------
        Drawing
            SVG text that a notebook shows; ``.write("worth.svg")`` saves it.

        Raises
        ------
        SpecError
            For an unknown kind, or a curve without costs.

        Examples
        --------
        >>> import cxmodels as cx
        >>> base, survey, truth = cx.worth.simulate_worth(800, seed=1)
        >>> fit = cx.Drivers("csi", ["speed", "price"]).fit(survey)
        >>> worth = cx.value_of_satisfaction(
        ...     fit, base, {"speed": 1.0}, customer="customer_id", left="left", margin="margin", costs={"speed": 500.0},
        ...     reliability=0.6, scale=(1, 10), n=10, seed=1,
        ... )
        >>> drawing = worth.plot("tornado")
        >>> drawing[:4]
        '<svg'
        >>> _ = drawing.write("tornado.svg")  # doctest: +SKIP
        """
        return picture("worth", self, which=kind, **options)

    def remarks(self) -> list[tuple[type[CxWarning], str]]:
        """What is unusual about the estimates.

        Returns
        -------
        list of (class of warning, text)
        """
        f, out = self._found, list[tuple[type[CxWarning], str]]()
        if f["effect"] >= 0:
            text = f"In these data satisfaction does not go with staying (log-odds to leave per point {f['effect']:+.4f}); a rise is worth nothing by retention."
            out.append((DataWarning, text))
        if (then := float(f["satisfaction"] + f["points"][0])) > 100:
            text = f"The plan carries mean satisfaction from {f['satisfaction']:.1f} to {then:.1f}, beyond the end of 0-100; ask for less."
            out.append((SpecWarning, text))
        if self.horizon == 1:
            text = "A horizon of 1 counts the first margin only, which is paid before anybody leaves; retention is worth nothing in it."
            out.append((SpecWarning, text))
        if self.budget is not None and not len(self._moved):
            text = f"No plan within the budget of {self.budget:,.0f} brings more than it costs; nothing is bought."
            out.append((SpecWarning, text))
        return out

    # --- parts ----------------------------------------------------------------------------------------------------

    @cached_property
    def _found(self) -> dict[str, Any]:
        found = self.chain.read(self.replicates.estimate)
        return {k: float(v) if np.ndim(v) == 0 else v for k, v in found.items()}

    @cached_property
    def _drawn(self) -> dict[str, Any]:
        return self.chain.read(self.replicates.values[self.replicates.ok])

    @cached_property
    def _jack(self) -> dict[str, Any] | None:
        return None if self.replicates.jack is None else self.chain.read(self.replicates.jack)

    @property
    def _moved(self) -> NDArray[np.intp]:
        return np.flatnonzero(self.chain.plans[0])

    @cached_property
    def _inputs(self) -> Inputs:
        f = self._found
        return Inputs(self.now, self.chain.terms, float(f["points"][0]), self.cost)

    def _summed(self, rows: dict[Any, Number], name: str) -> pd.DataFrame:
        """Estimates, standard errors and intervals of functions of the numbers of a weighting."""
        index = pd.Index(list(rows), name=name)
        if not rows:
            return pd.DataFrame(columns=["est", "se", "ci_lower", "ci_upper"], index=index, dtype=float)
        est, reps = self._each(rows, self._found)[0], self._each(rows, self._drawn)
        jack = None if self._jack is None else self._each(rows, self._jack)
        lower, upper = intervals(est, reps, self.interval, self.level, jack=jack)
        return pd.DataFrame(
            {"est": est, "se": standard_error(reps), "ci_lower": lower, "ci_upper": upper}, index=index
        )

    def _each(self, rows: dict[Any, Number], found: dict[str, Any]) -> Array:
        return np.column_stack([np.atleast_1d(of(found)) for of in rows.values()])


def _column(name: str, k: int) -> Number:
    """One entry of a vector among the numbers."""
    return lambda found: found[name][..., k]


def _named(name: str) -> Number:
    """One of the numbers."""
    return lambda found: found[name]
