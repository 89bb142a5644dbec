"""What a fitted model says of its items and constructs: implied moments, residuals, scores, reliability, validity."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError
from ..survey import as_survey
from . import assessment, scoring
from .composites import is_hidden
from .estimate import Estimate
from .prepare import other_rows
from .residuals import residuals
from .threads import one_thread

if TYPE_CHECKING:
    from .prepare import Rows
    from .spec import SEM

__all__ = ["Measurement"]


class Measurement:
    """Moments, scores and quality of the measurement; a part of :class:`SEMResult`."""

    estimate: Estimate
    rows: Rows
    row_index: pd.Index | None
    spec: SEM

    if TYPE_CHECKING:

        def _one_level(self, what: str) -> None: ...

        def _group(self, group: Any) -> int: ...

    def implied(self, group: Any = None) -> tuple[pd.DataFrame, pd.Series]:
        """Return the covariances and means that the model implies for a group's items.

        Parameters
        ----------
        group : label, optional
            By default the first (or only) group.

        Returns
        -------
        (DataFrame, Series)

        Examples
        --------
        >>> import cxmodels as cx
        >>> model = "visual =~ x1 + x2 + x3; text =~ x4 + x5 + x6; text ~ visual"
        >>> res = cx.SEM(model).fit(cx.datasets.load("holzinger"))
        >>> cov, means = res.implied()
        >>> cov.iloc[:2, :2].round(2)
              x1    x2
        x1  1.36  0.46
        x2  0.46  1.38
        """
        g = self._group(group)
        names = list(self.estimate.blocks[g].names[: self.estimate.blocks[g].p])
        s, p = self.estimate.states[g], len(names)
        return pd.DataFrame(s.cov[:p, :p], names, names), pd.Series(s.mean[:p], names)

    def latent_cov(self, group: Any = None, *, correlations: bool = False) -> pd.DataFrame:
        """Return the covariances (or correlations) of the constructs in a group.

        Parameters
        ----------
        group : label, optional
            By default the first (or only) group.
        correlations : bool, default False

        Returns
        -------
        DataFrame

        Examples
        --------
        >>> import cxmodels as cx
        >>> model = "visual =~ x1 + x2 + x3; text =~ x4 + x5 + x6; text ~ visual"
        >>> res = cx.SEM(model).fit(cx.datasets.load("holzinger"))
        >>> res.latent_cov(correlations=True).round(2)
                visual  text
        visual    1.00  0.46
        text      0.46  1.00
        """
        g = self._group(group)
        block, s = self.estimate.blocks[g], self.estimate.states[g]
        cov = s.cov[block.p :, block.p :]
        if correlations:
            sd = np.sqrt(np.abs(np.diagonal(cov)))
            cov = cov / np.outer(sd, sd)
        names = list(block.names[block.p :])
        keep = [n for n in names if not is_hidden(n)]
        return pd.DataFrame(cov, names, names).loc[keep, keep]

    def residuals(
        self, kind: Literal["raw", "cor", "standardized", "normalized"] = "raw", group: Any = None
    ) -> pd.DataFrame:
        """Return sample less implied covariances of a group's items.

        Parameters
        ----------
        kind : {"raw", "cor", "standardized", "normalized"}
            As they are; of the correlations; divided by their standard error given that parameters are estimated;
            divided by that of the sample covariances. Standard errors are robust where those of the estimator are,
            and given fixed predictors.
        group : label, optional
            By default the first (or only) group.

        Returns
        -------
        DataFrame
            Items by items.

        Examples
        --------
        >>> import cxmodels as cx
        >>> model = "visual =~ x1 + x2 + x3; text =~ x4 + x5 + x6; text ~ visual"
        >>> res = cx.SEM(model).fit(cx.datasets.load("holzinger"))
        >>> res.residuals("cor").iloc[:3, 3:].round(2)
              x4    x5    x6
        x1  0.07 -0.01  0.06
        x2 -0.02 -0.03  0.03
        x3 -0.06 -0.15 -0.02
        """
        self._one_level("Residuals")
        return residuals(self.estimate, self._group(group), kind)

    @one_thread
    def scores(
        self, method: Literal["regression", "bartlett"] = "regression", *, se: bool = False, data: Any = None
    ) -> pd.DataFrame:
        """Return factor scores of the rows used, or of others.

        Parameters
        ----------
        method : {"regression", "bartlett"}, default "regression"
            Regression scores have the smallest error; Bartlett's are unbiased given the true score
            (0, as in lavaan, for a second-order construct, which has no items of its own). Of ordinal items the first are
            the most probable values given the answers (the posterior mode, lavaan's EBM), the others those that
            make the answers most probable (maximum likelihood), which do not exist if all answers are at an end.
        se : bool, default False
            Add a column ``<construct>_se``: the standard error of the score.
        data : Survey or DataFrame, optional
            Other respondents, with the items (and the column of the groups); by default the rows of the fit. Scores are
            from the items that were answered, NaN where none was.

        Returns
        -------
        DataFrame
            Rows by constructs, with the data's index.

        Raises
        ------
        SpecError
            For an unknown method, or a model without constructs.
        DataError
            If there are no rows, or `data` lacks columns, groups or categories of the fit.

        Examples
        --------
        >>> import cxmodels as cx
        >>> model = "visual =~ x1 + x2 + x3; text =~ x4 + x5 + x6; text ~ visual"
        >>> res = cx.SEM(model).fit(cx.datasets.load("holzinger"))
        >>> res.scores().head(2).round(2)
           visual  text
        0   -0.89 -0.15
        1   -0.11 -1.04
        """
        if self.row_index is None:
            raise DataError("Scores need the rows of the data; the model was fitted to moments.")
        self._one_level("Scores")
        if data is None:
            return scoring.scores(self.estimate, self.rows, self.rows, self.row_index, method, se)
        if self.spec._products:
            raise SpecError(
                "Scores of other rows are not offered with interactions, whose products are centred in the data."
            )
        survey = as_survey(data)
        rows = other_rows(self.rows, survey, tuple(self.estimate.table.options.thresholds))
        return scoring.scores(self.estimate, self.rows, rows, survey.frame.index, method, se)

    @one_thread
    def score_precision(self, method: Literal["regression", "bartlett"] = "regression") -> pd.DataFrame:
        """Return how well factor scores of complete rows tell the constructs.

        Parameters
        ----------
        method : {"regression", "bartlett"}, default "regression"
            As for :meth:`scores`.

        Returns
        -------
        DataFrame
            Index construct (and group), columns se (standard error of a score), reliability (share of the score's
            variance that is the construct's), determinacy (its root: the correlation of score and construct; .90
            is the customary least for scores of persons, Grice 2001).

        Examples
        --------
        >>> import cxmodels as cx
        >>> model = "visual =~ x1 + x2 + x3; text =~ x4 + x5 + x6; text ~ visual"
        >>> res = cx.SEM(model).fit(cx.datasets.load("holzinger"))
        >>> res.score_precision().round(2)
                     se  reliability  determinacy
        construct
        visual     0.49         0.71         0.84
        text       0.33         0.89         0.94
        """
        self._one_level("Scores")
        return scoring.precision(self.estimate, self.rows, method)

    @cached_property
    def reliability(self) -> pd.DataFrame:
        """Reliability and convergent validity by construct (and group), [alpha, omega, cr, ave]."""
        return assessment.reliability(self.estimate, self.rows.labels)

    @cached_property
    def htmt(self) -> pd.DataFrame:
        """Heterotrait-monotrait ratios of the constructs (first group)."""
        return assessment.htmt(self.estimate)

    @cached_property
    def fornell_larcker(self) -> pd.DataFrame:
        """Correlations of the constructs, square root of the AVE on the diagonal (first group)."""
        return assessment.fornell_larcker(self.estimate)
