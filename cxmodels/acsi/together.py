"""What can be asked of many units at once: levels above them, changes, ranks, and what satisfaction leads to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import pandas as pd

from . import comparison

if TYPE_CHECKING:
    from .result import IndexResult


class Together:
    """Methods of :class:`IndexResult` that take its units together."""

    @property
    def _own(self) -> IndexResult:
        """The result that this is a part of."""
        return cast("IndexResult", self)

    def aggregate(
        self,
        levels: str | Sequence[str],
        weights: str | Mapping[str, str] | None = None,
        *,
        respondent: str | None = None,
    ) -> pd.DataFrame:
        """Combine the indices of units into those of industries, sectors, or any other level.

        Parameters
        ----------
        levels : str or sequence of str
            Columns of the data that name the level of every unit, each constant within a unit, from the lowest up;
            ``"nation"`` is everything together.
        weights : str or mapping of level to str, optional
            Column with the weight of a unit, such as its revenue, constant within a unit; "interviews" is the sum of
            its case weights, so that an aggregate is the mean of all its responses. Without it units
            count alike. A mapping names a weight for each level, and each level then averages the one below:
            ``{"industry": "revenue", "sector": "revenue", "nation": "gdp_share"}`` adds the revenue of companies up to
            that of industries, and takes the share of GDP, which is constant in a sector, as the sector's weight.
        respondent : str, optional
            Column that names a person, where some rate several units; samples of different units are then dependent.

        Returns
        -------
        DataFrame
            [level, name, (further keys such as year), construct, index, se, ci_lower, ci_upper, units, n].
            The index is the weighted mean of the units', se = sqrt(sum p² se²) with p the shares of weight:
            samples of different units are independent, or else as in :mod:`cxmodels.acsi.overlap`.

        Raises
        ------
        SpecError
            If there is one unit only, or a column does not exist.
        DataError
            If a level or weight is missing, varies within a unit, or is negative.
        """
        levels = [levels] if isinstance(levels, str) else list(levels or ())
        return comparison.aggregate(self._own, levels, weights, people=respondent)

    def change(self, previous: IndexResult, *, adjust: str = "holm", respondent: str | None = None) -> pd.DataFrame:
        """Compare the indices with those of an earlier wave, unit by unit.

        Parameters
        ----------
        previous : IndexResult
            The earlier wave, with the same keys.
        adjust : {"holm", "bh", "none"}, default "holm"
            Adjustment of the p-values for many units, within each construct: Holm keeps the chance of any
            false alarm, Benjamini and Hochberg ("bh") the share of false alarms.
        respondent : str, optional
            Column of both waves that names a person, where some were asked in both; what they say twice hangs together,
            and the standard error of the change is smaller for it. By default the samples are independent.

        Returns
        -------
        DataFrame
            [unit..., construct, previous, index, change, se, z, pvalue, pvalue_adjusted, detectable], for units in both;
            z = (I_t - I_{t-1}) / se, where se² = se_t² + se_{t-1}², less twice the covariance that common
            respondents bring (:mod:`cxmodels.acsi.overlap`; then ``overlap`` counts them). ``detectable`` is the
            smallest true change that one such test would have found with a power of 80 %.

        Raises
        ------
        SpecError
            If keys differ, no unit is in both, or `adjust` is unknown.
        DataError
            If there is no such column, or somebody rates a unit twice in a wave.
        """
        return comparison.change(self._own, previous, adjust, respondent)

    def aggregate_change(
        self,
        previous: IndexResult,
        levels: str | Sequence[str],
        weights: str | Mapping[str, str] | None = None,
        *,
        adjust: str = "holm",
        respondent: str | None = None,
    ) -> pd.DataFrame:
        """Compare industries, sectors or the nation with an earlier wave.

        Parameters
        ----------
        previous : IndexResult
            The earlier wave, with the same keys.
        levels, weights
            As for :meth:`aggregate`; each wave has the weights of its own data.
        adjust : {"holm", "bh", "none"}, default "holm"
            As for :meth:`change`, within level and construct.
        respondent : str, optional
            As for :meth:`change`. People who rate several units of a group are accounted for as well.

        Returns
        -------
        DataFrame
            [level, name, (further keys), construct, previous, index, change, se, z, pvalue, pvalue_adjusted, detectable],
            and with `respondent` overlap, the people of the group in both waves.

        Raises
        ------
        SpecError
            As :meth:`change` and :meth:`aggregate`.
        DataError
            As :meth:`change` and :meth:`aggregate`.
        """
        levels = [levels] if isinstance(levels, str) else list(levels or ())
        return comparison.aggregate_change(self._own, previous, levels, weights, adjust, respondent)

    def ranks(self, construct: str | None = None, *, within: str | None = None, joint: bool = False) -> pd.DataFrame:
        """Rank the units by an index, with an interval for each rank and groups of ties.

        Parameters
        ----------
        construct : str, optional
            By default the headline construct.
        within : str, optional
            Column of the data that names a group, such as the industry, inside which units are ranked.
        joint : bool, default False
            Whether the intervals hold for all units together; by default each by itself.

        Returns
        -------
        DataFrame
            [unit..., (within), index, se, n, rank, rank_lower, rank_upper, group], best first; see
            :func:`cxmodels.acsi.ranks.rank_table`.

        Raises
        ------
        SpecError
            If there is one unit only, or no such construct or column.
        """
        return comparison.ranks(self._own, construct or self._own.target, within, joint)

    def shrunk(self, within: str | None = None) -> pd.DataFrame:
        """Draw the indices of units towards the mean of their group, the more the fewer interviews a unit has.

        Parameters
        ----------
        within : str, optional
            Column of the data that names the group, such as the industry; by default all units are one.

        Returns
        -------
        DataFrame
            [unit..., (within), construct, index, se, ci_lower, ci_upper, direct, share, n]: empirical-Bayes index and
            the root of its mean squared error, the index from the unit's own interviews, and how much of the way to
            the group's mean it was drawn (Fay and Herriot 1979); see :func:`cxmodels.acsi.shrinkage.shrink`.

        Raises
        ------
        SpecError
            If there is one unit only, or no such column.
        DataError
            If no group has two units.
        """
        return comparison.shrunk(self._own, within)

    def explain_change(
        self, previous: IndexResult, target: str | None = None, *, reference: float | str = "mean"
    ) -> pd.DataFrame:
        """Split the change of an index since an earlier wave into what drivers moved and what their impacts moved.

        Parameters
        ----------
        previous : IndexResult
            The earlier wave, with the same keys and model.
        target : str, optional
            By default the headline construct.
        reference : float or "mean", default "mean"
            Level of the drivers at which everything else is read: the mean of each driver over all units and both
            waves, or a number such as 0 for the lower end of the scale. The drivers' part does not depend on it.

        Returns
        -------
        DataFrame
            [unit..., target, driver, part, est, se, ci_lower, ci_upper]: part is "driver" (its index moved), "impact"
            (its effect moved), "rest", or "change" (the sum); see :mod:`cxmodels.acsi.decomposition`. Intervals from
            the bootstraps of both waves, NaN without. Association, not proof of cause.

        Raises
        ------
        SpecError
            If waves cannot be compared, or nothing leads to the target.
        """
        return comparison.explain_change(self._own, previous, target or self._own.target, reference)

    def outcomes(self, **columns: Any) -> pd.DataFrame:
        """Complaint rate, retention, price tolerance and reservation price of the units.

        Parameters
        ----------
        **columns
            complaint, repurchase, up, down, price, calibration, strata and clusters, as for
            :func:`cxmodels.acsi.rates.outcomes`; an ACSI-style survey needs none.

        Returns
        -------
        DataFrame
            [unit..., measure, scale, value, se, ci_lower, ci_upper, n].

        Raises
        ------
        SpecError
            If the data have none of the columns, or lack one that was named.
        """
        from .rates import outcomes

        return outcomes(self._own, **columns)

    def aggregate_outcomes(
        self, levels: str | Sequence[str], weights: str | Mapping[str, str] | None = None, **columns: Any
    ) -> pd.DataFrame:
        """Combine complaint rates, retention, price tolerance and reservation prices over a hierarchy.

        Parameters
        ----------
        levels, weights
            As for :meth:`aggregate`.
        **columns
            As for :meth:`outcomes`.

        Returns
        -------
        DataFrame
            [level, name, (further keys), measure, scale, value, se, ci_lower, ci_upper, units, n].

        Raises
        ------
        SpecError
            As :meth:`aggregate` and :meth:`outcomes`.
        """
        from .rates import aggregate_outcomes

        return aggregate_outcomes(self._own, levels, weights, **columns)
