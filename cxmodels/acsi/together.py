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

        Examples
        --------
        >>> import cxmodels as cx
        >>> data, _ = cx.datasets.simulate_study(companies=6, respondents=100, years=2, seed=3)
        >>> index = cx.SatisfactionIndex()
        >>> now = index.fit(data[data["year"] == 2025], "company", weights="weight", bootstrap=0)
        >>> found = now.aggregate(["industry"], weights="revenue")
        >>> found.query("construct == 'Satisfaction'")[["level", "name", "index", "se", "units"]].round(2)
              level            name  index    se  units
        3  industry  Retail trade 1  68.06  1.05      6
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

        Examples
        --------
        >>> import cxmodels as cx
        >>> data, _ = cx.datasets.simulate_study(companies=6, respondents=100, years=2, seed=3)
        >>> index = cx.SatisfactionIndex()
        >>> now = index.fit(data[data["year"] == 2025], "company", weights="weight", bootstrap=0)
        >>> before = index.fit(data[data["year"] == 2024], "company", weights="weight", bootstrap=0)
        >>> found = now.change(before).query("construct == 'Satisfaction'")
        >>> found[["company", "previous", "index", "change", "pvalue_adjusted"]].round(2)
              company  previous  index  change  pvalue_adjusted
        3   Company 1     72.08  68.35   -3.73              1.0
        9   Company 2     72.54  73.80    1.26              1.0
        15  Company 3     69.53  70.28    0.76              1.0
        21  Company 4     62.99  62.68   -0.31              1.0
        27  Company 5     70.80  67.47   -3.33              1.0
        33  Company 6     69.93  68.35   -1.58              1.0
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

        Examples
        --------
        >>> import cxmodels as cx
        >>> data, _ = cx.datasets.simulate_study(companies=6, respondents=100, years=2, seed=3)
        >>> index = cx.SatisfactionIndex()
        >>> now = index.fit(data[data["year"] == 2025], "company", weights="weight", bootstrap=0)
        >>> before = index.fit(data[data["year"] == 2024], "company", weights="weight", bootstrap=0)
        >>> found = now.aggregate_change(before, ["industry"], weights="revenue")
        >>> found.query("construct == 'Satisfaction'")[["name", "previous", "index", "change", "se"]].round(2)
                     name  previous  index  change    se
        3  Retail trade 1      70.2  68.06   -2.14  1.41
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

        Examples
        --------
        >>> import cxmodels as cx
        >>> data, _ = cx.datasets.simulate_study(companies=6, respondents=100, years=2, seed=3)
        >>> index = cx.SatisfactionIndex()
        >>> now = index.fit(data[data["year"] == 2025], "company", weights="weight", bootstrap=0)
        >>> now.ranks()[["company", "index", "rank", "rank_lower", "rank_upper", "group"]].round(1)
             company  index  rank  rank_lower  rank_upper  group
        0  Company 2   73.8     1           1           5      1
        1  Company 3   70.3     2           1           6      1
        2  Company 1   68.3     3           1           6      1
        3  Company 6   68.3     4           1           6      1
        4  Company 5   67.5     5           1           6      1
        5  Company 4   62.7     6           2           6      2
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

        Examples
        --------
        >>> import cxmodels as cx
        >>> data, _ = cx.datasets.simulate_study(companies=6, respondents=100, years=2, seed=3)
        >>> index = cx.SatisfactionIndex()
        >>> now = index.fit(data[data["year"] == 2025], "company", weights="weight", bootstrap=0)
        >>> found = now.shrunk("industry")
        >>> found.query("construct == 'Satisfaction'").iloc[:2].round(2).T
                                3               9
        company         Company 1       Company 2
        industry   Retail trade 1  Retail trade 1
        construct    Satisfaction    Satisfaction
        index               68.41           71.71
        se                   2.28            2.21
        ci_lower            63.94           67.39
        ci_upper            72.88           76.04
        direct              68.35            73.8
        share                0.42            0.39
        n                     100             100
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

        Examples
        --------
        >>> import cxmodels as cx
        >>> data, _ = cx.datasets.simulate_study(companies=6, respondents=100, years=2, seed=3)
        >>> index = cx.SatisfactionIndex()
        >>> now = index.fit(data[data["year"] == 2025], "company", weights="weight", bootstrap=0)
        >>> before = index.fit(data[data["year"] == 2024], "company", weights="weight", bootstrap=0)
        >>> now.explain_change(before).query("company == 'Company 1'")[["driver", "part", "est"]].round(2)
                 driver    part   est
        0  Expectations  driver  0.16
        1       Quality  driver -1.18
        2         Value  driver -1.40
        3  Expectations  impact  0.01
        4       Quality  impact  0.11
        5         Value  impact  0.25
        6                  rest -1.69
        7                change -3.73
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

        Examples
        --------
        >>> import cxmodels as cx
        >>> data, _ = cx.datasets.simulate_study(companies=6, respondents=100, years=2, seed=3)
        >>> index = cx.SatisfactionIndex()
        >>> now = index.fit(data[data["year"] == 2025], "company", weights="weight", bootstrap=0)
        >>> now.outcomes().query("company == 'Company 1'")[["measure", "value", "se"]].round(2)
                   measure  value    se
        0   Complaint rate   0.22  0.04
        1        Retention   0.75  0.02
        2  Price tolerance   4.97  1.14
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

        Examples
        --------
        >>> import cxmodels as cx
        >>> data, _ = cx.datasets.simulate_study(companies=6, respondents=100, years=2, seed=3)
        >>> index = cx.SatisfactionIndex()
        >>> now = index.fit(data[data["year"] == 2025], "company", weights="weight", bootstrap=0)
        >>> now.aggregate_outcomes(["industry"])[["name", "measure", "value"]].round(2).head(3)
                     name          measure  value
        0  Retail trade 1   Complaint rate   0.19
        1  Retail trade 1        Retention   0.76
        2  Retail trade 1  Price tolerance   6.67
        """
        from .rates import aggregate_outcomes

        return aggregate_outcomes(self._own, levels, weights, **columns)
