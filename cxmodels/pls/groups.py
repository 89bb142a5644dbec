"""Do groups of respondents measure the same, and do their paths differ? MICOM and multi-group analysis.

Sources: Henseler, Ringle and Sarstedt (2016), International Marketing Review 33(3), for MICOM; Chin and Dibbern (2010),
Handbook of Partial Least Squares, for the permutation test; Henseler, Ringle and Sinkovics (2009), Advances in
International Marketing 20, eq. 13, for the bootstrap comparison; Keil et al. (2000), MIS Quarterly 24(2), and Sarstedt,
Henseler and Ringle (2011), Advances in International Marketing 22, for the t tests; Klesel, Schuberth, Henseler and
Niehaves (2019), Internet Research 29(3), for the distance between all groups; Phipson and Smyth (2010) for the p-values.
"""

from __future__ import annotations

import warnings as _warnings
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..errors import CxError, DataError, DataWarning, SpecError
from ..inference import ADJUSTMENTS, adjusted_pvalues, choose
from ..resampling import check_level, entropy, whole_number
from ..results import Derived, axes
from .differences import larger_share, pooled_t, two_sided, welch_t
from .kernel import Array
from .permutation import COMPARED, Labels, Pair, Together, composite_names, permute_all, permute_pair, select

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .result import PLSResult

Index = NDArray[np.intp]

METHODS = ("permutation", "henseler", "parametric", "welch")


@dataclass(frozen=True, eq=False, repr=False)
class PLSGroups(Derived):
    """Groups of respondents compared; made by :meth:`PLSResult.groups` and :func:`compare_groups`.

    Attributes
    ----------
    point : PLSResult
        The model fitted to all rows.
    results : dict
        The model fitted to each group, by its label.
    sizes : Series
        Rows of each group.
    failed : int
        Permutations that gave no estimate in some group and are left out.

    Examples
    --------
    >>> import cxmodels as cx
    >>> data = cx.datasets.load("holzinger")
    >>> res = cx.PLS("Visual =~ x1 + x2 + x3; Text =~ x4 + x5 + x6; Text ~ Visual").fit(data)
    >>> found = res.groups("school", 100, seed=1)
    >>> found.sizes
    group
    Grant-White    145
    Pasteur        156
    Name: n, dtype: int64
    >>> found.micom[["construct", "correlation", "invariance"]].round(3)
      construct  correlation invariance
    0    Visual        0.959       full
    1      Text        0.999    partial
    >>> found.estimates().round(2)
      outcome predictor  Grant-White  Pasteur
    0    Text    Visual         0.42      0.4
    >>> found.omnibus().round(2)
      outcome predictor  variance  pvalue  pvalue_adjusted
    0    Text    Visual       0.0    0.91             0.91
    """

    point: PLSResult
    by: str
    results: dict[Any, PLSResult]
    pairs: tuple[Pair, ...]
    together: Together | None
    boots: tuple[Array, ...]
    boot_failed: tuple[int, ...]
    permutations: int
    seed: Any
    adjust: str
    level: float
    warnings: tuple[str, ...]

    @property
    def labels(self) -> tuple[Any, ...]:
        """The groups, in sorted order."""
        return tuple(self.results)

    @cached_property
    def sizes(self) -> pd.Series:
        """Rows of each group."""
        return pd.Series({g: r.n_obs for g, r in self.results.items()}, name="n").rename_axis("group")

    @property
    def failed(self) -> int:
        """Permutations left out because some group had no estimate."""
        return sum(p.failed for p in self.pairs) + (self.together.failed if self.together else 0)

    @cached_property
    def micom(self) -> pd.DataFrame:
        """Measurement invariance of composites by pair of groups, one line per construct.

        Step 1, configural invariance, holds by design: every group has the same items, coding and algorithm. Step 2:
        ``correlation`` of the composites made with either group's weights in the pooled rows; below ``correlation_lower``
        they differ. Step 3: ``mean_difference`` and ``logvar_difference`` of the pooled scores against the middle
        range under permutation. ``invariance`` is none, partial (step 2: paths may be compared) or full (step 3
        too: the groups may be pooled).
        """
        tail = (1 - self.level) / 2
        names = composite_names(self.point)
        parts = []
        for pair in self.pairs:
            est, null = pair.composites, pair.null_composites
            low = np.quantile(null[:, 0], 1 - self.level, axis=0)
            lower, upper = np.quantile(null[:, 1:], [tail, 1 - tail], axis=0)
            p_cor = (1 + (null[:, 0] <= est[0] + 1e-12).sum(axis=0)) / (1 + len(null))
            p_rest = two_sided(est[1:], null[:, 1:])
            columns = {
                "group": self.labels[pair.a],
                "other": self.labels[pair.b],
                "construct": names,
                "correlation": est[0],
                "correlation_lower": low,
                "correlation_pvalue": p_cor,
            }
            for k, what in enumerate(("mean", "logvar")):
                columns |= {f"{what}_difference": est[k + 1], f"{what}_lower": lower[k], f"{what}_upper": upper[k]}
                columns[f"{what}_pvalue"] = p_rest[k]
            same, equal = p_cor >= 1 - self.level, (p_rest >= 1 - self.level).all(axis=0)
            columns["invariance"] = np.where(same, np.where(equal, "full", "partial"), "none")
            parts.append(pd.DataFrame(columns))
        return pd.concat(parts, ignore_index=True)

    def differences(self, name: str = "paths", method: str = "permutation") -> pd.DataFrame:
        """Differences of one kind of estimate between all pairs of groups, tested.

        Parameters
        ----------
        name : {"paths", "effects", "r_squared", "loadings", "weights", "reliability"}, default "paths"
            What to compare.
        method : {"permutation", "henseler", "parametric", "welch"}, default "permutation"
            Permutation (Chin and Dibbern 2010) needs no distribution and keeps its level in small samples. Henseler's test
            compares all pairs of bias-centred bootstrap replicates; its one-sided share is doubled. The parametric test
            (Keil et al. 2000) supposes equal variances, Welch's does not; both take bootstrap standard errors.

        Returns
        -------
        DataFrame
            [group, other, keys, est, est_other, difference, (lower, upper | t, df), pvalue, pvalue_adjusted]. `lower`
            and `upper` bound the middle range of the difference if the groups were equal; they are no confidence interval.
            Adjusted for all tests of the frame.

        Raises
        ------
        SpecError
            For an unknown name or method, or a method that needs the bootstrap when there is none.
        """
        part = self._part(name)
        choose("method", method, METHODS)
        if method != "permutation" and not self.boots:
            raise SpecError(f"method='{method}' needs bootstrap replicates; ask for groups(..., bootstrap=1000).")
        keys = self.point.layout.keys[name]
        parts = []
        for pair in self.pairs:
            est, other = pair.values[:, part]
            head = {"group": self.labels[pair.a], "other": self.labels[pair.b], **keys}
            tested = self._tested(pair, part, method)
            parts.append(pd.DataFrame(head | {"est": est, "est_other": other, "difference": est - other} | tested))
        out = pd.concat(parts, ignore_index=True)
        out["pvalue_adjusted"] = adjusted_pvalues(out["pvalue"].to_numpy(), self.adjust)
        return out

    @cached_property
    def paths(self) -> pd.DataFrame:
        """Differences of the paths by permutation, [group, other, outcome, predictor, est, est_other, difference, ...]."""
        return self.differences("paths")

    @cached_property
    def tests(self) -> pd.DataFrame:
        """P-values of the differences of paths by every method, [group, other, outcome, predictor, difference, ...]."""
        methods = METHODS if self.boots else METHODS[:1]
        out = self.paths[["group", "other", "outcome", "predictor", "difference"]].copy()
        for method in methods:
            out[method] = self.differences("paths", method)["pvalue"]
        return out

    def estimates(self, name: str = "paths") -> pd.DataFrame:
        """One kind of estimate in every group, side by side.

        Parameters
        ----------
        name : {"paths", "effects", "r_squared", "loadings", "weights", "reliability"}, default "paths"
            What to show.

        Returns
        -------
        DataFrame
            [keys, one column per group].
        """
        part = self._part(name)
        columns = {}
        for pair in self.pairs:
            columns[pair.a], columns[pair.b] = pair.values[:, part]
        by_group = {self.labels[k]: columns[k] for k in range(len(self.labels))}
        return pd.concat([pd.DataFrame(self.point.layout.keys[name]), pd.DataFrame(by_group)], axis=1)

    def omnibus(self, name: str = "paths") -> pd.DataFrame:
        """Test that an estimate is the same in all groups, by permuting the labels of all rows.

        Parameters
        ----------
        name : {"paths", "effects", "r_squared", "loadings", "weights", "reliability"}, default "paths"
            What to compare.

        Returns
        -------
        DataFrame
            [keys, variance, pvalue, pvalue_adjusted]; `variance` is that of the groups' estimates about their mean,
            weighted by rows.
        """
        part = self._part(name)
        if self.together is None:
            pair = self.pairs[0]
            share = np.prod(self.sizes.to_numpy()) / self.sizes.sum() ** 2
            est, null = share * np.diff(pair.values, axis=0)[0] ** 2, share * pair.null_values**2
        else:
            est, null = self.together.variance, self.together.null_variance
        frame = pd.DataFrame(self.point.layout.keys[name])
        frame["variance"], frame["pvalue"] = est[part], two_sided(est, null)[part]
        frame["pvalue_adjusted"] = adjusted_pvalues(frame["pvalue"].to_numpy(), self.adjust)
        return frame

    @cached_property
    def overall(self) -> pd.DataFrame:
        """One test of all that a model says of two groups (Klesel et al. 2019), [group, other, distance, est, critical, ...].

        The distances d_uls and d_g lie between the item correlations that the two groups' models imply, and are judged
        by the same permutations, [..., pvalue, pvalue_adjusted]; NaN for models with interactions.
        """
        rows = []
        for pair in self.pairs:
            for k, name in enumerate(("d_uls", "d_g")):
                est, null = pair.apart[k], pair.null_apart[:, k]
                p = np.nan if np.isnan(est) else (1 + (null >= est - 1e-12).sum()) / (1 + len(null))
                head = self.labels[pair.a], self.labels[pair.b], name
                rows.append((*head, est, np.quantile(null, self.level), p))
        out = pd.DataFrame(rows, columns=["group", "other", "distance", "est", "critical", "pvalue"])
        by_distance = out.groupby("distance")["pvalue"]
        out["pvalue_adjusted"] = by_distance.transform(lambda p: adjusted_pvalues(p.to_numpy(), self.adjust))
        return out

    @cached_property
    def overall_omnibus(self) -> pd.DataFrame:
        """One test that the models of all groups say the same (Klesel et al. 2019), index distance, [est, critical, pvalue].

        d_uls and d_g between the item correlations that the groups' models imply, averaged over all pairs, against
        permutations of all labels; NaN for models with interactions.
        """
        of = self.together or self.pairs[0]
        at_least = (of.null_apart >= of.apart - 1e-12).sum(axis=0)
        p = np.where(np.isnan(of.apart), np.nan, (1 + at_least) / (1 + len(of.null_apart)))
        columns = {"est": of.apart, "critical": np.quantile(of.null_apart, self.level, axis=0), "pvalue": p}
        return pd.DataFrame(columns, index=pd.Index(["d_uls", "d_g"], name="distance"))

    def plot(self, name: str = "paths", ax: Axes | None = None) -> Axes:
        """Draw what differs between groups.

        Parameters
        ----------
        name : {"paths", "effects", "r_squared", "loadings", "weights", "reliability"}, default "paths"
            What to draw.
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.

        Returns
        -------
        Axes
            Two groups: differences over the range that equal groups would give. More: the estimates side by side. Rows
            whose adjusted p-value is below .05 are bold.

        Raises
        ------
        SpecError
            For an unknown name.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> import cxmodels as cx
        >>> data = cx.datasets.load("holzinger")
        >>> res = cx.PLS("Visual =~ x1 + x2 + x3; Text =~ x4 + x5 + x6; Text ~ Visual").fit(data)
        >>> figure = Figure()
        >>> ax = res.groups("school", 50, seed=1).plot(ax=figure.subplots())
        >>> figure.savefig("picture.png", dpi=300)  # doctest: +SKIP
        """
        return axes("group_differences", self, name, ax)

    def headline(self) -> list[tuple[str, str]]:
        """Model, groups, permutations and replicates.

        Returns
        -------
        list of (label, value)
        """
        groups = ", ".join(f"{g} ({n} rows)" for g, n in self.sizes.items())
        runs = len(self.pairs) * self.permutations + (self.permutations if self.together else 0)
        text = f"{self.permutations} of each pair's labels; {self.failed} of {runs} failed; seed {self.seed}"
        out = [*self.point.headline(), (f"Groups by {self.by}", groups), ("Permutations", text)]
        if self.boots:
            sizes = ", ".join(str(len(b)) for b in self.boots)
            out.append(("Bootstrap", f"{sizes} usable replicates; {sum(self.boot_failed)} failed"))
        return out

    def tables(self) -> dict[str, pd.DataFrame]:
        """Frames of the summary, by title.

        Returns
        -------
        dict of DataFrame
        """
        out = {
            "Invariance of composites (MICOM)": self.micom[
                ["group", "other", "construct", "correlation", "correlation_lower", "correlation_pvalue",
                 "mean_difference", "mean_pvalue", "logvar_difference", "logvar_pvalue", "invariance"]
            ],
            f"Differences of paths (permutation; adjusted: {self.adjust})": self.paths,
        }  # fmt: skip
        if not self.point.spec.plan.terms:
            out["The models as a whole"] = self.overall
        if self.boots:
            out["P-values by method"] = self.tests
        if len(self.labels) > 2:
            if not self.point.spec.plan.terms:
                out["The models of all groups as a whole"] = self.overall_omnibus.reset_index()
            out["Equal paths in all groups"] = self.omnibus()
        return out

    def _part(self, name: str) -> slice:
        choose("frame", name, COMPARED)
        sizes = [len(next(iter(self.point.layout.keys[n].values()))) for n in COMPARED]
        start = sum(sizes[: COMPARED.index(name)])
        return slice(start, start + sizes[COMPARED.index(name)])

    def _tested(self, pair: Pair, part: slice, method: str) -> dict[str, Array]:
        """What a method says of the differences of one pair."""
        gap = pair.values[0, part] - pair.values[1, part]
        if method == "permutation":
            tail = (1 - self.level) / 2
            null = pair.null_values[:, part]
            lower, upper = np.quantile(null, [tail, 1 - tail], axis=0)
            return {"lower": lower, "upper": upper, "pvalue": two_sided(gap, null)}
        a, b = self.boots[pair.a][:, part], self.boots[pair.b][:, part]
        if method == "henseler":
            share = larger_share(a, b)
            return {"pvalue": 2 * np.minimum(share, 1 - share)}
        n, m = (int(self.sizes.iloc[k]) for k in (pair.a, pair.b))
        test = pooled_t if method == "parametric" else welch_t
        t, df = test(gap, a.std(axis=0, ddof=1), b.std(axis=0, ddof=1), n, m)
        from scipy.stats import t as student

        return {"t": t, "df": np.broadcast_to(df, t.shape), "pvalue": 2 * student.sf(np.abs(t), df)}


def compare_groups(
    spec: Any,
    data: Any,
    group: str | ArrayLike,
    *,
    weights: Any = None,
    missing: str = "mean",
    **options: Any,
) -> PLSGroups:
    r"""Fit a model to all rows and compare groups of them.

    Parameters
    ----------
    spec : PLS
    data : Survey or DataFrame
    group : str or array-like of shape (n,)
        Column of the data, or a label for each row of it.
    weights, missing
        As for :meth:`PLS.fit`.
    **options
        As for :meth:`PLSResult.groups`.

    Returns
    -------
    PLSGroups

    Examples
    --------
    >>> import cxmodels as cx
    >>> spec = cx.PLS("Image =~ IMAG1 + IMAG2\nLoyalty =~ CUSL1 + CUSL3\nLoyalty ~ Image")
    >>> mobi = cx.datasets.load("mobi").assign(half=[i % 2 for i in range(250)])
    >>> groups = cx.pls.compare_groups(spec, mobi, "half", n=200, seed=1)
    >>> groups.paths[["est", "est_other", "difference"]].round(2).values.tolist()
    [[0.46, 0.44, 0.02]]
    """
    fit = spec.fit(data, weights=weights, missing=missing)
    if not isinstance(group, str):
        group = np.asarray(group)
        if group.shape != (len(fit.survey),):
            raise DataError(f"group has {group.size} labels for {len(fit.survey)} rows; give one for each row.")
        group = group[fit.rows]
    return fit.groups(group, **options)


def groups(
    fit: PLSResult,
    by: str | ArrayLike,
    n: int,
    seed: int | None,
    strata: str | ArrayLike | None,
    clusters: str | ArrayLike | None,
    bootstrap: int,
    adjust: str,
    level: float,
) -> PLSGroups:
    """Compare groups of the rows of a fit; see :meth:`PLSResult.groups`."""
    if whole_number("The number of permutations", n) < 20:
        raise SpecError(f"A permutation test needs at least 20 permutations, not {n}.")
    if whole_number("bootstrap", bootstrap) < 2 and bootstrap != 0:
        raise SpecError(f"bootstrap is the number of replicates, 2 or more, or 0 for none; not {bootstrap}.")
    choose("adjust", adjust, ADJUSTMENTS)
    check_level(level)
    name = by if isinstance(by, str) else "label"
    code, labels = _codes(fit, by, name)
    stratum = np.zeros(fit.n_obs, dtype=np.intp) if strata is None else _codes(fit, strata, "strata", least=1)[0]
    cluster = None if clusters is None else _codes(fit, clusters, "clusters", least=1)[0]
    notes = _check_strata(code, labels, stratum)
    _check_clusters(code, labels, stratum, cluster)
    movable = Labels(code, stratum, cluster)
    results, more = _fits(fit, code, labels, name)
    for category, text in [(DataWarning, t) for t in notes] + more:
        _warnings.warn(text, category, stacklevel=3)
    root = entropy(seed)
    pairs = [
        permute_pair(fit, movable, a, b, n, (root, 1 + i))
        for i, (a, b) in enumerate(combinations(range(len(labels)), 2))
    ]
    every = permute_all(fit, movable, len(labels), n, (root, 0)) if len(labels) > 2 else None
    boots, failed = [], []
    for k, result in enumerate(results.values() if bootstrap else ()):
        child = int(np.random.SeedSequence(root, spawn_key=(len(pairs) + 1 + k,)).generate_state(1)[0])
        inside = {
            "strata": None if strata is None else stratum[code == k],
            "clusters": None if cluster is None else cluster[code == k],
        }
        reps = result.bootstrap(bootstrap, seed=child, **inside).replicates  # type: ignore[arg-type]
        boots.append(select(result.layout, reps.values[reps.ok]))
        failed.append(reps.failed)
    return PLSGroups(
        point=fit,
        by=name,
        results=results,
        pairs=tuple(pairs),
        together=every,
        boots=tuple(boots),
        boot_failed=tuple(failed),
        permutations=n,
        seed=root,
        adjust=adjust,
        level=level,
        warnings=(*fit.warnings, *notes, *(text for _, text in more)),
    )


def _codes(fit: PLSResult, by: str | ArrayLike, name: str, least: int = 2) -> tuple[Index, list[Any]]:
    """Number and labels of the group of each row used, in sorted order."""
    values = np.asarray(fit._labels(by))
    if values.shape != (fit.n_obs,):
        raise DataError(f"{name} has {values.size} labels for {fit.n_obs} rows used; give one for each.")
    codes, labels = pd.factorize(pd.Series(values), sort=True)
    if missing := int((codes < 0).sum()):
        raise DataError(f"The group '{name}' is missing in {missing} of {len(codes)} rows; fill or leave them out.")
    if len(labels) < least:
        raise DataError(f"The group '{name}' is '{labels[0]}' in all {len(codes)} rows; comparing needs two groups.")
    return codes, list(labels)


def _check_strata(code: Index, labels: list[Any], stratum: Index) -> list[str]:
    """Refuse strata that leave nothing to permute; say which groups some strata lack."""
    table = np.zeros((stratum.max() + 1, len(labels)), dtype=int)
    np.add.at(table, (stratum, code), 1)
    if ((table > 0).sum(axis=1) < 2).all():
        raise DataError("Every stratum holds one group only, so no label can change places; leave strata out.")
    lacking = {labels[k]: int((table[:, k] == 0).sum()) for k in range(len(labels)) if (table[:, k] == 0).any()}
    return [
        f"Group '{g}' has no rows in {m} of {len(table)} strata; none is ever put there." for g, m in lacking.items()
    ]


def _check_clusters(code: Index, labels: list[Any], stratum: Index, cluster: Index | None) -> None:
    """Refuse clusters that lie in several groups or strata, and groups with too few of them to change places."""
    if cluster is None:
        return
    _, first = np.unique(cluster, return_index=True)
    for what, value in (
        ("groups; give it as strata, so that labels change places inside", code),
        ("strata", stratum),
    ):
        if mixed := len(np.unique(cluster[value[first][cluster] != value])):
            raise DataError(f"{mixed} of {len(first)} clusters have rows in several {what}.")
    count = np.bincount(code[first], minlength=len(labels))
    if (count < 2).any():
        few = ", ".join(f"'{labels[k]}' ({count[k]})" for k in np.flatnonzero(count < 2)[:8])
        raise DataError(f"A group needs two clusters or more to change places with others: {few}; merge groups.")


def _fits(
    fit: PLSResult, code: Index, labels: list[Any], name: str
) -> tuple[dict[Any, PLSResult], list[tuple[type[Warning], str]]]:
    """Fit the model to each group; collect what it warns of."""
    rows = np.bincount(code)
    needed = fit.parameters
    if (small := rows < needed).any():
        which = ", ".join(f"'{labels[k]}' ({rows[k]} rows)" for k in np.flatnonzero(small)[:8])
        more = int(small.sum()) - 8
        raise DataError(
            f"Groups of '{name}' too small for the {needed} parameters of the model: {which}"
            f"{f' and {more} more' if more > 0 else ''}; merge them or leave them out."
        )
    out, events = {}, []
    for k, label in enumerate(labels):
        inside = code == k
        case = None if fit.case_weights is None else fit.case_weights[inside]
        with _warnings.catch_warnings(record=True) as caught:
            _warnings.simplefilter("always")
            try:
                out[label] = fit.spec.fit(fit.survey.subset(fit.rows[inside]), weights=case, missing=fit.missing)  # type: ignore[arg-type]
            except CxError as error:
                raise type(error)(f"Group '{label}' ({rows[k]} rows): {error}") from None
        events += [(w.category, f"Group '{label}': {w.message}") for w in caught]
    return out, events
