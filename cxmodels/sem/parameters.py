"""The parameters of a fitted model as frames: estimates, their errors and covariances; a part of :class:`SEMResult`."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..resampling import check_level
from . import inference
from .composites import is_hidden, weight_of
from .constraints import defined_values
from .estimate import Estimate
from .objective import expand
from .standardize import KINDS, complex_jacobian, standardized, standardized_se
from .table import Table
from .threads import one_thread

if TYPE_CHECKING:
    from .prepare import Rows

Array = NDArray[Any]

__all__ = ["Parameters"]


class Parameters:
    """What was estimated, fixed and defined, and how well it is known."""

    estimate: Estimate
    rows: Rows

    @cached_property
    def estimates(self) -> pd.DataFrame:
        """All parameters, [lhs, op, rhs, group, label, est, se, z, pvalue, ci_lower, ci_upper, std_lv, std_all].

        In lavaan's order, ``:=`` last; fixed ones have se 0. Intervals are 95 % and normal. With two levels there
        is a column ``level`` too.
        """
        return self.parameters()

    def parameters(self, level: float = 0.95) -> pd.DataFrame:
        """Return :attr:`estimates` with intervals of another level.

        Parameters
        ----------
        level : float, default 0.95
            Confidence level.

        Returns
        -------
        DataFrame

        Examples
        --------
        >>> import cxmodels as cx
        >>> model = "visual =~ x1 + x2 + x3; text =~ x4 + x5 + x6; text ~ visual"
        >>> res = cx.SEM(model).fit(cx.datasets.load("holzinger"))
        >>> res.parameters(level=0.9).query("op == '~'")[["lhs", "rhs", "est", "ci_lower", "ci_upper"]].round(2)
            lhs     rhs  est  ci_lower  ci_upper
        6  text  visual  0.5      0.35      0.66
        """
        from scipy.special import ndtr, ndtri

        check_level(level)
        est, se = self._with_defined(self.estimate.values), self.standard_errors
        with np.errstate(invalid="ignore", divide="ignore"):
            z = np.where(se > 0, est / se, np.nan)
        width = -ndtri((1 - level) / 2) * se
        numbers = {
            "est": est, "se": se, "z": z, "pvalue": 2 * ndtr(-np.abs(z)),
            "ci_lower": est - width, "ci_upper": est + width,
        }  # fmt: skip
        standard = {k: self._standardized[k] for k in ("std_lv", "std_all")}
        return self.shown(pd.DataFrame({**self._names, **numbers, **standard}))

    def shown(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return a frame with a row for every parameter without those that only serve composites.

        Parameters
        ----------
        frame : DataFrame
            Rows in the order of the parameter table.

        Returns
        -------
        DataFrame
        """
        weights = [weight_of(d) for d, _ in self.estimate.table.defined]
        if not any(weights):
            return frame
        frame = frame.copy()
        first = len(self.estimate.table.entries)
        for i, found in enumerate(weights, first):
            if found is not None:
                composite, item, group = found
                frame.loc[i, ["lhs", "op", "rhs", "group"]] = [composite, "<~", item, self.rows.labels[group]]
        if "label" in frame:
            frame.loc[frame["label"].map(is_hidden) | frame["label"].str.startswith("<~"), "label"] = ""
        return frame[~frame["lhs"].map(is_hidden)].reset_index(drop=True)

    @cached_property
    def _keys(self) -> pd.DataFrame:
        """Names of all parameters."""
        return pd.DataFrame(self._names)

    @property
    def _names(self) -> dict[str, Any]:
        """Names of all parameters, by column."""
        return _name_columns(self.estimate.table, self.rows.labels)

    def _with_defined(self, values: Array) -> Array:
        return np.concatenate([values, defined_values(self.estimate.table, values)], axis=-1)

    @cached_property
    @one_thread
    def free_vcov(self) -> Array:
        """Covariance matrix of the distinct free parameters as an array, (q, q)."""
        return inference.covariance(self.estimate)

    @cached_property
    @one_thread
    def standard_errors(self) -> Array:
        """Standard errors of all rows of :attr:`estimates`; 0 where fixed."""
        e = self.estimate

        def function(x: Array) -> Array:
            return self._with_defined(expand(e.table, e.base, x))

        jacobian = complex_jacobian(function, e.x) if e.table.defined else None
        variance = np.maximum(np.diagonal(self.free_vcov), 0.0)
        se = np.zeros(len(e.table.entries))
        free = e.table.index >= 0
        se[free] = np.sqrt(variance[e.table.index[free]])
        if jacobian is None:
            return se
        tail = jacobian[len(se) :]
        defined = np.sqrt(inference.delta_variances(tail, self.free_vcov))
        known = np.isfinite(self._with_defined(e.values)[len(se) :])
        return np.concatenate([se, np.where(known, defined, np.nan)])

    @cached_property
    def vcov(self) -> pd.DataFrame:
        """Covariance matrix of the estimates of the distinct free parameters, named by label or equation."""
        names = self.parameter_names
        return pd.DataFrame(self.free_vcov, names, names)

    @cached_property
    def parameter_names(self) -> list[str]:
        """Names of the distinct free parameters: their label, or ``lhs op rhs`` (and ``.group``)."""
        t = self.estimate.table
        out = []
        for q in range(t.size):
            e = t.entries[int(np.flatnonzero(t.index == q)[0])]
            name = e.label or f"{e.lhs}{e.op}{e.rhs}"
            out.append(name if e.label or len(self.rows.labels) == 1 else f"{name}.{self.rows.labels[e.group]}")
        return out

    @cached_property
    @one_thread
    def _standardized(self) -> dict[str, Array]:
        e = self.estimate
        return {k: self._with_defined(standardized(e, e.values, k, e.states)) for k in ("std_lv", "std_all")}

    @cached_property
    @one_thread
    def standardized(self) -> pd.DataFrame:
        """Standardised solutions, [lhs, op, rhs, group, std_lv, std_all, std_nox], each followed by its `_se`.

        std_lv: constructs have unit variance; std_all: items too; std_nox: but not fixed predictors. Delta method.
        """
        frame = self._keys.drop(columns="label")
        for k in KINDS:
            frame[k] = self._with_defined(standardized(self.estimate, self.estimate.values, k))
            frame[f"{k}_se"] = standardized_se(self.estimate, self.free_vcov, k)
        return self.shown(frame)

    @cached_property
    def paths(self) -> pd.DataFrame:
        """Structural paths, [outcome, predictor, est, std_all, se, pvalue] (and group)."""
        f = self.estimates[self.estimates["op"] == "~"]
        frame = f.rename(columns={"lhs": "outcome", "rhs": "predictor"})
        columns = ["outcome", "predictor", *(["group"] if len(self.rows.labels) > 1 else [])]
        return frame[[*columns, "est", "std_all", "se", "pvalue"]].reset_index(drop=True)


@lru_cache(maxsize=64)
def _name_columns(t: Table, labels: tuple[Any, ...]) -> dict[str, Any]:
    """Names of all parameters of a table, by column; kept with it, as text costs more than numbers."""
    names = [d for d, _ in t.defined]
    columns: dict[str, list[Any]] = {
        "lhs": [*(e.lhs for e in t.entries), *names],
        "op": [*(e.op for e in t.entries), *(":=" for _ in names)],
        "rhs": [*(e.rhs for e in t.entries), *(x.text for _, x in t.defined)],
        "group": [*(labels[e.group] for e in t.entries), *("" for _ in names)],
        "label": [*(e.label for e in t.entries), *names],
    }
    if t.levels > 1:
        columns["level"] = [*(str(e.level + 1) for e in t.entries), *("" for _ in names)]
    return {name: pd.Series(values).array for name, values in columns.items()}
