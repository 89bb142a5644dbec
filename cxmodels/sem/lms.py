"""Latent moderated structural equations: maximum likelihood for interactions of constructs.

The constructs are normal, their product is not, and neither are the items of what depends on it; the likelihood takes this
into account by numerical integration (Klein and Moosbrugger 2000, Psychometrika 65, 457-474). Constructs have mean zero
and the product is theirs as it is, so the mean of the outcome moves by path times covariance, as in Mplus.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import CxWarning, DataWarning, EstimationError, SpecError, listed
from ..model import Model, Row
from .constraints import minimise_under, rank_of_equations
from .diagnose import diagnose, identified_table
from .estimate import Estimate, fixed_values
from .fit import loglikelihoods
from .inference import bread, covariance
from .mixture import Layout, Mixture, parts_of
from .names import Roles
from .population import product_moments
from .products import latent_products
from .result import SEMResult
from .table import Table, blocks_of
from .threads import one_thread

if TYPE_CHECKING:
    from .spec import SEM

Array = NDArray[Any]

__all__ = ["LMSEstimate", "LMSResult", "fit_lms", "without_products"]

_DIMENSIONS = 3
_START = {1: 24, 2: 14, 3: 9}  # nodes in each dimension to begin with
_MOST = {1: 200, 2: 50, 3: 20}
_FLOOR = 0.1  # share of the variance of an item that a start leaves to its error
_EXACT = 5e-4  # log-likelihood units that more nodes may change


def without_products(model: Model) -> Model:
    """Return the model without interactions of constructs."""
    names = latent_products(model)
    return Model(tuple(r for r in model.rows if r.rhs not in names), model.blocks)


# --- the model ------------------------------------------------------------------------------------------------------


def _with_products(model: Model) -> Model:
    """The model with every product as a latent variable whose moments follow from its parts."""
    names = latent_products(model)
    added = []
    for block in sorted({r.block for r in model.rows if r.rhs in names}):
        rows = [r for r in model.rows if r.block == block]
        mine = list(dict.fromkeys(r.rhs for r in rows if r.rhs in names))
        others = _exogenous(rows)
        for k, name in enumerate(mine):
            added += [Row(name, "=~", "", block), Row(name, "~1", "", block, (), (0.0,), (False,))]
            added += [Row(name, "~~", x, block, (), (0.0,), (False,)) for x in (*mine[k:], *others)]
    return Model((*model.rows, *added), model.blocks)


def _exogenous(rows: Sequence[Row]) -> list[str]:
    """Constructs, and observed variables whose moments the model has, that depend on nothing."""
    role = Roles.of([r for r in rows if ":" not in r.rhs])
    caused = {r.lhs for r in rows if r.op == "~"} | {r.rhs for r in rows if r.op == "=~"}
    return [*role.free_latent, *(n for n in role.observed if n not in caused and n not in role.exogenous)]


def _cover(rows: Sequence[Row], products: dict[str, tuple[str, ...]]) -> list[str]:
    """Fewest constructs of which every product has one: those to integrate over.

    Raises
    ------
    SpecError
        If a part depends on something, or a product has no part with a distribution of its own.
    """
    role = Roles.of([r for r in rows if ":" not in r.rhs])
    caused = {r.lhs for r in rows if r.op == "~"} | {r.rhs for r in rows if r.op == "=~"}
    for name, parts in products.items():
        if inner := [x for x in parts if x in caused]:
            raise SpecError(
                f"The interaction '{name}' involves '{inner[0]}', which depends on other variables; interaction='lms' is "
                "for exogenous constructs: use interaction='product'."
            )
    items = {c: [r.rhs for r in rows if r.op == "=~" and r.lhs == c] for c in role.latent}
    noisy = {r.lhs for r in rows if r.op == "~~" and r.lhs == r.rhs}
    known = {c for c, i in items.items() if len(i) == 1 and i[0] not in noisy}
    able = [
        x for x in dict.fromkeys(x for parts in products.values() for x in parts) if x in items and x not in known
    ]
    for name, parts in products.items():
        needed = parts if parts[0] != parts[1] else parts[:1]
        if not set(needed) & set(able):
            raise SpecError(
                f"All parts of the interaction '{name}' are measured without error, so that there is nothing to integrate "
                "over; use interaction='product'."
            )
    for size in range(1, len(able) + 1):
        for chosen in combinations(able, size):
            if all(set(parts) & set(chosen) for parts in products.values()):
                if size > _DIMENSIONS:
                    raise SpecError(
                        f"interaction='lms' would integrate over {size} constructs ({listed(chosen)}), which takes too "
                        f"long; have at most {_DIMENSIONS}, or use interaction='product'."
                    )
                return list(chosen)
    return []


def _layouts(table: Table, model: Model) -> list[Layout]:
    """Cells, products and integrated constructs of every group."""
    out = []
    for number, (_, _, rows) in enumerate(blocks_of(model, table.options.groups)):
        block = table.blocks[number]
        place = {n: i for i, n in enumerate(block.names)}
        mine = {n: tuple(n.split(":")) for n in block.names[block.p :] if ":" in n}
        cover = _cover(rows, mine)
        products = []
        for name, (a, b) in mine.items():
            c, w = (a, b) if a in cover else (b, a)
            products.append((place[name], cover.index(c), place[w]))
        at = np.array([place[c] for c in cover], dtype=np.intp)
        out.append(Layout(block, tuple(products), at))
    return out


@dataclass(frozen=True, eq=False)
class LMSEstimate(Estimate):
    """A fitted model with interactions of constructs.

    Attributes
    ----------
    linear : Estimate
        The model without them.
    top : float
        Log-likelihood of the unrestricted normal moments.
    """

    linear: Estimate | None = None
    top: float = np.nan

    def completed(self, values: Array) -> Array:
        """Values (..., rows) with the moments of the products, which follow from their parts."""
        out = values.copy()
        for block in self.blocks:
            place = {n: i for i, n in enumerate(block.names)}
            products = {place[n]: tuple(place[x] for x in n.split(":")) for n in block.names[block.p :] if ":" in n}
            spread = np.zeros((*values.shape[:-1], block.v, block.v), values.dtype)
            level = np.zeros((*values.shape[:-1], block.v), values.dtype)
            i, j, rows = block.undirected
            spread[..., i, j] = spread[..., j, i] = values[..., rows]
            k, means = block.means
            level[..., k] = values[..., means]
            spread, level = product_moments(spread, level, products)
            own = np.isin(i, list(products)) | np.isin(j, list(products))
            out[..., rows[own]] = spread[..., i[own], j[own]]
            own = np.isin(k, list(products))
            out[..., means[own]] = level[..., k[own]]
        return out

    @property
    def chisq(self) -> float:
        """Twice the log-likelihood that unrestricted normal moments have more; less than nothing if they have less."""
        o = self.objective
        assert isinstance(o, Mixture)
        return 2 * (self.top - o.top) + o.n * self.minimum.value

    @cached_property
    def likelihoods(self) -> tuple[float, float]:
        """Log-likelihoods of the model and of the one without interactions."""
        assert self.linear is not None
        low, top = loglikelihoods(self.linear)
        return top - self.chisq / 2, low


def correction(e: Estimate) -> float:
    """Sum of the corrections of a log-likelihood for data that are not as the model says: trace of inv(H) J."""
    return e.multiplier * float((np.linalg.pinv(bread(e), hermitian=True) * covariance(e)).sum())


def difference(wide: Estimate, narrow: Estimate) -> float:
    """Test statistic of the restrictions that `narrow` adds to `wide`, from their log-likelihoods.

    Where standard errors are robust it is scaled: by the ratio of robust to model-based variances of the interactions
    where these are what `narrow` lacks (Satorra 2000), else by the corrections of both log-likelihoods (Satorra and
    Bentler 2001).
    """
    plain = narrow.chisq - wide.chisq
    if not wide.plan.robust:
        return plain
    df = narrow.df - wide.df
    table = wide.table
    paths = [i for i, x in enumerate(table.entries) if x.op == "~" and ":" in x.rhs and table.index[i] >= 0]
    at = np.unique(table.index[paths])
    if not isinstance(narrow, LMSEstimate) and len(at) == df:
        model, robust = (v[np.ix_(at, at)] for v in (bread(wide) / wide.multiplier, covariance(wide)))
        return plain * df / float(np.trace(np.linalg.solve(model, robust)))
    if not narrow.table.options.means:
        raise SpecError("Fit the model without interactions with mean_structure=True, to compare it with one by LMS.")
    factor = (correction(wide) - correction(narrow)) / (wide.npar - narrow.npar)
    return plain / factor if factor > 0 else np.nan


# --- fitting --------------------------------------------------------------------------------------------------------


def fit_lms(spec: SEM, data: Any, *, equal: Any = (), partial: Any = (), **design: Any) -> LMSResult:
    """Fit a model with interactions of constructs by maximum likelihood.

    Parameters
    ----------
    spec : SEM
    data, equal, partial, **design
        As for :meth:`SEM.fit`.

    Returns
    -------
    LMSResult

    Raises
    ------
    SpecError
        For an estimator other than ML and MLR, composites, or interactions of what depends on something.
    """
    plan = spec._plan(fiml=design.get("missing") == "fiml", clustered=False, weighted=False)
    if plan.name not in ("ML", "MLR"):
        raise SpecError(f"interaction='lms' is maximum likelihood; use estimator ML or MLR, not {plan.name}.")
    model: Model = spec.model  # type: ignore[assignment]
    if any(c.kind == "composite" for c in model.constructs) and spec.composites == "composite":
        raise SpecError("interaction='lms' does not take composites (<~); use composites='factor', or cx.PLS.")
    if spec.composites == "factor":
        model = Model(tuple(replace(r, op="=~") if r.op == "<~" else r for r in model.rows), model.blocks)
    linear = _linear(spec, model, data, equal, partial, design)
    rows, e = linear.rows, linear.estimate
    options = spec.options(rows, equal=equal, partial=partial, ordered=(), means=True)
    table = identified_table(_with_products(model), options)
    layouts = _layouts(table, model)
    plan = replace(e.plan, information="observed")
    found = _estimate(table, layouts, linear, plan, spec.nodes)
    events = diagnose(found, rows)
    if not _exact(found):
        text = "The numerical integration has not settled: more nodes change the log-likelihood; give nodes=."
        events.append((DataWarning, text))
    for category, message in events:
        warnings.warn(message, category, stacklevel=4)
    return LMSResult(spec, found, rows, linear.row_index, linear.survey, tuple(events))


def _linear(spec: SEM, model: Model, data: Any, equal: Any, partial: Any, design: dict[str, Any]) -> SEMResult:
    """The model without interactions, definitions and constraints: rows, moments and starting values."""
    plain = without_products(model)
    plain = Model(tuple(r for r in plain.rows if r.block), plain.blocks)
    partial = (partial,) if isinstance(partial, str) else tuple(partial)
    partial = tuple(p for p in partial if ":" not in str(p))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CxWarning)
        return replace(spec, model=plain, mean_structure=True, interaction="product").fit(
            data, equal=equal, partial=partial, **design
        )


def _estimate(
    table: Table, layouts: Sequence[Layout], linear: SEMResult, plan: Any, nodes: int | None
) -> LMSEstimate:
    """Maximise the likelihood, with more nodes until they make no difference."""
    e = linear.estimate
    base = fixed_values(table, e.data.samples)
    parts = []
    place = {n: i for i, n in enumerate(linear.rows.names)}
    for number, layout in enumerate(layouts):
        mine = linear.rows.codes == number
        at = [place[n] for n in layout.block.names[: layout.block.p]]
        weights = None if linear.rows.weights is None else linear.rows.weights[mine]
        parts.append(parts_of(linear.rows.x[mine][:, at], weights))
    start = x = _start(table, e)
    dimensions = max(len(layout.cover) for layout in layouts)
    top, best = _top(e), _top(e) - e.chisq / 2
    count = nodes or _START[dimensions]
    while True:
        # an optimiser takes a discrepancy near zero for a fit near the data: here the zero is far from any fit
        objective = Mixture(table, layouts, parts, base, top + e.data.n / 2, count)
        if (
            nodes is None
            and count < _MOST[dimensions]
            and x is start
            and not _close(objective.loglik(x), best, objective.n)
        ):
            count = min(
                _more(count), _MOST[dimensions]
            )  # the nodes do not even do for the model without interactions
            continue
        if not np.isfinite(objective.value(x)):
            start = x = _proper(table, layouts, e, x)
        if not np.isfinite(objective.value(x)):
            raise EstimationError(
                "The likelihood has no value at the starting values; give starting values with start(), or check the "
                "fixed values."
            )
        minimum, active, equations = minimise_under(objective, table, base, x)
        rank = rank_of_equations(active, equations)
        blocks = tuple(layout.block for layout in layouts)
        found = LMSEstimate(table, blocks, e.raw, e.data, plan, base, objective, minimum, active, rank, e, top)
        if nodes is not None or not minimum.converged or count >= _MOST[dimensions] or _exact(found):
            return found
        count, x = min(_more(count), _MOST[dimensions]), minimum.x


def _exact(e: LMSEstimate) -> bool:
    """Whether half as many nodes again leave the log-likelihood as it is."""
    o = e.objective
    assert isinstance(o, Mixture)
    finer = Mixture(o.table, o.layouts, o.parts, o.base, o.top, _more(o.count))
    return _close(finer.loglik(e.x), o.loglik(e.x), o.n)


def _more(count: int) -> int:
    return count + max(count // 2, 1)


def _close(one: float, other: float, n: float) -> bool:
    """Whether log-likelihoods differ by less than anything that shows."""
    return abs(one - other) < _EXACT * max(1.0, n / 1000)


def _top(e: Estimate) -> float:
    """Log-likelihood of the unrestricted normal moments of all variables."""
    if e.data.saturated:
        return sum(s.loglik for s in e.data.saturated)
    return sum(
        -0.5 * s.n * (len(s.mean) * (np.log(2 * np.pi) + 1) + float(np.linalg.slogdet(s.cov)[1]))
        for s in e.data.samples
    )


def _start(table: Table, linear: Estimate) -> Array:
    """The solution without interactions; their paths zero."""
    known = {(x.key, x.group): v for x, v in zip(linear.table.entries, linear.values, strict=True)}
    out = np.zeros(table.size)
    for i, x in enumerate(table.entries):
        if table.index[i] >= 0:
            start = x.start if np.isfinite(x.start) else known.get((x.key, x.group), 0.0)
            out[table.index[i]] = np.clip(start, x.lower, x.upper)
    return out


def _proper(table: Table, layouts: Sequence[Layout], e: Estimate, x: Array) -> Array:
    """Starting values without negative or vanishing variances, as a solution without interactions may have them."""
    x = x.copy()
    for number, (layout, sample) in enumerate(zip(layouts, e.data.samples, strict=True)):
        place = {n: i for i, n in enumerate(layout.block.names)}
        for i in table.block(number):
            entry, q = table.entries[i], table.index[i]
            if entry.op != "~~" or q < 0 or np.isfinite(entry.start):
                continue
            k = place[entry.lhs]
            if entry.lhs == entry.rhs:
                floor = _FLOOR * (sample.cov[k, k] if k < layout.block.p else max(e.states[number].cov[k, k], 1e-3))
                x[q] = max(x[q], floor)
            else:
                x[q] *= 0.8
    return x


# --- the result -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class LMSResult(SEMResult):
    """A model with interactions of constructs, fitted by latent moderated structural equations.

    There is no unrestricted model to test it against, hence no chi-square, CFI or RMSEA: fit the model without
    interactions for these, and compare the two (`lr_` in :attr:`fit_measures`, or :func:`cxmodels.compare`).
    """

    @cached_property
    @one_thread
    def fit_measures(self) -> pd.Series:
        """Likelihood measures, and the likelihood-ratio test of all interactions: lr_chisq, lr_df, lr_pvalue.

        With robust standard errors the test is scaled by the ratio of robust to model-based variances of the
        interactions (Satorra 2000).
        """
        from scipy.special import chdtrc

        e: LMSEstimate = self.estimate  # type: ignore[assignment]
        assert e.linear is not None
        logl, low = e.likelihoods
        n, k = e.data.n, e.npar
        out = {"npar": float(k), "logl": logl, "aic": 2 * k - 2 * logl, "bic": k * np.log(n) - 2 * logl}
        out |= {"ntotal": n, "bic2": k * np.log((n + 2) / 24) - 2 * logl}
        if e.plan.robust:
            out["scaling_factor_h0"] = correction(e) / k
        df = float(k - e.linear.npar)
        chisq = difference(e, e.linear) if df > 0 else np.nan
        out |= {"linear_logl": low, "lr_chisq": chisq, "lr_df": df}
        return pd.Series(out | {"lr_pvalue": float(chdtrc(df, max(chisq, 0.0))) if df > 0 else np.nan})

    def headline(self) -> list[tuple[str, str]]:
        """Return model, rows, convergence, likelihood and the test of the interactions."""
        m, nodes = self.fit_measures, len(self.estimate.objective.z)  # type: ignore[attr-defined]
        rows = self._beginning(f"latent moderated structural equations, {self.estimate.plan.name}, {nodes} nodes")
        rows.append(("Likelihood", f"log {m['logl']:.3f}, AIC {m['aic']:.1f}, BIC {m['bic']:.1f}"))
        test = f"{m['lr_chisq']:.3f}, df {m['lr_df']:.0f}, p {m['lr_pvalue']:.3f} against the model without"
        return [*rows, ("Interaction", test)]

    def shown(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return a frame with a row for every parameter without the moments of the products."""
        drop = frame["op"].isin(["~~", "~1"]) & (frame["lhs"].str.contains(":") | frame["rhs"].str.contains(":"))
        return super().shown(frame)[~drop].reset_index(drop=True)

    @one_thread
    def scores(self, method: str = "regression", *, se: bool = False, data: Any = None) -> pd.DataFrame:
        """Return factor scores of the rows used: their means given all answers, the products included.

        Parameters
        ----------
        method : {"regression"}, default "regression"
            Expected values given the answers, under the model (not linear in the answers).
        se : bool, default False
            Add a column ``<construct>_se``: the standard deviation given the answers.
        data : None
            Other rows are not offered.

        Returns
        -------
        DataFrame
            Rows by constructs, with the data's index.
        """
        if data is not None:
            raise SpecError("Scores of other rows are not offered for models fitted by LMS; fit them with the rest.")
        if method != "regression":
            raise SpecError("Scores of a model fitted by LMS are expected values; use method='regression'.")
        e = self.estimate
        names = e.blocks[0].names[e.blocks[0].p :]
        out, error = (np.empty((len(self.rows.x), len(names))) for _ in range(2))
        for g, block in enumerate(e.blocks):
            mean, var = e.objective.posterior(e.x, g)  # type: ignore[attr-defined]
            out[self.rows.codes == g], error[self.rows.codes == g] = mean[:, block.p :], np.sqrt(var[:, block.p :])
        frame = pd.DataFrame(out, self.row_index, list(names))
        spread = pd.DataFrame(error, self.row_index, [f"{n}_se" for n in names])
        return frame.join(spread) if se else frame

    def residuals(self, kind: str = "raw", group: Any = None) -> pd.DataFrame:
        """Return sample less implied covariances (or correlations) of a group's items.

        Parameters
        ----------
        kind : {"raw", "cor"}
            Standardised ones have no known distribution here.
        group : label, optional
            By default the first (or only) group.

        Returns
        -------
        DataFrame
            Items by items.
        """
        if kind not in ("raw", "cor"):
            raise SpecError(
                "Residuals of a model fitted by LMS are 'raw' or 'cor'; their standard errors are not known."
            )
        return super().residuals(kind, group)  # type: ignore[arg-type]

    def modification_indices(self) -> pd.DataFrame:
        """Not offered: they belong to models of covariances."""
        raise SpecError(
            "Modification indices are for models of covariances; fit with interaction='product' for them."
        )

    def score_tests(self, *args: Any, **kwargs: Any) -> pd.DataFrame:
        """Not offered: they belong to models of covariances."""
        raise SpecError("Score tests are for models of covariances; fit with interaction='product' for them.")

    def expected_changes(self, *args: Any, **kwargs: Any) -> pd.DataFrame:
        """Not offered: they belong to models of covariances."""
        raise SpecError("Score tests are for models of covariances; fit with interaction='product' for them.")

    def bootstrap(self, *args: Any, **kwargs: Any) -> Any:
        """Not offered: every replicate would integrate anew."""
        raise SpecError(
            "Bootstrap replicates are offered for interaction='product'; with LMS use estimator='MLR' for standard errors "
            "that do not need normality."
        )
