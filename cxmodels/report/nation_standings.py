"""Where the units and groups of a benchmark study stand in its last wave: index, change and rank, level by level."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from ..acsi.hierarchy import WHOLE
from ..errors import SpecError, listed, near
from ..inference import quantile
from .blocks import shown
from .nation_names import NationNames

RANKS = ["rank", "rank_lower", "rank_upper", "group"]
CHANGES = ["previous", "change", "change_se", "change_lower", "change_upper", "pvalue_adjusted", "detectable", "flag"]


@dataclass(frozen=True, eq=False)
class NationStandings(NationNames):
    """The levels of one benchmark study and who stands where in them.

    Parameters
    ----------
    result : BenchmarkResult
    words : Language, optional
        By default that of the study.

    Notes
    -----
    Frames of units and groups have a line each, ``index_`` for the headline index (``index`` is a method of the tuples that
    pandas gives), its interval, the change since the wave before with its interval and flag ("none" where there was no
    such wave), and the rank inside the level above with its interval and tie group.
    """

    # --- the levels -----------------------------------------------------------------------------------------

    @cached_property
    def top(self) -> str | None:
        """The highest level if it is one group, such as the nation."""
        levels = self.result.levels
        return levels[-1] if levels and len(self.groups(levels[-1])) == 1 else None

    @cached_property
    def overall(self) -> tuple[float, str]:
        """Headline index and name of the whole; NaN where there is none."""
        if self.top is None:
            return float("nan"), ""
        row: Any = self.groups(self.top).iloc[0]
        return float(row["index_"]), self.name(row["name"])

    @cached_property
    def middle(self) -> tuple[str, ...]:
        """Levels between the units and the whole, from the highest down."""
        return tuple(level for level in reversed(self.result.levels) if level != self.top)

    @property
    def lowest(self) -> str | None:
        """The level that units are ranked in, if there is one below the whole."""
        return self.middle[-1] if self.middle else None

    def check_unit(self, name: object) -> None:
        """Refuse a unit that the last wave has no numbers of.

        Parameters
        ----------
        name : object

        Raises
        ------
        SpecError
            With the nearest names.
        """
        known = self.units["name"]
        if name not in set(known):
            raise SpecError(
                f"There is no {self.result.by} '{name}' with numbers in wave {self.wave}; it has {listed(known, 5)}."
                f"{near(str(name), map(str, known))}"
            )

    # --- frames ---------------------------------------------------------------------------------------------

    @cached_property
    def facts(self) -> pd.DataFrame:
        """Where the units of the wave belong, [name, levels..., n, source]."""
        f = self.result.facts
        f = f[f["wave"] == self.now].drop(columns="wave")
        f = f if WHOLE in f or WHOLE not in self.result.levels else f.assign(**{WHOLE: WHOLE})
        return f.rename(columns={self.result.by: "name"}).reset_index(drop=True)

    @cached_property
    def standings(self) -> pd.DataFrame:
        """Indices of all levels and constructs of the wave, [level, name, construct, index_, ..., changes]."""
        s, c = self.result.standings, self.result.changes
        out = s[s["wave"] == self.now].drop(columns="wave").rename(columns={"index": "index_"})
        published = self.result.scores
        published = published[published["wave"] == self.now].assign(level=self.result.by)
        published = published.rename(columns={self.result.by: "name", "index": "index_"})
        keys = ["level", "name", "construct"]
        own = out[keys].merge(
            published[[*keys, "index_", "se", "ci_lower", "ci_upper", "source", "direct"]], on=keys, how="left"
        )
        own.index = out.index
        shrunk = own["index_"].notna()
        for column in ("index_", "se", "ci_lower", "ci_upper"):
            out.loc[shrunk, column] = own.loc[shrunk, column]
        out = out.assign(source=own["source"].fillna(""), direct=own["direct"].fillna(out["index_"]))
        moved = c[c["wave"] == self.now].drop(columns=["wave", "index"])
        half = quantile(self.result.level) * moved["se"].astype(float)
        moved = moved.rename(columns={"se": "change_se"}).assign(
            change_lower=moved["change"] - half, change_upper=moved["change"] + half
        )
        out = out.merge(moved[[*keys, *CHANGES]], on=keys, how="left")
        numbers = [k for k in CHANGES if k != "flag"]
        out[numbers] = out[numbers].astype(float)
        texts = [
            "level",
            "name",
            "construct",
            "flag",
            "source",
        ]  # looked up one by one, which plain objects do fastest
        return out.assign(flag=out["flag"].fillna("none")).astype(dict.fromkeys(texts, object))

    @cached_property
    def units(self) -> pd.DataFrame:
        """Units as :meth:`groups` gives them, with notes and the levels they lie in (in_industry, ...); best first."""
        out = self.groups(self.result.by)
        levels = [c for c in self.result.levels if c in self.facts]
        homes = self.facts[["name", *levels]].rename(columns={k: f"in_{k}" for k in levels})
        notes = {n: self.note(n) for n in out["name"]}
        return out.merge(homes, on="name", how="left").assign(note=out["name"].map(notes))

    def groups(self, level: str) -> pd.DataFrame:
        """Return one level with its headline index, change and ranks; best first.

        Parameters
        ----------
        level : str

        Returns
        -------
        DataFrame
            rank, ... are inside the level above; whole_rank, ... over all.
        """
        if level not in self._groups:
            raise SpecError(f"There is no level '{level}'; there are {listed(self._groups)}.")
        return self._groups[level]

    def children(self, level: str, name: object) -> pd.DataFrame:
        """Return what lies in one group: the groups or units one level below.

        Parameters
        ----------
        level : str
        name : object

        Returns
        -------
        DataFrame
            As :meth:`groups` and :attr:`units` give them.
        """
        below = self.below(level)
        members = self.facts.loc[self.facts[level] == name, "name" if below == self.result.by else below].unique()
        frame = self.units if below == self.result.by else self.groups(below)
        return frame[frame["name"].isin(members)].reset_index(drop=True)

    def below(self, level: str) -> str:
        """Return the level under one: the units under the lowest.

        Parameters
        ----------
        level : str

        Returns
        -------
        str
        """
        at = self.result.levels.index(level)
        return self.result.levels[at - 1] if at else self.result.by

    def note(self, name: object) -> str:
        """Return what a reader must know of a unit's numbers: the rules that touched it.

        Parameters
        ----------
        name : object

        Returns
        -------
        str
        """
        return "; ".join(self.words.known(f"rule_{r}", shown(r)) for r in self._rules.get(name, ()))

    # --- internals --------------------------------------------------------------------------------------------

    def _above(self, level: str) -> str | None:
        """The level inside which another is ranked."""
        chain = [self.result.by, *self.result.levels]
        at = chain.index(level)
        return chain[at + 1] if at + 1 < len(chain) else (WHOLE if WHOLE not in chain else None)

    @cached_property
    def _groups(self) -> dict[str, pd.DataFrame]:
        """Every level, units among them."""
        s = self.standings[self.standings["construct"] == self.result.target].drop(columns="construct")
        parts = dict(list(s.groupby("level", sort=False)))
        chain = [self.result.by, *self.result.levels]
        whole = WHOLE if WHOLE not in chain else chain[-1]
        out = {}
        for level in chain:
            above = self._above(level)
            part = parts[level].drop(columns="level")
            part = part.merge(self._ranks(level, above or whole), on="name", how="left")
            over = self._ranks(level, whole).rename(columns={c: f"whole_{c}" for c in RANKS})
            part = part.merge(over, on="name", how="left")
            out[level] = part.sort_values("index_", ascending=False, kind="stable").reset_index(drop=True)
        return out

    def _ranks(self, level: str, within: str) -> pd.DataFrame:
        r = self.result.ranks
        mine = r[(r["wave"] == self.now) & (r["level"] == level) & (r["within"] == within)]
        return mine[["name", *RANKS]]

    @cached_property
    def _rules(self) -> dict[Any, list[str]]:
        r = self.result.rules
        return r[r["wave"] == self.now].groupby(self.result.by, sort=False)["rule"].agg(list).to_dict()
