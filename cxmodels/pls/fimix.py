"""FIMIX-PLS: hidden segments of respondents who differ in their paths, by a finite mixture of regressions.

The construct scores are those of the whole sample. In segment k every equation has its own paths and residual variance,
and a respondent's likelihood is that of a recursive system, prod over equations of N(residual; 0, variance). Scores have
mean zero, so equations have no intercept. Estimated by the EM algorithm, all random starts in one batch.

Sources: Hahn, Johnson, Herrmann and Huber (2002), Schmalenbach Business Review 54(3); Sarstedt, Becker, Ringle and
Schwaiger (2011), Schmalenbach Business Review 63(1), for the criteria; Ramaswamy et al. (1993) for EN; Hathaway (1985), Annals of Statistics 13(2), for the
bound of the variances.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError, EstimationError, SpecError, listed
from ..resampling import entropy, whole_number
from ..results import Derived
from .kernel import Array, solve

if TYPE_CHECKING:
    from .result import PLSResult

_FLOOR = 0.01  # residual variances stay above this share of those of one segment (Hathaway 1985): without a bound
# the likelihood grows beyond all limits where a segment fits a handful of rows exactly


@dataclass(frozen=True, eq=False)
class Mixture:
    """The best of the random starts for one number of segments, largest segment first.

    Attributes
    ----------
    share : ndarray of shape (k,)
    paths : ndarray of shape (k, j, j)
    variance, floor : ndarray of shape (k, e) and (e,)
        Residual variances by equation, and their lower bound.
    posterior : ndarray of shape (n, k)
    loglik : float
    converged : bool
    starts : ndarray
        Log-likelihood of every start; NaN where it degenerated.
    """

    share: Array
    paths: Array
    variance: Array
    floor: Array
    posterior: Array
    loglik: float
    converged: bool
    starts: Array


@dataclass(frozen=True, eq=False, repr=False)
class PLSFimix(Derived):
    """Mixtures of one to many segments; made by :meth:`PLSResult.fimix`.

    Attributes
    ----------
    point : PLSResult
    mixtures : dict of int to Mixture
    """

    point: PLSResult
    mixtures: dict[int, Mixture]
    seed: Any
    warnings: tuple[str, ...]

    @cached_property
    def criteria(self) -> pd.DataFrame:
        """Index segments: [loglik, parameters, aic, aic3, aic4, bic, caic, hq, mdl5, en, nfi, nec, starts_at_best].

        Smaller is better but for en and nfi, whose ends are 0 (segments overlap) and 1 (they part). Where AIC3 and CAIC
        agree they are right most often (Sarstedt et al. 2011); en below .5 means fuzzy segments. ``starts_at_best`` is
        the share of random starts that led to the best solution; a low one asks for more starts.
        """
        n, rows = self.n_obs, []
        arrows = self.point.layout.design.arrows
        each = int(arrows.sum() + arrows.any(axis=1).sum())
        base = self.mixtures[1].loglik if 1 in self.mixtures else np.nan
        for k, m in self.mixtures.items():
            free, p = k - 1 + k * each, m.posterior
            with np.errstate(divide="ignore", invalid="ignore"):
                mixed = -np.where(p > 0, p * np.log(p), 0.0).sum()
            minus = -2 * m.loglik
            at_best = np.mean(m.starts > m.loglik - 1e-4 * max(1.0, abs(m.loglik) * 1e-2))
            rows.append(
                {
                    "loglik": m.loglik,
                    "parameters": free,
                    "aic": minus + 2 * free,
                    "aic3": minus + 3 * free,
                    "aic4": minus + 4 * free,
                    "bic": minus + free * np.log(n),
                    "caic": minus + free * (np.log(n) + 1),
                    "hq": minus + 2 * free * np.log(np.log(n)),
                    "mdl5": minus + 5 * free * np.log(n),
                    "en": 1 - mixed / (n * np.log(k)) if k > 1 else np.nan,
                    "nfi": (k * (p**2).sum() / n - 1) / (k - 1) if k > 1 else np.nan,
                    "nec": mixed / (m.loglik - base) if k > 1 and m.loglik > base else np.nan,
                    "starts_at_best": at_best,
                }
            )
        return pd.DataFrame(rows, index=pd.Index(list(self.mixtures), name="segments"))

    @cached_property
    def suggested(self) -> pd.Series:
        """Number of segments that each criterion prefers."""
        c = self.criteria[["aic", "aic3", "aic4", "bic", "caic", "hq", "mdl5"]]
        return c.idxmin().rename("segments")

    def sizes(self, k: int) -> pd.Series:
        """Share of respondents in each of k segments.

        Parameters
        ----------
        k : int
            Number of segments.

        Returns
        -------
        Series
        """
        m = self._mixture(k)
        return pd.Series(m.share, pd.RangeIndex(1, k + 1, name="segment"), name="share")

    def paths(self, k: int) -> pd.DataFrame:
        """Paths in each of k segments, unstandardised within segments, on the scores of the whole sample.

        Parameters
        ----------
        k : int
            Number of segments.

        Returns
        -------
        DataFrame
            [outcome, predictor, 1, 2, ...].
        """
        m, layout = self._mixture(k), self.point.layout
        y, x = layout.edges.T
        columns = {s + 1: m.paths[s, y, x] for s in range(k)}
        return pd.concat([pd.DataFrame(layout.keys["paths"]), pd.DataFrame(columns)], axis=1)

    def r_squared(self, k: int) -> pd.DataFrame:
        """Explained variance of each equation in each of k segments, about zero as the equations have no intercept.

        Parameters
        ----------
        k : int
            Number of segments.

        Returns
        -------
        DataFrame
            Endogenous constructs by segments.
        """
        m, layout = self._mixture(k), self.point.layout
        homes = np.flatnonzero(layout.design.arrows.any(axis=1))
        g = _case_weights(self.point)
        scores = self.point.scores.to_numpy()[:, homes]
        total = (m.posterior * g[:, None]).T @ scores**2 / (m.posterior * g[:, None]).sum(axis=0)[:, None]
        names = pd.Index([layout.constructs[j] for j in homes], name="construct")
        return pd.DataFrame((1 - m.variance / total).T, names, pd.RangeIndex(1, k + 1, name="segment"))

    def probabilities(self, k: int) -> pd.DataFrame:
        """Probability that each respondent belongs to each of k segments.

        Parameters
        ----------
        k : int
            Number of segments.

        Returns
        -------
        DataFrame
            Rows used by segments.
        """
        columns = pd.RangeIndex(1, k + 1, name="segment")
        return pd.DataFrame(self._mixture(k).posterior, self.point.row_index, columns)

    def segments(self, k: int) -> pd.Series:
        """The most probable segment of each respondent, ready for ``point.groups(...)``.

        Parameters
        ----------
        k : int
            Number of segments.

        Returns
        -------
        Series
        """
        return pd.Series(
            self._mixture(k).posterior.argmax(axis=1) + 1, self.point.row_index, name="segment", dtype=int
        )

    def headline(self) -> list[tuple[str, str]]:
        """Model, numbers of segments and starts.

        Returns
        -------
        list of (label, value)
        """
        starts = max(len(m.starts) for m in self.mixtures.values())
        loose = [str(k) for k, m in self.mixtures.items() if not m.converged]
        done = f"NO, for {', '.join(loose)} segments" if loose else "yes, for every number of segments"
        sizes = ", ".join(map(str, self.mixtures))
        return [
            *self.point.headline(),
            ("FIMIX-PLS", f"{sizes} segments, best of {starts} starts, seed {self.seed}"),
            ("EM converged", done),
        ]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Frames of the summary, by title.

        Returns
        -------
        dict of DataFrame
        """
        out = {"Number of segments": self.criteria.reset_index(), "Preferred number": self.suggested.to_frame()}
        k = int(self.suggested["caic"])
        if k > 1:
            out[f"Paths in {k} segments (CAIC)"] = self.paths(k)
            out["Sizes"] = self.sizes(k).reset_index()
        return out

    def _mixture(self, k: int) -> Mixture:
        if k not in self.mixtures:
            raise SpecError(f"There is no solution with {k} segments; there are {listed(self.mixtures)}.")
        return self.mixtures[k]


def fimix(
    result: PLSResult, segments: int | Sequence[int], starts: int, seed: int | None, tolerance: float, max_iter: int
) -> PLSFimix:
    """Fit mixtures; see :meth:`PLSResult.fimix`."""
    wanted = list(range(1, segments + 1)) if isinstance(segments, int) else [int(k) for k in segments]
    if not wanted or min(wanted) < 1:
        raise SpecError(f"segments must be a number of segments from 1 up, or several, not {segments!r}.")
    if whole_number("starts", starts) < 1:
        raise SpecError(f"starts must be at least 1, not {starts}.")
    design = result.layout.design
    if (whole := design.echo & design.repeated).any():
        raise SpecError(
            f"Its dimensions explain '{result.linear[int(np.argmax(whole))]}' wholly under repeated indicators, so its "
            "equation leaves no residual to tell segments by; use higher_order='two_stage'."
        )
    each = int(design.arrows.sum() + design.arrows.any(axis=1).sum())
    if max(wanted) * each + max(wanted) - 1 >= result.n_obs:
        raise DataError(
            f"{max(wanted)} segments have {max(wanted) * each + max(wanted) - 1} parameters for {result.n_obs} rows; "
            "ask for fewer."
        )
    root = entropy(seed)
    scores, g = result.scores.to_numpy(), _case_weights(result)
    found, notes = {}, []
    for k in wanted:
        m = _best(scores, g, result.layout.design.arrows, k, starts if k > 1 else 1, root, tolerance, max_iter)
        if lost := int(np.isnan(m.starts).sum()):
            notes.append(
                f"{lost} of {len(m.starts)} starts with {k} segments fitted a few rows exactly and are left out."
            )
        if not m.converged:
            notes.append(f"The best solution with {k} segments had not converged after {max_iter} iterations.")
        if k > 1 and (m.variance <= m.floor * (1 + 1e-9)).any():
            notes.append(f"With {k} segments one fits its rows almost exactly; that is chance, ask for fewer.")
        found[k] = m
    return PLSFimix(result, found, root, (*result.warnings, *notes))


def _case_weights(result: PLSResult) -> Array:
    """Case weights that sum to the number of rows."""
    if result.case_weights is None:
        return np.ones(result.n_obs)
    return result.case_weights * (result.n_obs / result.case_weights.sum())


def _best(
    scores: Array, g: Array, arrows: Array, k: int, starts: int, root: Any, tolerance: float, max_iter: int
) -> Mixture:
    """Run EM from all starts at once and keep the best."""
    n = len(scores)
    draw = [np.random.default_rng(np.random.SeedSequence(root, spawn_key=(k, s))) for s in range(starts)]
    posterior = np.stack(
        [rng.dirichlet(np.full(k, 0.3), size=n) for rng in draw]
    )  # (starts, n, k), mostly one segment
    products = (scores[:, :, None] * scores[:, None, :]).reshape(n, -1) * g[:, None]
    floor = _FLOOR * _maximise(np.ones((1, n, 1)), products, g, arrows, 0.0)[2][0, 0]
    loglik, converged = np.full(starts, -np.inf), np.zeros(starts, dtype=bool)
    live = np.arange(starts)
    for _ in range(max_iter):
        share, paths, variance = _maximise(posterior[live], products, g, arrows, floor)
        posterior[live], now = _expect(scores, g, share, paths, variance, arrows)
        bad = ~np.isfinite(now)  # a segment was left without rows
        stop = now - loglik[live] < tolerance * np.maximum(1.0, np.abs(now))
        loglik[live] = np.where(bad, np.nan, now)
        converged[live] = stop & ~bad
        live = live[~(stop | bad)]
        if not len(live):
            break
    if np.isnan(loglik).all():
        raise EstimationError(
            f"All {starts} starts with {k} segments ended with a segment without rows; ask for fewer segments."
        )
    winner = int(np.nanargmax(loglik))
    share, paths, variance = (v[0] for v in _maximise(posterior[[winner]], products, g, arrows, floor))
    p = posterior[winner]
    order = np.argsort(-share, kind="stable")
    return Mixture(
        share[order],
        paths[order],
        variance[order],
        floor,
        p[:, order],
        float(loglik[winner]),
        bool(converged[winner]),
        loglik,
    )


def _expect(
    scores: Array, g: Array, share: Array, paths: Array, variance: Array, arrows: Array
) -> tuple[Array, Array]:
    """Posteriors (s, n, k) and log-likelihoods (s,)."""
    density = np.log(share)[:, None, :] + _log_density(scores, paths, variance, arrows)
    top = density.max(axis=2, keepdims=True)
    each = top[..., 0] + np.log(np.exp(density - top).sum(axis=2))
    return np.exp(density - each[..., None]), (g * each).sum(axis=1)


def _maximise(
    posterior: Array, products: Array, g: Array, arrows: Array, floor: Array | float
) -> tuple[Array, Array, Array]:
    """Shares (s, k), paths (s, k, j, j) and residual variances (s, k, e) from posteriors (s, n, k)."""
    s, _, k = posterior.shape
    j = len(arrows)
    weight = (posterior * g[:, None]).sum(axis=1)
    moment = (np.swapaxes(posterior, 1, 2) @ products).reshape(s, k, j, j) / np.maximum(weight, 1e-300)[
        :, :, None, None
    ]
    paths, variances = np.zeros_like(moment), []
    for y in np.flatnonzero(arrows.any(axis=1)):
        x = np.flatnonzero(arrows[y])
        with np.errstate(invalid="ignore", divide="ignore"):
            b = solve(moment[..., x[:, None], x], moment[..., x, y, None])[..., 0]
        paths[..., y, x] = b
        variances.append(moment[..., y, y] - (b * moment[..., x, y]).sum(axis=-1))
    return np.maximum(weight / g.sum(), 1e-300), paths, np.maximum(np.stack(variances, axis=2), floor)


def _log_density(scores: Array, paths: Array, variance: Array, arrows: Array) -> Array:
    """Log density of every row in every segment, (s, n, k)."""
    homes: NDArray[np.intp] = np.flatnonzero(arrows.any(axis=1))
    fitted = np.einsum("nx,skyx->snky", scores, paths[:, :, homes])
    residual = scores[:, None, homes] - fitted
    return -0.5 * (np.log(2 * np.pi * variance)[:, None] + residual**2 / variance[:, None]).sum(axis=3)
