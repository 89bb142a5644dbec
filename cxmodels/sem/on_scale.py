"""What a fitted model says about its constructs on 0-100, as frames; a part of :class:`SEMResult`.

The formulas stand in :mod:`cxmodels.sem.indices`.
"""

from __future__ import annotations

import warnings
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .. import index as ix
from ..errors import DataError, ImproperSolutionWarning, SpecError, near
from ..resampling import check_level
from .estimate import Estimate
from .indices import Effects, Measures, index_effects, index_weights, measures
from .inference import delta_variances
from .matrices import state
from .objective import expand
from .standardize import complex_jacobian

if TYPE_CHECKING:
    from ..survey import Survey
    from .prepare import Rows

Array = NDArray[Any]

__all__ = ["OnScale"]


class OnScale:
    """What a fitted model says about its constructs on 0-100; a part of :class:`SEMResult`."""

    estimate: Estimate
    rows: Rows
    row_index: pd.Index | None
    survey: Survey | None

    if TYPE_CHECKING:

        @property
        def free_vcov(self) -> Array:
            """Covariance matrix of the free parameters."""

    @cached_property
    def index_weights(self) -> pd.DataFrame:
        """Share of each item in its construct's index, [construct, item, weight] (and group).

        The normalised weights of the construct's regression score from its own items, proportional to loading over
        residual variance where residuals are uncorrelated.
        """
        parts = []
        for g, label in enumerate(self.rows.labels):
            m, v = self.index_parts(g)
            j, i = np.nonzero(m.mask.T)
            names, items = np.array(m.constructs, dtype=object), np.array(m.items, dtype=object)
            parts.append(self._grouped({"construct": names[j], "item": items[i], "weight": v[i, j]}, label))
        return pd.concat(parts, ignore_index=True)

    def index_parts(self, group: int = 0) -> tuple[Measures, Array]:
        """Return constructs and items with an index, and the weights, items by constructs.

        Parameters
        ----------
        group : int, default 0
            Position of the group.

        Returns
        -------
        (Measures, ndarray)
        """
        m = measures(self.estimate, group)
        return m, index_weights(m, self.estimate.blocks[group], self.estimate.states[group])

    def negative_weights(self) -> tuple[str, ...]:
        """Say which items have a negative weight, so that an index subtracts them.

        Returns
        -------
        tuple of str
            One sentence, or nothing.
        """
        f = self.index_weights.query("weight < 0")
        cells = [f"'{r.item}' of '{r.construct}'" for r in f.itertuples()]
        text = f"Negative index weight: {', '.join(cells[:8])}; the index subtracts what these items measure."
        return (text,) if cells else ()

    def index_scores(self, scale: ix.Scale = None) -> pd.DataFrame:
        """Scores of the rows used on 0-100.

        Parameters
        ----------
        scale : (lo, hi), or mapping of item to (lo, hi), optional
            Ends of the answer scales; by default those of the survey's codebook.

        Returns
        -------
        DataFrame
            Rows by constructs, with the data's index. Blanks (under FIML) are replaced by what the model expects
            given the answers of the row.

        Raises
        ------
        SpecError
            If an item has no scale, or the model has ordinal items.
        DataError
            If answers lie outside it, or there are no rows.
        """
        if self.row_index is None:
            raise DataError("Scores need the rows of the data; the model was fitted to moments.")
        self._warn_negative()
        parts = []
        for g in range(len(self.rows.labels)):
            m, v = self.index_parts(g)
            lo, hi = self.scale_ends(m, scale)
            values = ix.index(self.item_answers(m, g), v, lo, hi)
            parts.append(pd.DataFrame(values, self.row_index[self.rows.codes == g], list(m.constructs)))
        return pd.concat(parts) if len(parts) == 1 else pd.concat(parts).loc[self.row_index]

    def index(self, scale: ix.Scale = None) -> pd.Series:
        """Index of each construct on 0-100: 100 (sum v mean - sum v lo) / (sum v hi - sum v lo).

        Parameters
        ----------
        scale : (lo, hi), or mapping of item to (lo, hi), optional
            As for :meth:`index_scores`.

        Returns
        -------
        Series
            By construct (and group).

        Examples
        --------
        >>> import cxmodels as cx
        >>> res = cx.SEM("S =~ CUSA1 + CUSA2 + CUSA3").fit(cx.datasets.load("mobi"))
        >>> res.index(scale=(1, 10)).round(2).to_dict()
        {'S': 71.6}
        """
        self._warn_negative()
        values = []
        for g in range(len(self.rows.labels)):
            m, v = self.index_parts(g)
            means, ends = self.item_means(m, g), self.scale_ends(m, scale)
            ix.check_means(means, m.items, *ends)
            values.append(ix.index(means, v, *ends))
        return self._by_construct(values, "index")

    def index_se(self, scale: ix.Scale = None) -> pd.Series:
        """Standard error of each index at fixed weights; clusters count as units.

        Parameters
        ----------
        scale : (lo, hi), or mapping of item to (lo, hi), optional
            As for :meth:`index_scores`.

        Returns
        -------
        Series
            By construct (and group).
        """
        values = []
        for g in range(len(self.rows.labels)):
            m, v = self.index_parts(g)
            lo, hi = self.scale_ends(m, scale)
            values.append(self.index_errors(m, v, lo, hi, g))
        return self._by_construct(values, "se")

    def unstandardized_effects(self, scale: ix.Scale = None, level: float = 0.95) -> pd.DataFrame:
        """Effects between indices, [outcome, predictor, direct, indirect, total, se, ci_lower, ci_upper] (and group).

        Parameters
        ----------
        scale : (lo, hi), or mapping of item to (lo, hi), optional
            As for :meth:`index_scores`.
        level : float, default 0.95
            Confidence level.

        Returns
        -------
        DataFrame
            Points of the outcome's index per point of the predictor's, free of measurement error. Standard error
            and interval are of the total effect, by the delta method.

        Examples
        --------
        >>> import cxmodels as cx
        >>> model = "Quality =~ PERQ1 + PERQ4 + PERQ6; Value =~ PERV1 + PERV2; Value ~ Quality"
        >>> res = cx.SEM(model).fit(cx.datasets.survey("mobi"))
        >>> res.unstandardized_effects()[["outcome", "predictor", "total", "se", "ci_lower", "ci_upper"]].round(2)
          outcome predictor  total   se  ci_lower  ci_upper
        0   Value   Quality   0.86  0.1      0.68      1.05
        """
        from scipy.special import ndtri

        check_level(level)
        parts = []
        for g, label in enumerate(self.rows.labels):
            m = measures(self.estimate, g)
            lo, hi = self.scale_ends(m, scale)
            found, se = self.effects_and_errors(m, hi - lo, g)
            y, x = np.nonzero(m.reach)
            names = np.array(m.constructs, dtype=object)
            direct, total, error = found.direct[y, x], found.total[y, x], se[y, x]
            reach = -ndtri((1 - level) / 2) * error
            columns = {"outcome": names[y], "predictor": names[x], "direct": direct, "indirect": total - direct}
            columns |= {"total": total, "se": error, "ci_lower": total - reach, "ci_upper": total + reach}
            parts.append(self._grouped(columns, label))
        return pd.concat(parts, ignore_index=True)

    def ipma(self, target: str, scale: ix.Scale = None) -> pd.DataFrame:
        """Importance and performance for one target (Ringle and Sarstedt 2016).

        Parameters
        ----------
        target : str
            Construct whose drivers are wanted.
        scale : (lo, hi), or mapping of item to (lo, hi), optional
            As for :meth:`index_scores`.

        Returns
        -------
        DataFrame
            Index construct (and group), columns importance (total effect on the target's index, points per point)
            and performance (the index).

        Raises
        ------
        SpecError
            If the target is unknown or nothing leads to it.

        Examples
        --------
        >>> import cxmodels as cx
        >>> model = "Quality =~ PERQ1 + PERQ4 + PERQ6; Value =~ PERV1 + PERV2; Value ~ Quality"
        >>> res = cx.SEM(model).fit(cx.datasets.survey("mobi"))
        >>> res.ipma("Value").round(2)
                   importance  performance
        construct
        Quality          0.86        76.37
        """
        names = measures(self.estimate).constructs
        if target not in names:
            raise SpecError(f"'{target}' is not a construct with an index.{near(target, names)}")
        effects = self.unstandardized_effects(scale).query("outcome == @target")
        if effects.empty:
            raise SpecError(f"Nothing leads to '{target}'; choose a construct that has predictors.")
        key = ["predictor", *(["group"] if "group" in effects else [])]
        importance = effects.set_index(key)["total"].rename_axis(["construct", *key[1:]])
        return pd.DataFrame({"importance": importance, "performance": self.index(scale)[importance.index]})

    # --- parts ----------------------------------------------------------------------------------------------

    def scale_ends(self, m: Measures, scale: ix.Scale) -> tuple[Array, Array]:
        """Return the ends of each item's scale, after a check that all answers lie inside.

        Parameters
        ----------
        m : Measures
        scale : (lo, hi), mapping or None

        Returns
        -------
        lo, hi : ndarray of shape (items,)
        """
        lo, hi = ix.scale_ends(m.items, scale, self.survey.scale if self.survey is not None else lambda _: None)
        if len(self.rows.x):
            ix.check_inside(self.rows.x[:, [self.rows.names.index(i) for i in m.items]], m.items, lo, hi)
        return lo, hi

    def item_means(self, m: Measures, group: int = 0) -> Array:
        """Means of the items of a group: weighted ones, or under FIML those that maximum likelihood finds.

        Parameters
        ----------
        m : Measures
            Which constructs have an index, and from which items.
        group : int, default 0
            Position of the group.

        Returns
        -------
        ndarray of shape (items,)
            In the units of the items.

        Raises
        ------
        DataError
            If the model was fitted to moments without means.
        """
        e = self.estimate
        block, s = e.blocks[group], e.states[group]
        means = s.mean[: block.p] if e.plan.fiml else e.data.samples[group].mean
        if not e.plan.fiml and e.data.samples[group].x is None and not e.table.options.means:
            raise DataError("An index needs means; pass means= to fit_moments and fit with mean_structure=True.")
        return means[[block.names.index(i) for i in m.items]]

    def item_answers(self, m: Measures, group: int = 0) -> Array:
        """Answers of a group's rows, blanks at what the model expects given the others.

        Parameters
        ----------
        m : Measures
            Which constructs have an index, and from which items.
        group : int, default 0
            Position of the group.

        Returns
        -------
        ndarray of shape (rows, items)
        """
        block, s = self.estimate.blocks[group], self.estimate.states[group]
        x, mean, cov = self._table(group), s.mean[: block.p], s.cov[: block.p, : block.p]
        filled = x.copy()
        for seen, rows in _patterns(x):
            if not seen.all():
                step = np.linalg.solve(cov[np.ix_(seen, seen)], cov[np.ix_(seen, ~seen)])
                filled[np.ix_(rows, ~seen)] = mean[~seen] + (x[np.ix_(rows, seen)] - mean[seen]) @ step
        return filled[:, [block.names.index(i) for i in m.items]]

    def index_errors(self, m: Measures, v: Array, lo: Array, hi: Array, group: int = 0) -> Array:
        """Standard errors of the indices of a group at fixed weights.

        Parameters
        ----------
        m : Measures
            Which constructs have an index, and from which items.
        v : ndarray of shape (items, constructs)
            Normalised weights.
        lo, hi : ndarray of shape (items,)
            Ends of the scales.
        group : int, default 0
            Position of the group.

        Returns
        -------
        ndarray of shape (constructs,)
            On 0-100.

        Raises
        ------
        DataError
            If the model was fitted to moments.
        """
        if not len(self.rows.x):
            raise DataError("Standard errors of an index need the rows of the data; the model was fitted to moments.")
        mine = self.rows.codes == group
        case = np.ones(int(mine.sum())) if self.rows.weights is None else self.rows.weights[mine]
        clusters = None if self.rows.clusters is None else self.rows.clusters[mine]
        block = self.estimate.blocks[group]
        moved = self._mean_influence(group, case)[:, [block.names.index(i) for i in m.items]]
        return ix.mean_se(100 * (moved @ v) / ((hi - lo) @ v), case, clusters)

    def effects_and_errors(self, m: Measures, width: Array, group: int = 0) -> tuple[Effects, Array]:
        """Effects between the indices of a group, and standard errors of the total ones by the delta method.

        Parameters
        ----------
        m : Measures
            Which constructs have an index, and from which items.
        width : ndarray of shape (items,)
            Distance of the scale's ends.
        group : int, default 0
            Position of the group.

        Returns
        -------
        effects : Effects
            In points of the outcome per point of the predictor.
        se : ndarray of shape (constructs, constructs)
        """
        e = self.estimate
        block = e.blocks[group]

        def effects(x: Array) -> Effects:
            values = expand(e.table, e.base, x)
            s = state(block, values)
            return index_effects(m, block, values, s, index_weights(m, block, s), width)

        def flat(x: Array) -> Array:
            total = effects(x).total
            return total.reshape(*total.shape[:-2], -1)

        jacobian = complex_jacobian(flat, e.x)
        variance = delta_variances(jacobian, self.free_vcov)
        return effects(e.x), np.sqrt(variance).reshape(len(m.place), -1)

    def _mean_influence(self, group: int, case: Array) -> Array:
        """Influence of each row on the means of the items: the row less the mean, or its share of the FIML mean."""
        e = self.estimate
        block, s, x = e.blocks[group], e.states[group], self._table(group)
        if not e.plan.fiml:
            return x - e.data.samples[group].mean
        mean, cov = s.mean[: block.p], s.cov[: block.p, : block.p]
        push, information = np.zeros_like(x), np.zeros_like(cov)
        for seen, rows in _patterns(x):
            inverse = np.linalg.inv(cov[np.ix_(seen, seen)])
            push[np.ix_(rows, seen)] = (x[np.ix_(rows, seen)] - mean[seen]) @ inverse
            information[np.ix_(seen, seen)] += case[rows].sum() * inverse
        return case.sum() * np.linalg.solve(information, push.T).T

    def _table(self, group: int) -> Array:
        block = self.estimate.blocks[group]
        columns = [self.rows.names.index(n) for n in block.names[: block.p]]
        return self.rows.x[self.rows.codes == group][:, columns]

    def _warn_negative(self) -> None:
        for text in self.negative_weights():
            warnings.warn(text, ImproperSolutionWarning, stacklevel=3)

    def _grouped(self, columns: dict[str, Any], label: Any) -> pd.DataFrame:
        """A frame of one group, its label at the end of the keys if there are several."""
        frame = pd.DataFrame(columns)
        if len(self.rows.labels) > 1:
            frame.insert(2, "group", label)
        return frame

    def _by_construct(self, values: list[Array], name: str) -> pd.Series:
        names = measures(self.estimate).constructs
        if len(values) == 1:
            return pd.Series(values[0], pd.Index(names, name="construct"), name=name)
        keys = pd.MultiIndex.from_product([self.rows.labels, names], names=["group", "construct"]).swaplevel()
        return pd.Series(np.concatenate(values), keys, name=name)


def _patterns(x: Array) -> list[tuple[NDArray[np.bool_], NDArray[np.intp]]]:
    """Which items are answered, and the rows that answered these."""
    seen, which = np.unique(~np.isnan(x), axis=0, return_inverse=True)
    return [(line, np.flatnonzero(which == k)) for k, line in enumerate(seen)]
