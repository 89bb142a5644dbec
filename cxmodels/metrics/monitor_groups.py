"""Monitors of several groups side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..results import Result

if TYPE_CHECKING:
    from .monitoring import Monitor


@dataclass(frozen=True, eq=False, repr=False)
class MonitorGroups(Result):
    """A monitor for each group of units; made by :func:`monitor` with ``by=``.

    Attributes
    ----------
    monitors : mapping of group to Monitor
    cells, units, periods, signals : DataFrame
        Those of all groups, behind columns that name the group.
    spread : DataFrame
        One row per group: [within, between, monthly, deff].
    missing : int
        Rows left out.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> import cxmodels as cx
    >>> rng = np.random.default_rng(1)
    >>> data = pd.DataFrame({"score": rng.normal(80, 15, 360), "who": np.tile(list("ABCDEF"), 60), "month": np.repeat(range(6), 60)})
    >>> data["team"] = np.where(data["who"] < "D", "x", "y")
    >>> found = cx.metrics.monitor("score", "who", "month", data=data, by="team")
    >>> found.spread.round(0)
      team  within  between  monthly  deff
    0    x    13.0      2.0      0.0   1.0
    1    y    14.0      0.0      2.0   1.0
    """

    monitors: Mapping[Any, Monitor]
    keys: pd.DataFrame
    missing: int
    cells: pd.DataFrame = field(init=False)
    units: pd.DataFrame = field(init=False)
    periods: pd.DataFrame = field(init=False)
    signals: pd.DataFrame = field(init=False)
    spread: pd.DataFrame = field(init=False)

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "cells", self._stacked([m.cells for m in self.monitors.values()]))
        put(self, "units", self._stacked([m.units.reset_index() for m in self.monitors.values()]))
        put(self, "periods", self._stacked([m.periods.reset_index() for m in self.monitors.values()]))
        put(self, "signals", self._stacked([m.signals for m in self.monitors.values()]))
        names = ["within", "between", "monthly", "deff"]
        rows = pd.DataFrame([[getattr(m, k) for k in names] for m in self.monitors.values()], columns=names)
        put(self, "spread", pd.concat([self.keys, rows], axis=1))

    def __getitem__(self, group: Any) -> Monitor:
        """Return the monitor of one group."""
        return self.monitors[group]

    def _stacked(self, frames: list[pd.DataFrame]) -> pd.DataFrame:
        parts = []
        for (_, key), frame in zip(self.keys.iterrows(), frames, strict=True):
            part = frame.copy()
            for at, (name, value) in enumerate(key.items()):
                part.insert(at, str(name), value)
            parts.append(part)
        return pd.concat(parts, ignore_index=True)

    @property
    def n_obs(self) -> int:
        """Answers used."""
        return sum(m.n_obs for m in self.monitors.values())

    @property
    def excluded(self) -> pd.DataFrame:
        """Rows left out, [reason, rows]."""
        rows = [("no answer, unit, period or group", self.missing)] if self.missing else []
        return pd.DataFrame(rows, columns=["reason", "rows"])

    def headline(self) -> list[tuple[str, str]]:
        """Return what was monitored, and the signals of each group.

        Returns
        -------
        list of (label, value)
        """
        gone = f", {self.missing} rows left out" if self.missing else ""
        rows = [
            (
                "Monitor",
                f"{len(self.monitors)} groups of {', '.join(map(str, self.keys))}, {self.n_obs} answers{gone}",
            )
        ]
        for name, m in self.monitors.items():
            told = f"{len(m.units)} units, {len(m.periods)} periods, {len(m.signals)} signals"
            rows.append((name if isinstance(name, str) else str(name), told))
        return rows

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return units and signals for display.

        Returns
        -------
        dict of DataFrame
        """
        return {"Units": self.units} | ({"Signals": self.signals} if len(self.signals) else {})
