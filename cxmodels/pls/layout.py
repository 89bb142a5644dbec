"""Which number of an estimate goes into which row of which frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from . import assessment
from .kernel import Array, Design, Estimate, total_effects

STAGED = {"weights": "construct", "loadings": "construct", "item_vif": "construct", "reliability": "row"}
Keys = dict[str, dict[str, np.ndarray]]

WIDE = {"r_squared": ("r2", "r2_adj"), "reliability": ("alpha", "rho_a", "rho_c", "ave")}


@dataclass(frozen=True, eq=False)
class Layout:
    """Names and order of everything a PLS estimate says; arrays are flattened and read back through it.

    Parameters
    ----------
    constructs, items : tuple of str
        Names in the order of the arrays.
    edges : ndarray of shape (m, 2)
        [outcome, predictor] of the paths, in the order the model was written.
    design : Design
    n : int
        Rows used, for the adjusted R².
    first : Layout, optional
        The first stage, whose `dimensions` are listed along with weights, loadings and reliability.
    dimensions : tuple of str
        Constructs of the first stage that are items here.
    """

    constructs: tuple[str, ...]
    items: tuple[str, ...]
    edges: np.ndarray
    design: Design
    n: int
    first: Layout | None = None
    dimensions: tuple[str, ...] = ()

    @cached_property
    def _built(self) -> tuple[Keys, dict[str, np.ndarray], tuple[np.ndarray, ...]]:
        """Keys of every frame, rows added from the first stage, and places in the arrays; made when first read."""
        j, p = len(self.constructs), len(self.items)
        c, i = np.array(self.constructs, dtype=object), np.array(self.items, dtype=object)
        column = np.repeat(np.arange(j), [len(b) for b in self.design.blocks])
        row = np.concatenate(self.design.blocks)
        y, x = self.edges.T
        reach_y, reach_x = np.nonzero(total_effects(self.design.arrows, self.design.depth))
        order = np.lexsort((reach_x, reach_y))
        reach_y, reach_x = reach_y[order], reach_x[order]
        off_y, off_x = np.nonzero(~np.eye(j, dtype=bool))
        endogenous = np.flatnonzero(self.design.arrows.any(axis=1))
        arrow, cell = {"outcome": c[y], "predictor": c[x]}, {"construct": c[column], "item": i[row]}
        keys = {
            "weights": cell,
            "loadings": cell,
            "item_vif": cell,
            "cross_loadings": {"row": np.repeat(i, j), "column": np.tile(c, p)},
            "paths": arrow,
            "f_squared": arrow,
            "vif": arrow,
            "r_squared": _grid(c[endogenous], WIDE["r_squared"]),
            "reliability": _grid(c, WIDE["reliability"]),
            "htmt": {"row": c[off_y], "column": c[off_x]},
            "fornell_larcker": {"row": np.repeat(c, j), "column": np.tile(c, j)},
            "effects": {
                "outcome": np.tile(c[reach_y], 3),
                "predictor": np.tile(c[reach_x], 3),
                "effect": np.repeat(np.array(["direct", "indirect", "total"], dtype=object), len(reach_y)),
            },
        }
        also = {}
        for name, by in STAGED.items() if self.first else ():
            lower = self.first.keys[name]  # type: ignore[union-attr]
            also[name] = np.isin(lower[by], self.dimensions)
            keys[name] = {k: np.concatenate([v, lower[k][also[name]]]) for k, v in keys[name].items()}
        return keys, also, (row, column, y, x, reach_y, reach_x, off_y, off_x, endogenous)

    @property
    def keys(self) -> Keys:
        """Key columns of every frame, by name."""
        return self._built[0]

    def part(self, name: str, est: Estimate) -> Array:
        """Return the numbers of one frame, (b, rows of the frame)."""
        with np.errstate(all="ignore"):  # improper replicates hold infinities, which are counted elsewhere
            own = self._part(name, est)
        if self.first is None or name not in STAGED or est.first is None:
            return own
        below = self.first.part(name, est.first)[:, self._built[1][name]]
        return np.concatenate([own, below], axis=1)

    def _part(self, name: str, est: Estimate) -> Array:
        d = self.design
        row, column, y, x, reach_y, reach_x, off_y, off_x, endogenous = self._built[2]
        b = len(est.paths)
        if name == "weights":
            return est.weights[:, row, column]
        if name == "loadings":
            return assessment.loadings(est, d)[:, row, column]
        if name == "item_vif":
            return assessment.item_vif(est, d)[:, row, column]
        if name == "cross_loadings":
            return est.item_construct.reshape(b, -1)
        if name in ("paths", "f_squared", "vif"):
            return {"paths": est.paths, "f_squared": est.f2, "vif": est.vif}[name][:, y, x]
        if name == "r_squared":
            adjusted = assessment.r2_adjusted(est.r2, d, self.n)
            return np.stack([est.r2, adjusted], axis=2)[:, endogenous].reshape(b, -1)
        if name == "htmt":
            return assessment.htmt(est, d)[:, off_y, off_x]
        if name == "effects":
            total = total_effects(est.paths, d.depth)
            each = (est.paths, total - est.paths, total)
            return np.concatenate([e[:, reach_y, reach_x] for e in each], axis=1)
        load = assessment.loadings(est, d)
        ave = assessment.ave(load, d)
        if name == "fornell_larcker":
            return assessment.fornell_larcker(est, ave).reshape(b, -1)
        alpha, rho_c = assessment.alpha(est, d), assessment.rho_c(load, d)
        return np.stack([alpha, est.rho_a, rho_c, ave], axis=2).reshape(b, -1)

    def flatten(self, est: Estimate) -> Array:
        """Return every number of every frame, (b, k), in the order of `keys`."""
        return np.concatenate([self.part(name, est) for name in self.keys], axis=1)

    def slices(self) -> dict[str, slice]:
        """Return where each frame lies in the flat vector."""
        out, start = {}, 0
        for name, columns in self.keys.items():
            size = len(next(iter(columns.values())))
            out[name] = slice(start, start + size)
            start += size
        return out

    def frame(self, name: str, est: Estimate) -> pd.DataFrame:
        """Return one frame of a point estimate, in its usual shape."""
        values, keys = self.part(name, est)[0], self.keys[name]
        if name in WIDE:
            index = pd.Index(keys["row"][:: len(WIDE[name])], name="construct")
            return pd.DataFrame(values.reshape(len(index), -1), index, list(WIDE[name]))
        if name == "htmt":
            square = np.eye(len(self.constructs))
            square[~np.eye(len(self.constructs), dtype=bool)] = values
            return pd.DataFrame(square, list(self.constructs), list(self.constructs))
        if name in ("fornell_larcker", "cross_loadings"):
            rows = self.constructs if name == "fornell_larcker" else self.items
            return pd.DataFrame(values.reshape(len(rows), -1), list(rows), list(self.constructs))
        if name == "effects":
            m = len(values) // 3
            direct, indirect, total = values.reshape(3, m)
            head = {k: keys[k][:m] for k in ("outcome", "predictor")}
            return pd.DataFrame(head | {"direct": direct, "indirect": indirect, "total": total})
        last = {"vif": "vif", "item_vif": "vif", "f_squared": "f2"}.get(name, "est")
        return pd.DataFrame(keys | {last: values})


def _grid(rows: np.ndarray, columns: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Keys of a wide frame read line by line."""
    names = np.array(columns, dtype=object)
    return {"row": np.repeat(rows, len(names)), "column": np.tile(names, len(rows))}
