"""Pictures of fitted path models: methods that take matplotlib axes and give them back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..results import axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..index import Scale


class Pictures:
    """What can be drawn of a path model, with intervals where there was a bootstrap."""

    def plot(self, ax: Axes | None = None, *, digits: int = 2) -> Axes:
        """Draw the model: constructs, standardised paths and R².

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.
        digits : int, default 2
            Decimals.

        Returns
        -------
        Axes
            Lines are as wide as their coefficient is large, orange where it is negative, and dashed where its
            bootstrap interval covers zero. ``diagram()`` gives the same as SVG.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> import cxmodels as cx
        >>> model = "Q =~ PERQ1 + PERQ2 + PERQ3; S =~ CUSA1 + CUSA2 + CUSA3; S ~ Q"
        >>> res = cx.PLS(model).fit(cx.datasets.survey("mobi"))
        >>> figure = Figure()
        >>> ax = res.plot(figure.subplots())
        >>> sorted(t.get_text() for t in ax.texts)[:2]
        ['0.77', 'Q']
        >>> figure.savefig("picture.png", dpi=300)  # doctest: +SKIP
        """
        return axes("path_picture", self, ax, digits=digits)  # type: ignore[arg-type]

    def plot_slopes(
        self,
        predictor: str,
        outcome: str | None = None,
        levels: Sequence[float] = (-1.0, 0.0, 1.0),
        ax: Axes | None = None,
    ) -> Axes:
        """Draw an outcome against a predictor at levels of its moderator, or of two for a three-way interaction.

        Parameters
        ----------
        predictor : str
            On the horizontal axis; a quadratic term gives its curve with the slopes at the levels.
        outcome : str, optional
            By default the first that the interaction predicts.
        levels : sequence of float, default (-1, 0, 1)
            Of the moderators, in standard deviations; of three-way interactions the lowest and the highest.
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.

        Returns
        -------
        Axes
            Other constructs are at their means.

        Raises
        ------
        SpecError
            If no interaction involves the predictor, or as :meth:`simple_slopes`.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> import cxmodels as cx
        >>> model = "Q =~ PERQ1 + PERQ2; I =~ IMAG1 + IMAG2; S =~ CUSA1 + CUSA2; S ~ Q + I + Q:I"
        >>> res = cx.PLS(model).fit(cx.datasets.survey("mobi"))
        >>> figure = Figure()
        >>> ax = res.plot_slopes("Q", ax=figure.subplots())
        >>> ax.get_xlabel(), len(ax.lines)
        ('Q, standard deviations', 3)
        >>> figure.savefig("picture.png", dpi=300)  # doctest: +SKIP
        """
        return axes("slopes", self, predictor, outcome, levels, ax)  # type: ignore[arg-type]


class PointPictures(Pictures):
    """What can be drawn of a point estimate."""

    def plot_ipma(self, target: str, scale: Scale = None, ax: Axes | None = None, *, items: bool = False) -> Axes:
        """Draw the importance-performance map of a target.

        Parameters
        ----------
        target : str
            Construct whose drivers are drawn.
        scale : (lo, hi), or mapping of item to (lo, hi), optional
            As for :meth:`PLSResult.index_scores`.
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.
        items : bool, default False
            Draw the items of the drivers.

        Returns
        -------
        Axes
            Quadrants meet at the means.

        Raises
        ------
        SpecError
            As :meth:`PLSResult.ipma`.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> import cxmodels as cx
        >>> res = cx.PLS(cx.acsi.ECSI.syntax).fit(cx.datasets.survey("mobi"))
        >>> figure = Figure()
        >>> ax = res.plot_ipma("Satisfaction", ax=figure.subplots())
        >>> ax.get_xlabel(), ax.get_ylabel()
        ("Importance for Satisfaction: points per point of the driver's index", 'Performance: index, 0–100')
        >>> figure.savefig("picture.png", dpi=300)  # doctest: +SKIP
        """
        return axes("importance_map", self, target, scale, ax, items=items)  # type: ignore[arg-type]


class BootstrapPictures(Pictures):
    """What can be drawn of replicates."""

    def plot_draws(self, name: str = "paths", key: Sequence[str] | None = None, ax: Axes | None = None) -> Axes:
        """Draw how the replicates of one number are spread, with estimate and interval.

        Parameters
        ----------
        name : str, default "paths"
            A frame of the bootstrap.
        key : sequence of str, optional
            Row of the frame, such as ``("Loyalty", "Image")``; by default the first.
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.

        Returns
        -------
        Axes

        Raises
        ------
        SpecError
            For an unknown frame or row.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> import cxmodels as cx
        >>> model = "Q =~ PERQ1 + PERQ2 + PERQ3; S =~ CUSA1 + CUSA2 + CUSA3; S ~ Q"
        >>> res = cx.PLS(model).fit(cx.datasets.survey("mobi"))
        >>> figure = Figure()
        >>> ax = res.bootstrap(100, seed=1).plot_draws("paths", ("S", "Q"), figure.subplots())
        >>> figure.savefig("picture.png", dpi=300)  # doctest: +SKIP
        """
        return axes("draws", self, name, key, ax)  # type: ignore[arg-type]
