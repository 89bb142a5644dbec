"""Out-of-sample prediction of items by a PLS path model: PLSpredict and CVPAT.

Every training set is a 0/1 weighting of the rows, so all folds of all repeats are estimated in one batch.

Sources: Shmueli, Ray, Velasquez Estrada and Chatla (2016), Journal of Business Research 69(10); Shmueli et al.
(2019), European Journal of Marketing 53(11), for PLSpredict; Liengaard et al. (2021), Decision Sciences 52(2), and
Sharma et al. (2023), European Journal of Marketing 57(6), for CVPAT.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from .. import index as ix
from ..errors import DataError, SpecError, listed, near
from ..resampling import entropy
from ..results import Derived
from .assessment import loadings
from .kernel import Array, Estimate, solve

if TYPE_CHECKING:
    from .result import PLSResult

Mask = NDArray[np.bool_]
Index = NDArray[np.intp]

APPROACHES = ("direct", "earliest")
BENCHMARKS = ("exogenous", "others")


@dataclass(frozen=True, eq=False, repr=False)
class PLSPrediction(Derived):
    """Predictions of the items of endogenous constructs for rows left out of the estimation.

    Made by :meth:`PLSResult.predict_oos`.

    Attributes
    ----------
    point : PLSResult
        The model.
    items : tuple of str
        Items predicted.
    errors : dict of ndarray of shape (repeats, n, items)
        Hold-out errors (answer less prediction) by approach ``"direct"``, ``"earliest"``, and by the benchmarks
        ``"lm"`` and ``"mean"``; NaN where the answer is missing.
    failed : int
        Training sets without an estimate; their rows have no prediction.
    """

    point: PLSResult
    items: tuple[str, ...]
    errors: dict[str, Array]
    folds: int
    benchmark: str
    failed: int

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """Accuracy, [item, approach, rmse, mae, q2_predict, rmse_lm, mae_lm, rmse_mean, mae_mean].

        ``q2_predict`` is 1 - SSE / SSE of the training mean: above 0 the model predicts better than the mean. A model
        whose rmse lies below ``rmse_lm`` for most items has high predictive power (Shmueli et al. 2019). Errors of
        all repeats are pooled; case weights count.
        """
        size = {name: self._accuracy(e) for name, e in self.errors.items()}
        parts = []
        for approach in APPROACHES:
            rmse, mae = size[approach]
            columns = {"item": self.items, "approach": approach, "rmse": rmse, "mae": mae}
            columns["q2_predict"] = 1 - rmse**2 / size["mean"][0] ** 2
            for name in ("lm", "mean"):
                columns[f"rmse_{name}"], columns[f"mae_{name}"] = size[name]
            parts.append(pd.DataFrame(columns))
        return pd.concat(parts, ignore_index=True)

    @cached_property
    def cvpat(self) -> pd.DataFrame:
        """Cross-validated predictive ability test, [approach, benchmark, loss, loss_benchmark, difference, se, t, pvalue].

        The loss of a row is its mean squared error over all items; a negative difference favours the model. The test is
        a paired t test over rows, two-sided.
        """
        from scipy.stats import t as student

        losses = {name: self.losses(name) for name in self.errors}
        g = self._case_weights()
        rows = []
        for approach in APPROACHES:
            for name in ("mean", "lm"):
                rows.append((approach, name, *_paired(losses[approach], losses[name], g)))
        columns = ["approach", "benchmark", "loss", "loss_benchmark", "difference", "se"]
        frame = pd.DataFrame(rows, columns=columns)
        frame["t"] = frame["difference"] / frame["se"]
        frame["pvalue"] = 2 * student.sf(frame["t"].abs(), self.n_obs - 1)
        return frame

    def compare(self, other: PLSPrediction, approach: Literal["direct", "earliest"] = "earliest") -> pd.Series:
        """Test whether this model predicts better than another of the same rows (CVPAT between models).

        Parameters
        ----------
        other : PLSPrediction
            Of a model with the same predicted items, fitted to the same rows, with the same folds and seed.
        approach : {"direct", "earliest"}, default "earliest"
            How predictions are made.

        Returns
        -------
        Series
            loss, loss_other, difference (negative favours this model), se, t, pvalue.

        Raises
        ------
        SpecError
            If rows or items differ, or the approach is unknown.
        """
        from scipy.stats import t as student

        if approach not in APPROACHES:
            raise SpecError(
                f"Unknown approach '{approach}'; choose from {listed(APPROACHES)}.{near(approach, APPROACHES)}"
            )
        if self.n_obs != other.n_obs or set(self.items) != set(other.items):
            raise SpecError("Only models that predict the same items for the same rows can be compared.")
        values = _paired(self.losses(approach), other.losses(approach), self._case_weights())
        out = pd.Series(values, index=["loss", "loss_other", "difference", "se"])
        out["t"] = out["difference"] / out["se"]
        out["pvalue"] = 2 * student.sf(abs(out["t"]), self.n_obs - 1)
        return out

    def losses(self, name: str) -> Array:
        """Return the loss of every row, its squared error averaged over items and repeats.

        Parameters
        ----------
        name : {"direct", "earliest", "lm", "mean"}

        Returns
        -------
        ndarray of shape (n,)
        """
        with np.errstate(invalid="ignore"):
            return np.asarray(np.nanmean(np.nanmean(self.errors[name] ** 2, axis=2), axis=0))

    @property
    def warnings(self) -> tuple[str, ...]:  # type: ignore[override]
        """What was unusual about the fit and the training sets."""
        return (*self.point.warnings, *([f"{self.failed} training sets gave no estimate."] if self.failed else []))

    def headline(self) -> list[tuple[str, str]]:
        """Model, folds and repeats.

        Returns
        -------
        list of (label, value)
        """
        repeats = len(self.errors["mean"])
        lm = "items of exogenous constructs" if self.benchmark == "exogenous" else "items of all other constructs"
        text = f"{self.folds} folds, {repeats} {'repeat' if repeats == 1 else 'repeats'}; linear benchmark on {lm}"
        return [*self.point.headline(), ("Prediction", text)]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Frames of the summary, by title.

        Returns
        -------
        dict of DataFrame
        """
        return {"Accuracy by item": self.metrics, "Predictive ability (CVPAT)": self.cvpat}

    def _case_weights(self) -> Array:
        g = self.point.case_weights
        return np.ones(self.n_obs) if g is None else g

    def _accuracy(self, error: Array) -> tuple[Array, Array]:
        g = np.broadcast_to(self._case_weights()[None, :, None], error.shape) * ~np.isnan(error)
        e, total = np.nan_to_num(error), g.sum(axis=(0, 1))
        return np.sqrt((g * e**2).sum(axis=(0, 1)) / total), (g * np.abs(e)).sum(axis=(0, 1)) / total


def predict_oos(
    result: PLSResult, folds: int | ArrayLike, repeats: int, seed: int | None, benchmark: str
) -> PLSPrediction:
    """Estimate the model without each fold and predict it; see :meth:`PLSResult.predict_oos`."""
    if benchmark not in BENCHMARKS:
        raise SpecError(
            f"Unknown benchmark '{benchmark}'; choose from {listed(BENCHMARKS)}.{near(benchmark, BENCHMARKS)}"
        )
    fold = _fold_numbers(result.n_obs, folds, repeats, seed)
    design, x = result.layout.design, result.x
    plan = result.spec.plan
    homes: Mask = (design.arrows.sum(axis=1) > 0) & ~design.echo
    member = membership(result)
    items = np.flatnonzero(member[:, homes].any(axis=1))
    table = plan.extend(x)
    names = ("direct", "earliest", "lm", "mean")
    errors = {name: np.full((len(fold), *x[:, items].shape), np.nan) for name in names}
    g = np.ones(result.n_obs) if result.case_weights is None else result.case_weights
    sets = [(r, k) for r in range(len(fold)) for k in np.unique(fold[r])]
    training = np.array([fold[r] != k for r, k in sets]) * g
    statistic = result.statistic(weighted=False)
    failed = 0
    for start in range(0, len(sets), 250):
        part = slice(start, start + 250)
        means, cov, est, bad, _ = statistic.estimates(training[part])
        load = item_loadings(result, est)
        lm = _linear_benchmark(cov, member, homes, items, benchmark)
        for line, (r, k) in enumerate(sets[part]):
            if bad[line]:
                failed += 1
                continue
            out = fold[r] == k
            m, sd = means[line], np.sqrt(np.diagonal(cov[line]))
            filled = np.where(np.isnan(table[:, : len(m)]), m, table[:, : len(m)])
            filled = np.hstack([filled, table[:, len(m) :]])
            centre = np.average(filled, axis=0, weights=training[part][line])
            scores = plan.scores(est, line, filled, centre)
            rows = filled[out][:, : len(m)] - m
            spread = (load[line] * sd[:, None]).T[:, items]
            for name in APPROACHES:
                known = _structural_prediction(scores, out, est, line, result, training[part][line], name)
                errors[name][r, out] = x[out][:, items] - (
                    m[items] + _average_homes(known, spread, member, homes, items)
                )
            errors["lm"][r, out] = x[out][:, items] - (m[items] + rows @ lm[line])
            errors["mean"][r, out] = x[out][:, items] - m[items]
    size = len(np.unique(fold[0]))
    return PLSPrediction(result, tuple(plan.items[i] for i in items), errors, size, benchmark, failed)


def membership(result: PLSResult) -> Array:
    """Which observed item belongs to which construct of the final stage, items of dimensions to the higher order."""
    return (np.nan_to_num(result.estimate.item_weights[0]) != 0).astype(float)


def item_loadings(result: PLSResult, est: Estimate) -> Array:
    """Loadings of observed items on the final constructs, those of dimensions times the dimension's own."""
    plan, load = result.spec.plan, loadings(est, result.layout.design)
    out = np.zeros((len(load), len(plan.items), load.shape[2]))
    out[:, plan.used] = load[:, : len(plan.used)]
    if plan.first is not None and est.first is not None:
        lower = loadings(est.first, plan.first)[:, :, plan.dimensions]
        out += lower @ load[:, len(plan.used) : len(plan.used) + lower.shape[2]]
    return out


def _structural_prediction(
    scores: Array, out: Mask, est: Estimate, line: int, result: PLSResult, g: Array, approach: str
) -> Array:
    """Scores of endogenous constructs as their predictors imply them, for the rows left out.

    Direct: from the predictors' own scores. Earliest: from exogenous scores only, carried along the arrows; an
    interaction with an endogenous construct is the product of the carried scores less its mean in the training set.
    """
    paths, plan, design = est.paths[line], result.spec.plan, result.layout.design
    if approach == "direct":
        return scores[out] @ paths.T
    endogenous = design.arrows.sum(axis=1) > 0
    carried = np.where(endogenous, 0.0, scores[out])
    for _ in range(design.depth):
        for at, term in enumerate(plan.terms if plan.method == "two_stage" else (), start=len(result.linear)):
            if endogenous[list(term.parts)].any():
                mean = np.average(scores[:, term.parts].prod(axis=1), weights=g)
                carried[:, at] = carried[:, term.parts].prod(axis=1) - mean
        carried = np.where(endogenous, carried @ paths.T, carried)
    return carried


def _average_homes(scores: Array, spread: Array, mask: Array, endogenous: Mask, items: Index) -> Array:
    """Item deviations from predicted scores; an item of two constructs gets the mean of both."""
    home = mask[items] * endogenous
    return ((scores * endogenous) @ (spread * home.T)) / home.sum(axis=1)


def _linear_benchmark(cov: Array, mask: Array, endogenous: Mask, items: Index, benchmark: str) -> Array:
    """Regression of every item on other items, (b, p, items): all it may use, zero for the rest."""
    b, p = cov.shape[:2]
    out = np.zeros((b, p, len(items)))
    if benchmark == "exogenous":
        x = np.flatnonzero(mask[:, ~endogenous].any(axis=1) & ~mask[:, endogenous].any(axis=1))
        out[:, x] = solve(cov[:, x[:, None], x], cov[:, x[:, None], items])
        return out
    for column, item in enumerate(items):
        own = mask[:, mask[item] > 0].any(axis=1)
        x = np.flatnonzero(~own)
        out[:, x, column] = solve(cov[:, x[:, None], x], cov[:, x, item, None])[..., 0]
    return out


def _fold_numbers(n: int, folds: int | ArrayLike, repeats: int, seed: int | None) -> NDArray[np.intp]:
    """Fold of each row, (repeats, n)."""
    if np.ndim(folds) > 0:
        given = np.asarray(folds)
        if given.shape != (n,):
            raise DataError(
                f"folds has {given.size} numbers for {n} rows used; give one for each row, or how many folds."
            )
        codes, _ = pd.factorize(given)
        if (codes < 0).any() or codes.max() < 1:
            raise DataError("folds must name at least two folds and none may be missing.")
        return codes[None]
    k = int(folds)  # type: ignore[arg-type]
    if not 2 <= k <= n or repeats < 1:
        raise SpecError(
            f"folds must lie between 2 and the {n} rows used, and repeats be at least 1; not {k} and {repeats}."
        )
    root = entropy(seed)
    shuffled = np.empty((repeats, n), dtype=np.intp)
    for r in range(repeats):
        rng = np.random.default_rng(np.random.SeedSequence(root, spawn_key=(r,)))
        shuffled[r, rng.permutation(n)] = np.arange(n) % k
    return shuffled


def _paired(loss: Array, other: Array, g: Array) -> tuple[float, float, float, float]:
    """Mean losses, their difference and its standard error."""
    both = ~np.isnan(loss) & ~np.isnan(other)
    g = g[both]
    means = [float(np.average(v[both], weights=g)) for v in (loss, other)]
    se = float(ix.mean_se((loss - other)[both][:, None], g)[0])
    return means[0], means[1], means[0] - means[1], se
