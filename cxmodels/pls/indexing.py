"""Constructs on 0-100: scores, indices, effects in points, importance and performance."""

from __future__ import annotations

import warnings as _warnings
from typing import Any, Literal

import numpy as np
import pandas as pd

from .. import index as ix
from ..errors import ImproperSolutionWarning, SpecError, near
from ..inference import choose
from .kernel import Array, Design, Estimate, total_effects


class Indexing:
    """Methods of :class:`PLSResult` in the units of the answer scales."""

    def index_scores(self: Any, scale: ix.Scale = None) -> pd.DataFrame:
        """Scores of the rows used on 0-100.

        Parameters
        ----------
        scale : (lo, hi), or mapping of item to (lo, hi), optional
            Ends of the answer scales; by default those of the survey's codebook.

        Returns
        -------
        DataFrame
            Rows by constructs. With normalised unstandardised weights v and scale ends lo, hi:
            100 (sum v x - sum v lo) / (sum v hi - sum v lo) (Fornell et al. 1996).

        Raises
        ------
        SpecError
            If an item has no scale.
        DataError
            If answers lie outside it.

        Examples
        --------
        >>> import cxmodels as cx
        >>> res = cx.PLS(cx.acsi.ECSI.syntax).fit(cx.datasets.survey("mobi"))
        >>> res.index_scores()["Satisfaction"].head(3).round(1)
        0    53.0
        1    92.6
        2    70.9
        Name: Satisfaction, dtype: float64
        """
        lo, hi = self._scale(scale)
        return self._by_row(ix.index(self.filled, self._normalized(), lo, hi))

    def index(self: Any, scale: ix.Scale = None) -> pd.Series:
        """Index of each construct on 0-100, the mean of :meth:`index_scores`.

        Parameters
        ----------
        scale : (lo, hi), or mapping of item to (lo, hi), optional
            As for :meth:`index_scores`.

        Returns
        -------
        Series
            By construct.

        Examples
        --------
        >>> import cxmodels as cx
        >>> model = "Q =~ PERQ1 + PERQ2 + PERQ3; S =~ CUSA1 + CUSA2 + CUSA3; S ~ Q"
        >>> res = cx.PLS(model).fit(cx.datasets.survey("mobi"))
        >>> res.index().round(1)
        construct
        Q    74.3
        S    72.7
        Name: index, dtype: float64
        """
        lo, hi = self._scale(scale)
        return self._by_construct(ix.index(self.means, self._normalized(), lo, hi), "index")

    def index_se(self: Any, scale: ix.Scale = None) -> pd.Series:
        """Standard error of each index at fixed weights, sd / sqrt(n) or its weighted form.

        Parameters
        ----------
        scale : (lo, hi), or mapping of item to (lo, hi), optional
            As for :meth:`index_scores`.

        Returns
        -------
        Series
            By construct.

        Examples
        --------
        >>> import cxmodels as cx
        >>> res = cx.PLS(cx.acsi.ECSI.syntax).fit(cx.datasets.survey("mobi"))
        >>> res.index_se().round(2).loc[["Quality", "Satisfaction"]]
        construct
        Quality         0.88
        Satisfaction    0.91
        Name: se, dtype: float64
        """
        lo, hi = self._scale(scale)
        case = np.ones(self.n_obs) if self.case_weights is None else self.case_weights
        return self._by_construct(
            ix.mean_se(ix.index_influence(self.x, case, self._normalized(), lo, hi), case), "se"
        )

    def unstandardized_effects(self: Any, scale: ix.Scale = None) -> pd.DataFrame:
        """Effects between 0-100 scores, [outcome, predictor, direct, indirect, total].

        Parameters
        ----------
        scale : (lo, hi), or mapping of item to (lo, hi), optional
            As for :meth:`index_scores`.

        Returns
        -------
        DataFrame
            Points of the outcome's index per point of the predictor's.

        Examples
        --------
        >>> import cxmodels as cx
        >>> res = cx.PLS(cx.acsi.ECSI.syntax).fit(cx.datasets.survey("mobi"))
        >>> effects = res.unstandardized_effects()
        >>> effects.query("outcome == 'Satisfaction'").round(2)
                outcome    predictor  direct  indirect  total
        6  Satisfaction        Image    0.19      0.22   0.41
        7  Satisfaction  Expectation    0.06      0.37   0.43
        8  Satisfaction      Quality    0.53      0.11   0.64
        9  Satisfaction        Value    0.14      0.00   0.14
        """
        direct, total = self._impacts(scale)
        out = self.effects[["outcome", "predictor"]]
        out = out[out["predictor"].isin(self.linear)].reset_index(drop=True)
        place = {name: i for i, name in enumerate(self.linear)}
        at = out["outcome"].map(place).to_numpy(), out["predictor"].map(place).to_numpy()
        out["direct"], out["indirect"], out["total"] = direct[at], (total - direct)[at], total[at]
        return out

    def ipma(
        self: Any,
        target: str,
        scale: ix.Scale = None,
        *,
        items: bool = False,
        weights: Literal["unstandardized", "standardized"] = "unstandardized",
    ) -> pd.DataFrame:
        """Importance and performance for one target (Ringle and Sarstedt 2016).

        Parameters
        ----------
        target : str
            Construct whose drivers are wanted.
        scale : (lo, hi), or mapping of item to (lo, hi), optional
            As for :meth:`index_scores`.
        items : bool, default False
            Give the items of the drivers in place of the drivers.
        weights : {"unstandardized", "standardized"}, default "unstandardized"
            Which weights average the raw items. Unstandardised ones go with unstandardised answers (Fornell et al. 1996;
            cSEM); some programs (seminrExtras) take those of standardised items, which shifts the first decimal.

        Returns
        -------
        DataFrame
            Index construct (or construct and item), columns importance (unstandardised total effect on the
            target's 0-100 score) and performance (0-100 index).

        Raises
        ------
        SpecError
            If the target is unknown or nothing leads to it.

        Examples
        --------
        >>> import cxmodels as cx
        >>> res = cx.PLS(cx.acsi.ECSI.syntax).fit(cx.datasets.survey("mobi"))
        >>> res.ipma("Satisfaction").round(2)
                     importance  performance
        construct
        Image              0.41        73.53
        Expectation        0.43        72.47
        Quality            0.64        74.98
        Value              0.14        62.35
        """
        names = self.linear
        if target not in names:
            raise SpecError(f"'{target}' is not a construct of the model.{near(target, names)}")
        reach = total_effects(self.linear_arrows, self.layout.design.depth)[names.index(target)] > 0
        if not reach.any():
            raise SpecError(f"Nothing leads to '{target}'; choose a construct that has predictors.")
        choose("weights", weights, ("unstandardized", "standardized"))
        lo, hi = self._scale(scale)
        v = self._normalized()
        if weights == "standardized":
            v = ix.normalized_weights(self.raw_weights * np.sqrt(np.diagonal(self.raw_cov))[:, None])
        importance = self._impacts(scale, v)[1][names.index(target)]
        if not items:
            columns = {"importance": importance, "performance": ix.index(self.means, v, lo, hi)}
            frame = pd.DataFrame(columns, index=pd.Index(names, name="construct"))
            return frame[reach]
        cells = [(names[j], i) for j in np.flatnonzero(reach) for i in np.flatnonzero(self.raw_weights[:, j])]
        where = [(names.index(c), i) for c, i in cells]
        share = v * (hi - lo)[:, None] / ((hi - lo) @ v)
        return pd.DataFrame(
            {
                "importance": [share[i, j] * importance[j] for j, i in where],
                "performance": [100 * (self.means[i] - lo[i]) / (hi[i] - lo[i]) for _, i in where],
            },
            index=pd.MultiIndex.from_tuples([(c, self.item_names[i]) for c, i in cells], names=["construct", "item"]),
        )

    def negative_weights(self: Any) -> tuple[str, ...]:
        """Say which items have a negative outer weight, so that an index subtracts them.

        Returns
        -------
        tuple of str
            One sentence, or nothing.

        Examples
        --------
        >>> import cxmodels as cx
        >>> model = "Q =~ PERQ1 + PERQ2 + PERQ3; S =~ CUSA1 + CUSA2 + CUSA3; S ~ Q"
        >>> res = cx.PLS(model).fit(cx.datasets.survey("mobi"))
        >>> res.negative_weights()
        ()
        """
        cells = [f"'{self.item_names[i]}' of '{self.linear[j]}'" for i, j in np.argwhere(self.raw_weights < 0)]
        text = f"Negative outer weight: {', '.join(cells[:8])}; the index subtracts what these items measure."
        return (text,) if cells else ()

    def _normalized(self: Any) -> Array:
        for text in self.negative_weights():
            _warnings.warn(text, ImproperSolutionWarning, stacklevel=3)
        return ix.normalized_weights(self.raw_weights)

    def _scale(self: Any, scale: ix.Scale) -> tuple[Array, Array]:
        lo, hi = ix.scale_ends(self.item_names, scale, self.survey.scale)
        ix.check_inside(self.x, self.item_names, lo, hi)
        return lo, hi

    def _impacts(self: Any, scale: ix.Scale, v: Array | None = None) -> tuple[Array, Array]:
        """Direct and total unstandardised effects, [outcome, predictor]."""
        lo, hi = self._scale(scale)
        v = ix.normalized_weights(self.raw_weights) if v is None else v
        direct = point_paths(self.estimate, self.layout.design, self.raw_cov, v, lo, hi)[0]
        return direct, total_effects(direct, self.layout.design.depth)


def point_paths(est: Estimate, design: Design, cov: Array, v: Array, lo: Array, hi: Array) -> Array:
    """Paths (b, j, j) between the 0-100 scores of j constructs, b_std sd(s_outcome) / sd(s_predictor).

    Paths of consistent PLS are between constructs, free of measurement error: there sd is that of the part of a score
    that its construct explains, sd(s) sqrt(rho_A).
    """
    j = v.shape[-1]
    sd = ix.index_sd(cov, v, lo, hi)
    if design.corrected.any():
        with np.errstate(invalid="ignore"):
            sd = sd * np.sqrt(np.where(design.corrected, est.rho_a, 1.0)[..., :j])
    return ix.unstandardized_paths(est.paths[:, :j, :j], sd)
