"""What an interaction says; a part of :class:`SEMResult`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import pandas as pd

from ..results import axes
from . import slopes
from .threads import one_thread

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Interactions"]


class Interactions:
    """Effects that depend on another construct: standardised, and as slopes at its levels."""

    @cached_property
    @one_thread
    def interactions(self) -> pd.DataFrame:
        """Interactions, [outcome, predictor, est, se, z, pvalue, ci_lower, ci_upper, std, std_se] (and group).

        `std` is the appropriately standardised effect, in standard deviations of the outcome per standard deviation of
        each part, b sd(a) sd(z) / sd(y) (Wen, Marsh and Hau 2010, Structural Equation Modeling 17, equation 12); std_all
        divides by the standard deviation of the product, which nobody can read.
        """
        return slopes.interactions(self)  # type: ignore[arg-type]

    @one_thread
    def simple_slopes(self, levels: Sequence[float] = (-1.0, 0.0, 1.0), *, level: float = 0.95) -> pd.DataFrame:
        """Return the slope of a predictor at levels of its moderator.

        Parameters
        ----------
        levels : sequence of float, default (-1, 0, 1)
            In standard deviations of the moderator from its mean.
        level : float, default 0.95
            Confidence level of the intervals.

        Returns
        -------
        DataFrame
            [outcome, predictor, moderator, level, est, se, z, pvalue, ci_lower, ci_upper], each part of an interaction
            as predictor in turn, b_x + b_xz z in the units of the model; for a quadratic term the slope of the curve,
            b_x + 2 b_xx x. Delta method, the standard deviation of the moderator being estimated too.

        Raises
        ------
        SpecError
            For a model without interactions.

        Examples
        --------
        >>> import cxmodels as cx
        >>> model = "V =~ x1 + x2 + x3; T =~ x4 + x5 + x6; S =~ x7 + x8 + x9; T ~ V + S + V:S"
        >>> res = cx.SEM(model).fit(cx.datasets.load("holzinger"))
        >>> res.simple_slopes().query("predictor == 'V'")[["level", "est", "se"]].round(2)
           level   est    se
        0   -1.0  0.26  0.20
        1    0.0  0.44  0.10
        2    1.0  0.63  0.17
        """
        return slopes.simple_slopes(self, levels, level)  # type: ignore[arg-type]

    def plot_slopes(
        self,
        predictor: str,
        outcome: str | None = None,
        levels: Sequence[float] = (-1.0, 0.0, 1.0),
        ax: Axes | None = None,
    ) -> Axes:
        """Draw an outcome against a predictor at levels of its moderator.

        Parameters
        ----------
        predictor : str
            On the horizontal axis; a quadratic term gives its curve with the slopes at the levels.
        outcome : str, optional
            By default the first that the interaction predicts.
        levels : sequence of float, default (-1, 0, 1)
            Of the moderator, in standard deviations.
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.

        Returns
        -------
        Axes
            In standard deviations, other variables at their means; of several groups the first.

        Raises
        ------
        SpecError
            If no interaction involves the predictor, or as :meth:`simple_slopes`.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> import cxmodels as cx
        >>> model = "V =~ x1 + x2 + x3; T =~ x4 + x5 + x6; S =~ x7 + x8 + x9; T ~ V + S + V:S"
        >>> res = cx.SEM(model).fit(cx.datasets.load("holzinger"))
        >>> figure = Figure()
        >>> ax = res.plot_slopes("V", ax=figure.subplots())
        >>> figure.savefig("picture.png", dpi=300)  # doctest: +SKIP
        """
        return axes("latent_slopes", self, predictor, outcome, levels, ax)  # type: ignore[arg-type]
