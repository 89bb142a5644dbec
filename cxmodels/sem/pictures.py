"""Pictures of a fitted model; a part of :class:`SEMResult`. The report draws them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..results import axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Pictures"]


class Pictures:
    """What can be drawn of fit and estimates; ``diagram()`` draws the model itself."""

    def plot_residuals(self, group: Any = None, ax: Axes | None = None, *, limit: float = 0.1) -> Axes:
        """Map the residual correlations of the items: blue where they correlate more than the model says.

        Parameters
        ----------
        group : label, optional
            By default the first (or only) group.
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.
        limit : float, default 0.1
            Residuals at least as large are set bold; .1 is the customary size that deserves a look (Kline 2016).

        Returns
        -------
        Axes
            More than 16 items: only these residuals have their number.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> import cxmodels as cx
        >>> model = "visual =~ x1 + x2 + x3; text =~ x4 + x5 + x6; text ~ visual"
        >>> res = cx.SEM(model).fit(cx.datasets.load("holzinger"))
        >>> figure = Figure()
        >>> ax = res.plot_residuals(ax=figure.subplots())
        >>> figure.savefig("picture.png", dpi=300)  # doctest: +SKIP
        """
        return axes("residuals", self, group, ax, limit=limit)  # type: ignore[arg-type]

    def plot_modification(self, top: int = 10, ax: Axes | None = None) -> Axes:
        """Show the parameters whose release would gain most, with their expected standardised change.

        Parameters
        ----------
        top : int, default 10
            How many.
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.

        Returns
        -------
        Axes

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> import cxmodels as cx
        >>> model = "visual =~ x1 + x2 + x3; text =~ x4 + x5 + x6; text ~ visual"
        >>> res = cx.SEM(model).fit(cx.datasets.load("holzinger"))
        >>> figure = Figure()
        >>> ax = res.plot_modification(5, figure.subplots())
        >>> figure.savefig("picture.png", dpi=300)  # doctest: +SKIP
        """
        return axes("modification", self, top, ax)  # type: ignore[arg-type]

    def plot(self, op: str = "=~", ax: Axes | None = None, *, level: float = 0.95) -> Axes:
        """Show standardised estimates of one kind with their intervals.

        Parameters
        ----------
        op : {"=~", "~", "~~", "<~"}, default "=~"
            Loadings, paths, correlations or weights.
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.
        level : float, default 0.95
            Confidence level; intervals by the delta method.

        Returns
        -------
        Axes

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> import cxmodels as cx
        >>> model = "visual =~ x1 + x2 + x3; text =~ x4 + x5 + x6; text ~ visual"
        >>> res = cx.SEM(model).fit(cx.datasets.load("holzinger"))
        >>> figure = Figure()
        >>> ax = res.plot("~", figure.subplots())
        >>> figure.savefig("picture.png", dpi=300)  # doctest: +SKIP
        """
        return axes("estimates", self, op, ax, level=level)  # type: ignore[arg-type]
