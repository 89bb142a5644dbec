"""What a model can be asked before there are data: rows drawn from it, power, and how many rows a study needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from .threads import one_thread

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Planning"]


class Planning:
    """Methods of :class:`SEM` that need no data."""

    @one_thread
    def simulate(
        self,
        n: int | Sequence[int] | Mapping[str, int],
        *,
        seed: int | None = None,
        standardized: bool = False,
        latent: bool = False,
        skewness: float | Mapping[str, float] | None = None,
        kurtosis: float | Mapping[str, float] | None = None,
        df: float | None = None,
        missing: float | Mapping[str, float] = 0.0,
        cluster_size: int | Sequence[int] | None = None,
        empirical: bool = False,
    ) -> pd.DataFrame:
        """Draw rows from the population that the model's numbers describe.

        Fixed (and starting) values are the population: ``Quality =~ 0.8*q1 + 0.7*q2``. A variance that is not
        written is 1, a covariance or mean 0, the first loading of a construct 1, the residual of a single indicator 0,
        and the residual of an ordinal item what makes the variance of its latent response 1 (delta). Loadings, paths,
        weights, thresholds and covariances that are written need a number. Products in ``y ~ a + z + a:z`` are those of
        the values drawn, not centred.

        Parameters
        ----------
        n : int, or sequence or mapping of int
            Rows in each group.
        seed : int, optional
            Same seed, same rows.
        standardized : bool, default False
            Variances that are not written make all variables, constructs and items, have variance 1; weights of
            composites are rescaled to this end.
        latent : bool, default False
            Give columns of the constructs too.
        skewness, kurtosis : float or mapping of str to float, optional
            Of the observed variables (of latent responses, for ordinal items); kurtosis in excess of 3. Cubics of
            normal variables with the covariances of the population (Vale and Maurelli 1983, Psychometrika 48).
        df : float, optional
            Draw from a multivariate t distribution with the covariances of the population.
        missing : float or mapping of str to float, default 0
            Share of the answers left out completely at random, overall or by variable.
        cluster_size : int or sequence of int, optional
            Rows in each cluster of a population with ``level:`` blocks, repeated until there are n rows; needed there.
        empirical : bool, default False
            The rows have exactly the means and covariances of the population (divisor n).

        Returns
        -------
        DataFrame
            Observed variables (numbers; 1, 2, ... for ordinal items), then constructs if asked for, then
            ``cluster`` and ``group`` where there are several.

        Raises
        ------
        SpecError
            For a parameter without a number, numbers that no population can have, or an option out of range.

        Examples
        --------
        >>> import cxmodels as cx
        >>> population = "F =~ 0.8*x1 + 0.7*x2 + 0.6*x3; G =~ 0.9*y1 + 0.8*y2 + 0.7*y3; G ~ 0.5*F"
        >>> data = cx.SEM(population).simulate(100_000, seed=1, standardized=True)
        >>> data[["x1", "y1"]].cov().round(1).to_numpy().tolist()
        [[1.0, 0.4], [0.4, 1.0]]
        """
        from .population import population_of
        from .simulation import Drawing, draw

        drawing = Drawing(
            population_of(self, standardized), n,  # type: ignore[arg-type]
            latent=latent, skewness=skewness, kurtosis=kurtosis, df=df,
            missing=missing, cluster_size=cluster_size, empirical=empirical,
        )  # fmt: skip
        return draw(drawing, seed)
