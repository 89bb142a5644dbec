"""What a model can be asked before there are data: rows drawn from it, power, and how many rows a study needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, cast

from ..errors import SpecError
from ..model import parse_model
from .threads import one_thread

if TYPE_CHECKING:
    import pandas as pd

    from ..model import Model
    from .population import Population
    from .power import SEMPower
    from .result import SEMResult
    from .spec import SEM

__all__ = ["Planning"]


class Planning:
    """Methods of :class:`SEM` that need no data."""

    def add(self, text: str) -> SEM:
        r"""Return the same with statements added to the model.

        Parameters
        ----------
        text : str
            Such as ``"x1 ~~ x2"``.

        Returns
        -------
        SEM
            This one is unchanged.

        Examples
        --------
        >>> import cxmodels as cx
        >>> cx.SEM("f =~ x1 + x2 + x3\ng =~ y1 + y2 + y3").add("g ~ f").model.paths
        (('g', 'f'),)
        """
        return replace(cast("SEM", self), model=parse_model(cast("SEM", self).model).add(text))

    def drop(self, text: str) -> SEM:
        r"""Return the same without some paths.

        Parameters
        ----------
        text : str
            Such as ``"g ~ f"``.

        Returns
        -------
        SEM
            This one is unchanged.

        Raises
        ------
        SpecError
            If there is no such path.

        Examples
        --------
        >>> import cxmodels as cx
        >>> cx.SEM("f =~ x1 + x2 + x3\ng =~ y1 + y2 + y3\ng ~ f\ny1 ~ f").drop("y1 ~ f").model.paths
        (('g', 'f'),)
        """
        return replace(cast("SEM", self), model=parse_model(cast("SEM", self).model).drop(text))

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

    @one_thread
    def power(
        self,
        population: str | Model | SEM | SEMResult,
        n: Any,
        *,
        parameters: Sequence[str] | str | None = None,
        replicates: int = 500,
        seed: int | None = None,
        alpha: float = 0.05,
        level: float = 0.95,
        method: Literal["monte_carlo", "satorra_saris"] = "monte_carlo",
        standardized: bool = False,
        skewness: float | Mapping[str, float] | None = None,
        kurtosis: float | Mapping[str, float] | None = None,
        df: float | None = None,
        missing: float | Mapping[str, float] = 0.0,
        cluster_size: int | Sequence[int] | None = None,
        fit: Mapping[str, Any] | None = None,
        n_jobs: int = 1,
        progress: Callable[[int, int], None] | None = None,
    ) -> SEMPower:
        """Find out how well a study of a given size would measure this model's parameters.

        Parameters
        ----------
        population : str, Model, SEM or SEMResult
            What is true: a model with numbers as for :meth:`simulate`, or the estimates of an earlier study. It may
            differ from this model, as when a path is left out.
        n : int or sequence of int
            Rows in each group, one or several sample sizes; for groups of different size each a sequence of int.
        parameters : sequence of str, optional
            Such as ``"y ~ x"``, ``"f =~ x2"``, a label, or a name defined by ``:=``; by default all that are free.
        replicates : int, default 500
            Data sets drawn for each sample size; the standard error of a power of 0.8 is then 0.018.
        seed : int, optional
            Same seed, same numbers, whatever `n_jobs`.
        alpha : float, default 0.05
            Level of the two-sided tests.
        level : float, default 0.95
            Confidence level whose coverage is counted.
        method : {"monte_carlo", "satorra_saris"}, default "monte_carlo"
            Draw and fit replicates; or compute the power of the likelihood-ratio test from the misfit in the
            population of the model without the parameter (Satorra and Saris 1985), for maximum likelihood.
        standardized, skewness, kurtosis, df, missing, cluster_size
            As for :meth:`simulate`. With `missing` the replicates are fitted by FIML (pairwise for ordinal items).
        fit : mapping, optional
            Options for :meth:`fit`: equal, partial, missing, cluster.
        n_jobs : int, default 1
            Workers.
        progress : callable, optional
            Called as ``progress(done, total)``.

        Returns
        -------
        SEMPower
            Its ``estimates`` have power, coverage and bias by parameter and n, its ``tests`` the rejection rate of the
            model, ``n_needed()`` the rows for a power wanted.

        Raises
        ------
        SpecError
            For a population that cannot be, variables it lacks, or unknown parameters.
        EstimationError
            If every replicate fails.

        Examples
        --------
        >>> import cxmodels as cx
        >>> truth = "F =~ 0.7*x1 + 0.7*x2 + 0.7*x3; G =~ 0.7*y1 + 0.7*y2 + 0.7*y3; G ~ 0.3*F"
        >>> model = cx.SEM("F =~ x1 + x2 + x3; G =~ y1 + y2 + y3; G ~ F")
        >>> found = model.power(truth, [100, 200], parameters="G ~ F", seed=1, standardized=True)
        >>> found.estimates[["n", "power"]].round(1).to_numpy().tolist()
        [[100.0, 0.6], [200.0, 0.9]]
        """
        from .power import power_of

        drawing = {
            "skewness": skewness, "kurtosis": kurtosis, "df": df, "missing": missing, "cluster_size": cluster_size,
        }  # fmt: skip
        return power_of(
            self, _population(population, standardized), n, parameters=parameters,  # type: ignore[arg-type]
            replicates=replicates, seed=seed, alpha=alpha, level=level, method=method, drawing=drawing, fit=fit or {},
            n_jobs=n_jobs, progress=progress,
        )  # fmt: skip

    @one_thread
    def sample_size(
        self,
        population: str | Model | SEM | SEMResult,
        power: float = 0.8,
        *,
        parameters: Sequence[str] | str | None = None,
        alpha: float = 0.05,
        standardized: bool = False,
        fit: Mapping[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Compute how many rows it takes to find each parameter (Satorra and Saris 1985, Psychometrika 50).

        Parameters
        ----------
        population : str, Model, SEM or SEMResult
            What is true, as for :meth:`power`.
        power : float, default 0.8
            Probability wanted that the two-sided test finds the parameter.
        parameters : sequence of str, optional
            As for :meth:`power`.
        alpha : float, default 0.05
        standardized : bool, default False
            As for :meth:`simulate`.
        fit : mapping, optional
            Options for :meth:`fit`: equal, partial.

        Returns
        -------
        DataFrame
            [lhs, op, rhs, true, ncp, n]: value in the population, noncentrality per row, and rows in all groups; infinite
            where the value is zero, NaN for variances. Exact for large samples of normal data, by
            maximum likelihood; check with :meth:`power` at that n.

        Raises
        ------
        SpecError
            As for :meth:`power`, and for a population whose moments have no simple form.

        Examples
        --------
        >>> import cxmodels as cx
        >>> cx.SEM("y ~ x").sample_size("y ~ 0.3*x", standardized=True, parameters="y ~ x")["n"].tolist()
        [84.0]
        """
        from .power import sample_size_of

        found = _population(population, standardized)
        return sample_size_of(self, found, power, parameters, alpha, fit or {})  # type: ignore[arg-type]


def _population(given: Any, standardized: bool) -> Population:
    """A population from text, a model, a specification or a fitted model."""
    from .population import population_of
    from .result import SEMResult
    from .simulation import population_of_result
    from .spec import SEM

    if isinstance(given, SEMResult):
        if standardized:
            raise SpecError("standardized=True is for populations written as text; a fitted model has its own scale.")
        return population_of_result(given)
    return population_of(given if isinstance(given, SEM) else SEM(given), standardized)
