"""What an annual benchmark study says: units, the levels above them, and how all of it changed, as tidy frames."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..errors import SpecError, listed, near
from ..history import History
from ..inference import quantile
from ..results import Result
from . import comparison
from .hierarchy import WHOLE, aggregate_scores
from .ranks import rank_table
from .rates import aggregate_outcomes, outcomes
from .result import IndexResult

if TYPE_CHECKING:
    from .annual import Benchmark

RATES = ["measure", "value", "se", "ci_lower", "ci_upper", "n"]


@dataclass(frozen=True, eq=False, repr=False)
class BenchmarkResult(Result):
    """Indices of the units of a benchmark study and of all levels above them; made by :meth:`Benchmark.fit`.

    Every frame is tidy, begins with ``wave``, and is computed when first read. A unit's column is called as in the
    data, ``result.by``, such as ``company``; where units and higher levels share a frame, ``level`` says which level a
    line is of (``company``, ``industry``, ``sector``, ``nation``) and ``name`` which of them.

    Attributes
    ----------
    plan : Benchmark
        What was asked for: model, levels, weights, rules for small units.
    waves : dict of wave to IndexResult
        The units of each wave in order, small ones treated by the rules.
    facts : DataFrame
        [wave, unit, levels..., weights..., rows, n, source], a line per unit measured: where it belongs, what it weighs,
        its rows, the rows used, and where its numbers come from: "own", or "pooled" (index weights and impacts of
        its group's model, means of its own answers).
    rules : DataFrame
        [wave, unit, (lowest level), rows, rule, detail], a line wherever a rule touched a unit: "others" (put together with
        the small ones of its group), "pool", "shrink", "skip", "exclude". Empty if no rule applied.
    skipped : DataFrame
        [wave, unit, rows, reason]: units without numbers, by a rule or because nothing could be estimated.
    fieldwork : DataFrame
        [wave, level, name, rows, used, effective_n, design_effect, blank]: interviews of every unit and of the whole, rows
        used, what they are worth under their weights by Kish's 1 + CV², and the share of blank answers.
    left_out : DataFrame
        [wave, reason, rows] of rows that belong to no unit or wave that is measured, or were excluded by name.
    seed : int
        Of the bootstrap.
    notes : tuple of str
        What was read, joined or left out on the way.
    sources : mapping
        What is known of the data: hash, rows.
    title, name, subtitle, language : str
        For the report: heading, folder name, language of labels.
    labels : mapping
        Constructs as shown.

    Examples
    --------
    >>> import cxmodels as cx
    >>> data, _ = cx.datasets.simulate_study(companies=4, respondents=60, seed=3)
    >>> plan = cx.acsi.Benchmark(levels=["industry", "nation"], wave="year")
    >>> result = plan.fit(cx.Survey(data, weights="weight"), bootstrap=0)
    >>> result.aggregates.query("level == 'nation' and construct == 'Satisfaction'")[["wave", "index", "se"]].round(1)
        wave  index   se
    9   2024   74.4  1.2
    21  2025   75.2  1.4
    >>> sorted(result.unit("Company 1"))[:3]
    ['changes', 'explained', 'facts']
    >>> result.keep(cx.History("nation.duckdb", "nation"))  # doctest: +SKIP
    """

    plan: Benchmark
    waves: Mapping[Any, IndexResult]
    facts: pd.DataFrame
    rules: pd.DataFrame
    skipped: pd.DataFrame
    fieldwork: pd.DataFrame
    left_out: pd.DataFrame
    seed: Any = None
    notes: tuple[str, ...] = ()
    sources: Mapping[str, Any] = field(default_factory=dict)
    title: str = "Benchmark study"
    name: str = "benchmark"
    subtitle: str = ""
    language: str = "en"
    labels: Mapping[str, Any] = field(default_factory=dict)

    # --- names ----------------------------------------------------------------------------------------------

    @property
    def by(self) -> str:
        """Column that names a unit."""
        return self.plan.by

    @property
    def levels(self) -> tuple[str, ...]:
        """Levels above the units, from the lowest up."""
        return self.plan.above

    @property
    def last(self) -> Any:
        """The latest wave."""
        return list(self.waves)[-1]

    @property
    def pairs(self) -> tuple[tuple[Any, Any], ...]:
        """Waves that are compared, (earlier, later): each with the one before it."""
        return tuple(pairwise(self.waves))

    @property
    def target(self) -> str:
        """Headline construct."""
        return str(self.plan.index.model.target)

    @property
    def constructs(self) -> tuple[str, ...]:
        """Constructs of the model."""
        return tuple(self.plan.index.model.measures)

    @property
    def level(self) -> float:
        """Confidence level of all intervals."""
        return next(iter(self.waves.values())).level

    # --- the frames -----------------------------------------------------------------------------------------

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Indices of units, [wave, unit, construct, index, se, ci_lower, ci_upper, se_bootstrap, n, source, direct].

        ``source`` is "own", "pooled", or "shrunk" where a small unit was drawn to the mean of its group; ``direct`` is
        the index before that, and the same as ``index`` elsewhere. Aggregates, changes and ranks rest on direct
        indices and their standard errors: those are unbiased, and independent of one another.
        """
        scores = self._by_wave(lambda r: r.scores)
        scores = scores.merge(self.facts[["wave", self.by, "source"]], on=["wave", self.by], how="left")
        scores["direct"] = scores["index"]
        drawn = self._drawn()
        if not len(drawn):
            return scores
        found = self.shrunk.merge(drawn, on=["wave", self.by])
        return _replaced(scores, found, ["wave", self.by, "construct"], ["index", "se", "ci_lower", "ci_upper"])

    @cached_property
    def impacts(self) -> pd.DataFrame:
        """Effects between indices, [wave, unit, driver, target, impact, se, ci_lower, ci_upper, source].

        Points of the target per point of the driver. By "pooled" they are those of the group's model; by "shrunk"
        they were drawn to the mean of the group.
        """
        impacts = self._by_wave(lambda r: r.impacts)
        impacts = impacts.merge(self.facts[["wave", self.by, "source"]], on=["wave", self.by], how="left")
        drawn = self._drawn()
        if not len(drawn):
            return impacts
        found = self.shrunk_impacts.merge(drawn, on=["wave", self.by])
        return _replaced(
            impacts, found, ["wave", self.by, "driver", "target"], ["impact", "se", "ci_lower", "ci_upper"]
        )

    @cached_property
    def aggregates(self) -> pd.DataFrame:
        """Indices above the units, [wave, level, name, construct, index, se, ci_lower, ci_upper, units, n]."""
        if not self.levels:
            return pd.DataFrame(columns=["wave", "level", "name", "construct", *_MEASURES])
        return self._by_wave(lambda r: r.aggregate(self.levels, self.plan.weights))

    @cached_property
    def standings(self) -> pd.DataFrame:
        """Indices of units and of all levels above in one frame, [wave, level, name, construct, index, se, ..., n].

        Units with their direct index; ``units`` is 1 for them.
        """
        own = self._by_wave(lambda r: r.scores).rename(columns={self.by: "name"})
        own = own.assign(level=self.by, units=1)[["wave", "level", "name", "construct", *_MEASURES]]
        return pd.concat([part for part in (own, self.aggregates) if len(part)], ignore_index=True)

    @cached_property
    def changes(self) -> pd.DataFrame:
        """Changes from each wave to the next of units and of all levels above them.

        [wave, previous_wave, level, name, construct, previous, index, change, se, z, pvalue, pvalue_adjusted, detectable, flag]:
        p-values are adjusted within level and construct by the plan's `adjust`; ``flag`` is "up" or "down" where the
        adjusted one is below 1 - level, else "same"; ``detectable`` is the smallest true change that a single test
        would have found with a power of 80 %.
        """
        parts = []
        for then, now in self.pairs:
            found = self._changed(then, now)
            found.insert(0, "wave", [now] * len(found))
            found.insert(1, "previous_wave", [then] * len(found))
            parts.append(found)
        if not parts:
            return pd.DataFrame(columns=["wave", "previous_wave", "level", "name", "construct", *_CHANGES, "flag"])
        out = pd.concat(parts, ignore_index=True)
        clear = out["pvalue_adjusted"] < 1 - self.level
        return out.assign(
            flag=np.select([clear & (out.change > 0), clear & (out.change < 0)], ["up", "down"], "same")
        )

    @cached_property
    def ranks(self) -> pd.DataFrame:
        """Ranks by the headline index, of every level inside each level above it.

        [wave, level, name, within, inside, index, se, n, rank, rank_lower, rank_upper, group], best first: ``level`` is
        ranked among its like ``inside`` a group of the level ``within``, such as companies within their industry or
        within the nation. ``group`` numbers the tie groups: units of one group do not differ significantly from
        its first; see :func:`cxmodels.acsi.ranks.rank_table`.
        """
        table = self.standings[self.standings["construct"] == self.target]
        homes = self._homes()
        parts = []
        chain = [self.by, *self.levels]
        for at, level in enumerate(chain):
            for within in [*chain[at + 1 :], *([WHOLE] if WHOLE not in chain else [])]:
                parts += self._ranked(table[table["level"] == level], homes, level, within)
        names = ["wave", "level", "name", "within", "inside", "index", "se", "n"]
        return pd.concat(parts, ignore_index=True)[[*names, "rank", "rank_lower", "rank_upper", "group"]]

    @cached_property
    def shrunk(self) -> pd.DataFrame:
        """Empirical-Bayes indices of all units, drawn to the mean of the lowest level (Fay and Herriot 1979).

        [wave, unit, (lowest level), construct, index, se, ci_lower, ci_upper, direct, share, n]; see
        :func:`cxmodels.acsi.shrinkage.shrink`. Empty where no group has two units.
        """
        names = [self.by, *([self._lowest] if self._lowest else []), "construct"]
        empty = pd.DataFrame(columns=[*names, "index", "se", "ci_lower", "ci_upper", "direct", "share", "n"])
        return self._by_wave(lambda r: r.shrunk(self._lowest) if self._paired(r) else empty)

    @cached_property
    def shrunk_impacts(self) -> pd.DataFrame:
        """Empirical-Bayes impacts of all units, drawn to the mean of the lowest level, like :attr:`shrunk`.

        [wave, unit, (lowest level), driver, target, impact, se, ci_lower, ci_upper, direct, share]. Empty without
        standard errors of impacts, as for PLS without a bootstrap.
        """
        return self._by_wave(partial(comparison.shrunk_impacts, within=self._lowest))

    @cached_property
    def explained(self) -> pd.DataFrame:
        """Why units' headline index changed, [wave, previous_wave, unit, target, driver, part, est, se, ci_lower, ci_upper].

        ``part``: "driver" (its index moved), "impact" (its effect moved), "rest", "change" (the sum); see
        :meth:`IndexResult.explain_change`. Association, not proof of cause.
        """
        parts = []
        drivers = any(outcome == self.target for _, outcome in self.plan.index.model.paths)
        for then, now in self.pairs if drivers else ():
            if not self._alike(then, now):
                continue
            found = self.waves[now].explain_change(self.waves[then])
            found.insert(0, "wave", [now] * len(found))
            found.insert(1, "previous_wave", [then] * len(found))
            parts.append(found)
        names = ["target", "driver", "part", "est", "se", "ci_lower", "ci_upper"]
        empty = pd.DataFrame(columns=["wave", "previous_wave", self.by, *names])
        return pd.concat(parts, ignore_index=True) if parts else empty

    @cached_property
    def rates(self) -> pd.DataFrame:
        """Shares of the model's yes/no questions, [wave, level, name, measure, value, se, ci_lower, ci_upper, n].

        On 0-1, such as the share of customers who complained; levels above by the weights of the plan.
        """
        own = self._by_wave(lambda r: r.rates).rename(columns={self.by: "name"})
        if own.empty:
            return pd.DataFrame(columns=["wave", "level", "name", *RATES])
        own.insert(1, "level", self.by)
        return pd.concat([own, *self._rates_above()], ignore_index=True)[["wave", "level", "name", *RATES]]

    @cached_property
    def outcomes(self) -> pd.DataFrame:
        """What satisfaction leads to: complaints, retention, price tolerance, where the survey asked.

        [wave, level, name, measure, scale, value, se, ci_lower, ci_upper, n], ``scale`` being what the value counts; see
        :func:`cxmodels.acsi.rates.outcomes`. Levels above by the weights of the plan.
        """
        names = ["level", "name", "measure", "scale", *RATES[1:]]
        asked = [*self.plan.index.model.rates.values(), "repurchase", "tolerance_up"]
        if not any(c in r.survey.frame for r in self.waves.values() for c in asked):
            return pd.DataFrame(columns=["wave", *names])
        own = self._by_wave(outcomes).rename(columns={self.by: "name"}).assign(level=self.by)
        parts = [own[["wave", *names]]]
        if self.levels:
            above = self._by_wave(lambda r: aggregate_outcomes(r, self.levels, self.plan.weights))
            parts.append(above[["wave", *names]])
        return pd.concat(parts, ignore_index=True)

    @cached_property
    def weights(self) -> pd.DataFrame:
        """Share of each item in its index, [wave, unit, construct, item, weight]; sums to one per construct."""
        return self._by_wave(lambda r: r.weights)

    @cached_property
    def quality(self) -> pd.DataFrame:
        """Measurement quality, [wave, unit, construct, alpha, ..., converged], as :attr:`IndexResult.quality`."""
        return self._by_wave(lambda r: r.quality)

    @cached_property
    def excluded(self) -> pd.DataFrame:
        """Rows left out, [wave, reason, rows]; no wave for rows that name none."""
        parts = [self.left_out, self._by_wave(lambda r: r.excluded)]
        return pd.concat([p for p in parts if len(p)] or parts[:1], ignore_index=True)

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """What it takes to get the same numbers again: data hash, options, seed, versions."""
        from ..provenance import versions

        first = next(iter(self.waves.values()))
        drawn = next((r.n for w in self.waves.values() for r in w.replicates.values()), 0)
        failed = sum(r.failed for w in self.waves.values() for r in w.replicates.values())
        return {
            **self.sources,
            "waves": [str(w) for w in self.waves],
            "rows_used": self.n_obs,
            "rows_excluded": int(self.excluded["rows"].sum()),
            "options": self.plan.options(),
            "bootstrap": {
                "replicates": drawn,
                "failed": failed,
                "seed": self.seed,
                "interval": first.interval,
                "level": first.level,
            },
            "versions": versions(),
        }

    @cached_property
    def frames(self) -> dict[str, pd.DataFrame]:
        """All tidy tables, by file name."""
        names = (
            "scores", "impacts", "aggregates", "changes", "ranks", "shrunk", "explained", "rates", "outcomes", "weights", "facts",
            "rules", "skipped", "excluded", "fieldwork",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}

    # --- looking things up ----------------------------------------------------------------------------------

    def unit(self, name: Any, wave: Any = None) -> dict[str, pd.DataFrame]:
        """Return what every frame says about one unit.

        Parameters
        ----------
        name : object
            The unit, such as a company.
        wave : object, optional
            By default all waves.

        Returns
        -------
        dict of DataFrame
            By frame name; frames that say nothing about the unit are left out.

        Raises
        ------
        SpecError
            If there is no such unit or wave.
        """
        known = self.facts[self.by].unique()
        if name not in set(known):
            raise SpecError(f"There is no {self.by} '{name}'.{near(str(name), map(str, known))}")
        if wave is not None and wave not in self.waves:
            raise SpecError(f"There is no wave '{wave}'; there are {listed(self.waves)}.")
        out = {}
        for title, frame in self.frames.items():
            if self.by in frame:
                mine = frame[self.by] == name
            elif "level" in frame:
                mine = (frame["level"] == self.by) & (frame["name"] == name)
            else:
                continue
            if wave is not None:
                mine &= frame["wave"] == wave
            if mine.any():
                out[title] = frame[mine].reset_index(drop=True)
        return out

    def keep(
        self, history: History | str | os.PathLike[str], progress: Callable[[str, int, int], None] | None = None
    ) -> None:
        """Write every wave into a history, each in one transaction; a wave held there before is replaced.

        Parameters
        ----------
        history : History or path
            A path or URL makes a history of the study's name.
        progress : callable, optional
            ``progress(stage, done, total)``.

        Raises
        ------
        DataError
            If the history cannot be written; waves written before stay.
        """
        target = history if isinstance(history, History) else History(history, self.name)
        for done, wave in enumerate(self.waves, 1):
            last = wave == self.last
            frames = {}
            for name, frame in self.frames.items():
                own = (frame["wave"] == wave) | (frame["wave"].isna() & last)  # rows of no wave go with the last one
                if own.any():
                    frames[name] = frame[own].drop(columns="wave")
            target.write(wave, frames, {**self.provenance, "title": self.title})
            if progress is not None:
                progress("history", done, len(self.waves))

    # --- what it is -----------------------------------------------------------------------------------------

    @property
    def n_obs(self) -> int:
        """Rows used, over all waves."""
        return sum(r.n_obs for r in self.waves.values())

    @property
    def converged(self) -> bool:
        """Whether every unit's model settled."""
        return all(r.converged for r in self.waves.values())

    @property
    def proper(self) -> bool:
        """Whether all estimates are such as the model allows."""
        return all(r.proper for r in self.waves.values())

    @property
    def warnings(self) -> tuple[str, ...]:  # type: ignore[override]
        """What was unusual, over all waves."""
        own = [f"{wave}: {text}" for wave, r in self.waves.items() for text in r.warnings]
        return (*self.notes, *own)

    def headline(self) -> list[tuple[str, str]]:
        """The whole's index in the last wave and its change, units, rows, rules, convergence.

        Returns
        -------
        list of (label, value)
        """
        index = self.plan.index
        out = self.excluded.groupby("reason", sort=False)["rows"].sum()
        reasons = ", ".join(f"{n} {reason}" for reason, n in out.items())
        ruled = self.rules.groupby("rule", sort=False).size()
        return [
            ("Study", self.title),
            *self._top(),
            (
                f"{index.model.name} satisfaction index",
                f"{len(self.constructs)} constructs, {len(index.model.items)} items, {next(iter(self.waves.values())).engine_name}",
            ),
            ("Waves", ", ".join(f"{w}: {len(r.measured)} by {self.by}" for w, r in self.waves.items())),
            ("Levels", " > ".join([self.by, *self.levels])),
            ("Rows", f"{self.n_obs} used, {int(out.sum())} excluded" + (f" ({reasons})" if reasons else "")),
            ("Small units", ", ".join(f"{n} {rule}" for rule, n in ruled.items()) or "no rule applied"),
            ("Skipped", f"{len(self.skipped)}"),
            ("Converged", "yes" if self.converged else "NO: see quality"),
        ]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Frames of the summary, by title.

        Returns
        -------
        dict of DataFrame
        """
        now = self.aggregates[(self.aggregates["wave"] == self.last) & (self.aggregates["construct"] == self.target)]
        moved = self.changes[(self.changes["construct"] == self.target) & (self.changes["flag"] != "same")]
        out = {f"Index of {self.target} (0-100), {self.last}": now, "Significant changes": moved}
        out |= {"Rules for small units": self.rules, "Skipped": self.skipped}
        return {title: frame.reset_index(drop=True) for title, frame in out.items() if len(frame)}

    # --- internals ------------------------------------------------------------------------------------------

    @property
    def _lowest(self) -> str | None:
        """Level to whose mean units are drawn; None for the whole."""
        return next((level for level in self.levels if level != WHOLE), None)

    def _top(self) -> list[tuple[str, str]]:
        """Index of the highest level in the last wave, if it is one, and its change."""
        if not self.levels:
            return []
        top = self.aggregates.query("wave == @self.last and level == @self.levels[-1] and construct == @self.target")
        if len(top) != 1:
            return []
        row = top.iloc[0]
        text = f"{row['index']:.1f} on 0-100, se {row['se']:.2f}, {self.level:.0%} interval {row['ci_lower']:.1f} to {row['ci_upper']:.1f}"
        if self.pairs:
            c = self.changes
            found = c[(c.wave == self.last) & (c.level == self.levels[-1]) & (c.construct == self.target)]
            text += "".join(f"; {r.change:+.1f} (se {r.se:.2f}) since {r.previous_wave}" for r in found.itertuples())
        return [(f"Index of {self.target}, {row['name']} {self.last}", text)]

    def _by_wave(self, frame: Callable[[IndexResult], pd.DataFrame]) -> pd.DataFrame:
        """A frame of every wave, one below the other."""
        parts = [f.assign(**{"wave": [w] * len(f)}) for w, r in self.waves.items() for f in [frame(r)]]
        filled = [p for p in parts if len(p)] or parts[:1]
        out = pd.concat(filled, ignore_index=True)
        return out[["wave", *[c for c in out if c != "wave"]]]

    def _paired(self, result: IndexResult) -> bool:
        """Whether some group has two units, so that there is something to be drawn to."""
        facts = self.facts[self.facts[self.by].isin(result.scores[self.by])]
        groups = facts.groupby(["wave", *([self._lowest] if self._lowest else [])], observed=True)[self.by]
        return bool((groups.nunique() > 1).any())

    def _drawn(self) -> pd.DataFrame:
        """Units shown with shrunken numbers, [wave, unit]."""
        return self.rules.loc[self.rules["rule"] == "shrink", ["wave", self.by]].drop_duplicates()

    def _homes(self) -> pd.DataFrame:
        """Where each unit belongs, the whole included."""
        return self.facts if WHOLE in self.facts else self.facts.assign(**{WHOLE: WHOLE})

    def _changed(self, then: Any, now: Any) -> pd.DataFrame:
        """Changes of all levels between two waves."""
        keys = ["level", "name", "construct"]
        new, old, people = self.waves[now], self.waves[then], self.plan.respondent if self.plan.panel else None
        parts = []
        if new.measured.keys() & old.measured.keys():
            units = new.change(old, adjust=self.plan.adjust, respondent=people)
            parts.append(units.rename(columns={self.by: "name"}).assign(level=self.by))
        if self.levels:
            parts.append(
                new.aggregate_change(old, self.levels, self.plan.weights, adjust=self.plan.adjust, respondent=people)
            )
        empty = pd.DataFrame(columns=[*keys, *_CHANGES])
        return pd.concat(parts, ignore_index=True)[[*keys, *_CHANGES]] if parts else empty

    def _alike(self, then: Any, now: Any) -> bool:
        """Whether some unit has the same constructs in two waves, the target among them."""
        new, old = self.waves[now].measured, self.waves[then].measured
        return any(new[u].constructs == old[u].constructs for u in new if u in old)

    def _ranked(self, table: pd.DataFrame, homes: pd.DataFrame, level: str, within: str) -> list[pd.DataFrame]:
        """Ranks of one level inside the groups of a higher one, by wave."""
        place = homes[["wave", level, within]].drop_duplicates().set_axis(["wave", "name", "inside"], axis=1)
        parts = []
        for _, part in table.merge(place, on=["wave", "name"]).groupby(["wave", "inside"], sort=False):
            found = rank_table(part["index"], part["se"], level=self.level).set_index(part.index)
            parts.append(part.assign(within=within).join(found).sort_values("rank", kind="stable"))
        return parts

    def _rates_above(self) -> list[pd.DataFrame]:
        """Rates of the levels above, a frame per wave."""
        if not self.levels:
            return []
        parts = []
        for wave, result in self.waves.items():
            scores = result.rates.rename(columns={"measure": "construct", "value": "index"})
            facts = self.facts[self.facts.wave == wave].drop(columns=["wave", "n", "rows", "source"])
            z = quantile(self.level)
            found = aggregate_scores(scores, facts, [self.by], self.levels, self.plan.weights, z=z)
            found = found.rename(columns={"construct": "measure", "index": "value"}).assign(wave=wave)
            parts.append(found.assign(ci_upper=found["ci_upper"].clip(upper=1)))
        return parts


_MEASURES = ["index", "se", "ci_lower", "ci_upper", "units", "n"]
_CHANGES = ["previous", "index", "change", "se", "z", "pvalue", "pvalue_adjusted", "detectable"]


def _replaced(frame: pd.DataFrame, found: pd.DataFrame, keys: list[str], columns: list[str]) -> pd.DataFrame:
    """Put the numbers of `found` in the place of those with the same keys, their source becoming "shrunk"."""
    new = frame[keys].merge(found[[*keys, *columns]], on=keys, how="left").set_index(frame.index)
    hit = new[columns[0]].notna()
    out = frame.copy()
    out.loc[hit, columns] = new.loc[hit, columns].to_numpy()
    out.loc[hit, "source"] = "shrunk"
    return out
