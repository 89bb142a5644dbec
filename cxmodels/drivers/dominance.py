"""Dominance analysis: who adds more, on average, at every size of model, and in every model.

General, conditional and complete dominance of Budescu (1993), Psychological Bulletin 114(3), and Azen and Budescu (2003),
Psychological Methods 8(2).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import SpecError
from ..inference import choose
from ..results import Result
from . import kernel
from .split import TABLE_LIMIT, one_thread

if TYPE_CHECKING:
    from .result import DriverResult

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Dominance(Result):
    """Dominance of players over one another; made by :attr:`DriverResult.dominance`.

    Attributes
    ----------
    result : DriverResult
    steps : ndarray of shape (p, p)
        Mean increments, players by number of others already there.

    Examples
    --------
    >>> import cxmodels as cx
    >>> res = cx.Drivers("CUSA1", ["PERQ1", "PERQ2", "PERQ3"]).fit(cx.datasets.survey("mobi"))
    >>> res.dominance.complete
               PERQ1  PERQ2  PERQ3
    attribute
    PERQ1        0.0    1.0    1.0
    PERQ2        0.0    0.0    0.0
    PERQ3        0.0    1.0    0.0
    """

    result: DriverResult
    steps: Array

    @property
    def n_obs(self) -> int:
        """Rows used."""
        return self.result.n_obs

    @property
    def excluded(self) -> pd.DataFrame:
        """Rows left out, [reason, rows]."""
        return self.result.excluded

    @cached_property
    def general(self) -> pd.Series:
        """Mean over all sizes (those that sampled orders show): the Shapley value, by attribute."""
        return pd.Series(np.nanmean(self.steps, axis=1), self._names, name="general")

    @cached_property
    def conditional(self) -> pd.DataFrame:
        """Mean increment of R² to models that already hold 0, 1, 2 ... other players, attributes by size."""
        sizes = pd.Index(range(len(self.steps)), name="others")
        return pd.DataFrame(self.steps, self._names, sizes)

    @cached_property
    def complete(self) -> pd.DataFrame:
        """Share of models without either to which the row adds more than the column; 1 is complete dominance.

        Raises
        ------
        SpecError
            With more than 20 players: it needs a table of all sub-models.
        """
        p = len(self.steps)
        if p > TABLE_LIMIT:
            raise SpecError(
                f"Complete dominance needs a table of all sub-models, and takes at most {TABLE_LIMIT} players, not {p}; put some into groups."
            )
        worth = np.mean([s.table()[0] for s in self.result.splits], axis=0)
        return pd.DataFrame(kernel.complete_dominance(worth), self._names, self._names.rename(None))

    @cached_property
    def levels(self) -> pd.DataFrame:
        """Strongest kind of dominance in each pair, [first, second, level]: complete, conditional or general."""
        rows = []
        names = list(self._names)
        complete = self.complete.to_numpy() if len(names) <= TABLE_LIMIT else None
        mean = self.general.to_numpy()
        for i in range(len(names)):
            for j in range(i + 1, len(names)):
                a, b = (i, j) if mean[i] >= mean[j] else (j, i)
                level = "general"
                if (self.steps[a] > self.steps[b]).all():
                    level = "conditional"
                if complete is not None and complete[a, b] == 1:
                    level = "complete"
                rows.append((names[a], names[b], level))
        return pd.DataFrame(rows, columns=["first", "second", "level"])

    def __getitem__(self, kind: str) -> Any:
        """Return the frame of that name: general, conditional, complete or levels."""
        choose("dominance", kind, ("general", "conditional", "complete", "levels"))
        return getattr(self, kind)

    @property
    def _names(self) -> pd.Index:
        return self.result.importance.index

    def headline(self) -> list[tuple[str, str]]:
        """What was analysed.

        Returns
        -------
        list of (label, value)
        """
        return [("Dominance analysis", f"{len(self.steps)} attributes"), *self.result.headline()[:-1]]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Frames of the summary, by title.

        Returns
        -------
        dict of DataFrame
        """
        out = {"Increment by number of other attributes": self.conditional}
        if len(self.steps) <= TABLE_LIMIT:
            out["Complete dominance"] = self.complete
        return out


def dominance(result: DriverResult) -> Dominance:
    """Mean increments by size of model, whatever the method of importance.

    Parameters
    ----------
    result : DriverResult

    Returns
    -------
    Dominance
    """
    from dataclasses import replace

    with one_thread():
        steps = [
            part.conditional if part.conditional is not None else replace(split, method="shapley")(None, result.spec.effort).conditional
            for part, split in zip(result.parts, result.splits, strict=True)
        ]  # fmt: skip
    return Dominance(result, np.mean([s[0] for s in steps], axis=0))  # type: ignore[index]
