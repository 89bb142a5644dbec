"""What the pages, sheets and slides of a benchmark study show: its last wave, with names and changes beside each index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ..acsi.hierarchy import aggregate_scores
from ..inference import quantile
from ..metrics.kinds import SHARE_UNIT
from .blocks import inline, shown
from .nation_standings import NationStandings


@dataclass(frozen=True, eq=False)
class NationView(NationStandings):
    """One benchmark study as a reader sees it.

    Parameters
    ----------
    result : BenchmarkResult
    words : Language, optional
        By default that of the study.

    Raises
    ------
    SpecError
        For any other result.
    """

    def constructs_of(self, level: str, name: object) -> pd.DataFrame:
        """Return every construct of one unit or group, in the order of the model.

        Parameters
        ----------
        level : str
        name : object

        Returns
        -------
        DataFrame
            [construct, label, index_, ci_lower, ci_upper, n, changes...].
        """
        mine = self._by_group.get((level, name))
        if mine is None:
            return self.standings.iloc[:0].assign(label="")
        return mine.assign(label=mine["construct"].map(self.label)).reset_index(drop=True)

    @cached_property
    def impacts(self) -> pd.DataFrame:
        """Impacts on the headline index, [level, name, driver, label, impact, ci_lower, ci_upper, source].

        Above the units they are means of those of their units that have a model of their own, by the weights of the
        study; intervals take units as independent.
        """
        i = self.result.impacts
        i = i[(i["wave"] == self.now) & (i["target"] == self.result.target)]
        own = i.rename(columns={self.result.by: "name"}).assign(level=self.result.by)
        parts = [own, *self._impacts_above(own)]
        out = pd.concat([p for p in parts if len(p)], ignore_index=True)
        out = out.assign(label=out["driver"].map(self.label)).astype(
            {"driver": object, "label": object, "source": object}
        )
        return out[["level", "name", "driver", "label", "impact", "ci_lower", "ci_upper", "source"]]

    def impacts_of(self, level: str, name: object) -> pd.DataFrame:
        """Return the impacts of one unit or group, largest first.

        Parameters
        ----------
        level : str
        name : object

        Returns
        -------
        DataFrame
        """
        return self._impacts_by_group.get((level, name), self.impacts.iloc[:0])

    def outcomes_of(self, groups: Sequence[tuple[str, Any]]) -> pd.DataFrame:
        """Return what satisfaction leads to in some units and groups: complaints, retention, price tolerance.

        Parameters
        ----------
        groups : sequence of (level, name)

        Returns
        -------
        DataFrame
            [level, name, then for each of :attr:`outcomes`: it, it_lower, it_upper] as shares; lines that nothing is known of
            are left out.
        """
        return self._outcome_lines.reindex([g for g in groups if g in self._outcome_lines.index]).reset_index()

    @cached_property
    def outcomes(self) -> dict[str, str]:
        """Measures of :meth:`outcomes_of`, and what the reader calls them."""
        return {k: self.measure(k) for k in self.outcome_frame["measure"].unique()}

    @cached_property
    def outcome_frame(self) -> pd.DataFrame:
        """Outcomes of the wave as shares, [level, name, measure, value, ci_lower, ci_upper, n]."""
        found = self.of_wave(self.result.outcomes)
        part = np.where(found["scale"] == SHARE_UNIT, 1.0, 0.01)  # the others are in percent
        ends = {k: found[k].astype(float) * part for k in ("value", "ci_lower", "ci_upper")}
        return found.drop(columns=["wave", "scale", "se"]).assign(**ends)

    def unit(self, name: object) -> Any:
        """Return the line of one unit in :attr:`units`.

        Parameters
        ----------
        name : object

        Returns
        -------
        Series
        """
        return self._unit_lines.loc[name]  # type: ignore[call-overload]

    def explained_of(self, name: object) -> pd.DataFrame:
        """Return why a unit's headline index changed since the wave before.

        Parameters
        ----------
        name : object

        Returns
        -------
        DataFrame
            [driver, part, est, ci_lower, ci_upper]; empty where it cannot be said.
        """
        return self._explained_by_unit.get(name, self.result.explained.iloc[:0])

    @cached_property
    def rules(self) -> pd.DataFrame:
        """Rules of the latest wave in the reader's words, [unit, rows, said, detail]."""
        rules = self.of_wave(self.result.rules)
        said = [self.words.known(f"rule_{x}", shown(x)) for x in rules["rule"]]
        rules = rules.assign(said=said, detail=rules["detail"].map(self.told))
        return rules[[self.result.by, "rows", "said", "detail"]].reset_index(drop=True)

    @cached_property
    def skipped(self) -> pd.DataFrame:
        """Units of the wave without numbers, [unit, rows, reason]."""
        return self._reasoned(self.result.skipped)

    # --- what the numbers rest on -----------------------------------------------------------------------------

    @cached_property
    def rests_on(self) -> str:
        """How many units and interviews the wave has, and what was left out."""
        w, r = self.words, self.result
        said = [w("wave_is", wave=self.wave)]
        said += [f"{self.head(level, many=True)}: {w.count(len(self.groups(level)))}" for level in self.middle]
        units = f"{self.head(r.by, many=True)}: {w.count(len(self.units))}"
        said += [units, w("interviews_used", n=int(self.facts["n"].sum()))]
        out, skipped = self.excluded, self.skipped
        said += [w("excluded", n=int(out["rows"].sum()))] if len(out) else []
        said += [w("skipped_units", n=len(skipped))] if len(skipped) else []
        return "; ".join(said) + "."

    @cached_property
    def excluded(self) -> pd.DataFrame:
        """Rows of the wave left out, [reason, rows]."""
        return self._reasoned(self.result.excluded)

    def _reasoned(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Lines of the wave with their reasons in the reader's words."""
        lines = self.of_wave(frame)
        return lines.assign(reason=lines["reason"].map(self.told))

    def standing(self, name: str, row: Any) -> str:
        """Say one headline index, its interval and its change, as a sentence or two.

        Parameters
        ----------
        name : str
            What it is of.
        row : Series
            A line of :attr:`units` or :meth:`groups`.

        Returns
        -------
        str
        """
        w = self.words
        said = w(
            "stands", name=inline(name), target=inline(self.target), index=w.number(row["index_"]),
            span=w.span(row["ci_lower"], row["ci_upper"]), level=w.share(self.result.level),
        )  # fmt: skip
        if row["flag"] == "none":
            return said
        parts = {"change": w.number(row["change"], signed=True), "detectable": w.number(row["detectable"])}
        span = w.span(row["change_lower"], row["change_upper"], signed=True)
        return f"{said} {w('changed_' + row['flag'], span=span, since=self.since, **parts)}"

    # --- best in class ----------------------------------------------------------------------------------------

    def peers(self, name: object) -> tuple[str | None, Any, pd.DataFrame]:
        """Return what a unit is compared with: its level, its group, and the units in it, itself among them.

        Parameters
        ----------
        name : object

        Returns
        -------
        (str or None, object, DataFrame)
        """
        level = self.lowest or self.top
        if level is None:
            return None, None, self.units
        home = self._homes[level][name]
        return level, home, self._members[home]

    def against(self, name: object) -> pd.DataFrame:
        """Return every construct of a unit beside its group and the best in it.

        Parameters
        ----------
        name : object

        Returns
        -------
        DataFrame
            [construct, label, index_, se, ci_lower, ci_upper, industry, best, best_name, gap, gap_clear, impact,
            impact_clear, gain]: the group's index, the best unit's (the lowest of constructs that go against satisfaction, such as
            complaints), how far the unit is behind it and whether that is beyond chance, the impact on the headline
            and what closing the gap goes with.
        """
        level, home, _ = self.peers(name)
        own = self.constructs_of(self.result.by, name).set_index("construct")
        group = None if level is None else self._by_group[level, home].set_index("construct")["index_"]
        best = self._best[home].reindex(own.index)
        impacts = self.impacts_of(self.result.by, name).set_index("driver")
        own["industry"] = np.nan if group is None else group.reindex(own.index)
        own["best"], own["best_name"], own["best_se"] = best["index_"], best["name"], best["se"]
        sign = pd.Series([-1.0 if c in self.against_target else 1.0 for c in own.index], own.index)
        own["gap"] = sign * (own["best"] - own["index_"])
        z = quantile(self.result.level)
        own["gap_clear"] = own["gap"] > z * np.hypot(own["se"], own["best_se"])
        own["impact"] = impacts["impact"].reindex(own.index)
        ends = impacts[["ci_lower", "ci_upper"]].reindex(own.index)
        own["impact_clear"] = (ends["ci_lower"] > 0) | (ends["ci_upper"] < 0) | ends["ci_lower"].isna()
        own["gain"] = (sign * own["impact"]).clip(lower=0) * own["gap"].clip(lower=0)
        return own.reset_index()

    @cached_property
    def against_target(self) -> frozenset[str]:
        """Constructs of which less is better: their effects on the headline, or its on them, are negative on average."""
        i, target = self.result.impacts, self.result.target
        ends = i[(i["driver"] == target) | (i["target"] == target)]
        other = ends["driver"].where(ends["target"] == target, ends["target"])
        means = ends["impact"].groupby(other.to_numpy()).mean()
        return frozenset(means.index[means < 0])

    # --- internals --------------------------------------------------------------------------------------------

    def _impacts_above(self, own: pd.DataFrame) -> list[pd.DataFrame]:
        """Weighted means of impacts, level by level."""
        modelled = own[own["source"] != "pooled"] if "source" in own else own
        if not self.result.levels or modelled.empty:
            return []
        scores = modelled.rename(columns={"driver": "construct", "impact": "index"}).drop(columns=["level"])
        scores = scores.merge(self.facts[["name", "n"]], on="name")
        facts = self.facts.drop(columns=["n", "rows", "source"], errors="ignore")
        known = scores["se"].notna().all()
        found = aggregate_scores(
            scores[["name", "construct", "index", "se", "n"]],
            facts,
            ["name"],
            self.result.levels,
            self.result.plan.weights,
        )
        half = quantile(self.result.level) * (found["se"] if known else np.nan)
        found = found.assign(ci_lower=found["index"] - half, ci_upper=found["index"] + half, source="")
        return [found.rename(columns={"construct": "driver", "index": "impact"})]

    @cached_property
    def _by_group(self) -> dict[Any, pd.DataFrame]:
        return dict(list(self.standings.groupby(["level", "name"], sort=False)))

    @cached_property
    def _impacts_by_group(self) -> dict[Any, pd.DataFrame]:
        ordered = self.impacts.sort_values("impact", ascending=False, kind="stable")
        groups = ordered.groupby(["level", "name"], sort=False)
        return {key: part.reset_index(drop=True) for key, part in groups}

    @cached_property
    def _unit_lines(self) -> pd.DataFrame:
        return self.units.set_index("name").astype(object)

    @cached_property
    def _outcome_lines(self) -> pd.DataFrame:
        named = {"value": "", "ci_lower": "_lower", "ci_upper": "_upper"}
        wide = self.outcome_frame.pivot_table(
            index=["level", "name"], columns="measure", values=list(named), sort=False
        )
        return wide.set_axis([f"{pair[1]}{named[pair[0]]}" for pair in wide.columns], axis=1)

    @cached_property
    def _explained_by_unit(self) -> dict[Any, pd.DataFrame]:
        e = self.result.explained
        return dict(list(e[e["wave"] == self.now].groupby(self.result.by, sort=False)))

    @cached_property
    def _homes(self) -> dict[str, dict[Any, Any]]:
        level = self.lowest or self.top
        return {} if level is None else {level: dict(zip(self.facts["name"], self.facts[level], strict=True))}

    @cached_property
    def _members(self) -> dict[Any, pd.DataFrame]:
        level = self.lowest or self.top
        return {} if level is None else dict(list(self.units.groupby(f"in_{level}", sort=False)))

    @cached_property
    def _best(self) -> dict[Any, pd.DataFrame]:
        """The best unit of each group in every construct, by group; None is the group of all where there are no levels."""
        s = self.standings[self.standings["level"] == self.result.by]
        level = self.lowest or self.top
        home = s["name"].map(self._homes[level]) if level else pd.Series([None] * len(s), s.index, dtype=object)
        groups = [(None, s)] if level is None else list(s.groupby(home, sort=False))
        worth = s["index_"].where(~s["construct"].isin(self.against_target), -s["index_"])
        return {
            g: part.loc[worth[part.index].groupby(part["construct"], sort=False).idxmax()].set_index("construct")
            for g, part in groups
        }
