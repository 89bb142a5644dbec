"""The satisfaction index from stated importance: components rated for importance and for quality.

With importance I_j and quality Q_j of component j, the means over respondents, and weights w_j = I_j / sum I,

    percent of maximum   CSI = 100 sum w_j Q_j / hi
    index on 0-100       CSI = 100 (sum w_j Q_j - lo) / (hi - lo)

Standard errors are linearised; see the module ``tree``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError, SpecError, listed
from ..inference import choose, quantile
from .answers import Answers, Scale, design_of, read
from .design import Array, Design
from .estimate import Estimate, Measure, Point, evaluate
from .kinds import mean_bounds, span
from .tree import Branch, Component, Node, columns_of, grow, numbered, walk

Mask = NDArray[np.bool_]
Form = Literal["percent", "index"]
FORMS = ("percent", "index")


@dataclass(frozen=True, repr=False)
class CsiEstimate(Estimate):
    """A satisfaction index with the table of its components.

    Attributes
    ----------
    components : DataFrame
        One row per node below the root, parents before their parts: [component, parent, depth, importance, weight
        (within its parent), weight_total (in the index), quality, value (0-100, by the same convention as the index),
        se, ci_lower, ci_upper, contribution (to the index, leaves only), dissatisfied, n, missing].
    scale : (lo, hi)
        Of quality.
    form : {"percent", "index"}
        Convention of all values.

    Examples
    --------
    >>> import cxmodels as cx
    >>> found = cx.metrics.csi([4.5, 4.0, 5.0], [4.6, 3.9, 4.4], names=["location", "check-in", "room"])
    >>> round(found.value, 1), found.leaves["weight"].round(2).tolist()
    (86.4, [0.33, 0.3, 0.37])
    """

    components: pd.DataFrame = field(default_factory=pd.DataFrame, compare=False)
    scale: Scale = (1.0, 5.0)
    form: str = "percent"

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the components for display.

        Returns
        -------
        dict of DataFrame
        """
        return {"Components": self.components.set_index("component")}

    @property
    def leaves(self) -> pd.DataFrame:
        """The rows of `components` that customers rated themselves, by name."""
        return self.components[~self.components["component"].isin(self.components["parent"])].set_index("component")

    def quadrants(self, cut: Any = "mean") -> pd.DataFrame:
        """Sort the components into the four fields of importance and performance (Martilla and James 1977).

        Parameters
        ----------
        cut : {"mean", "midpoint", "strict"} or (importance, performance), default "mean"
            Where high begins: at the means of the components; at the middle of the scale for both; at the mean
            importance and the first quality answer that is no neutral one, less half a step; or at two numbers.

        Returns
        -------
        DataFrame
            Index component: [importance, quality, importance_cut, quality_cut, quadrant]. High is at or above the
            cut. The cut decides the picture, so it stands beside every row.

        Examples
        --------
        >>> from cxmodels.metrics import csi
        >>> hotel = csi([5, 3, 4], [3, 5, 4], names=["Bed", "Bar", "Price"])
        >>> hotel.quadrants()["quadrant"].tolist()
        ['Concentrate here', 'Possible overkill', 'Keep up the good work']
        """
        from .profile import quadrants

        leaves = self.leaves
        return quadrants(leaves["importance"], leaves["quality"], cut=cut, scale=self.scale)


def csi(
    importance: Any,
    quality: Any,
    *,
    data: Any = None,
    weights: Any = None,
    strata: Any = None,
    clusters: Any = None,
    by: Any = None,
    scale: Scale | None = None,
    importance_scale: Scale | None = None,
    form: Form = "percent",
    average: Literal["components", "respondents"] = "components",
    missing: Literal["available", "listwise"] = "available",
    se: Literal["linearised", "jackknife"] = "linearised",
    neutral: Literal["dissatisfied", "neutral"] = "dissatisfied",
    names: Sequence[str] | None = None,
    interval: Literal["normal", "t"] = "normal",
    level: float = 0.95,
) -> Any:
    """Customer satisfaction index from components rated for importance and quality.

    Parameters
    ----------
    importance, quality : frame or array-like of shape (n, k), or k column names
        Ratings, respondents by components in the same order. Two vectors (or mappings by name) are the means of k components, and give
        the index without a standard error; so does a single row.
    data : Survey or DataFrame, optional
        The table that column names speak of.
    weights, strata, clusters : column name or array-like of shape (n,), optional
        Case weights and the design of the sample.
    by : column name(s) or labels of shape (n,), optional
        Groups; gives a frame with a row for each.
    scale : (lo, hi), optional
        Ends of the quality scale; by default those of the codebook, else 1-5.
    importance_scale : (lo, hi), optional
        Ends of the importance scale; by default the same as for quality.
    form : {"percent", "index"}, default "percent"
        Percent of the maximum, in which the worst answers give 20 % on 1-5; or 0-100 between the ends of the scale.
    average : {"components", "respondents"}, default "components"
        Mean importance times mean quality; or the mean over respondents of each one's own index.
    missing : {"available", "listwise"}, default "available"
        Each mean over those who rated the component; or over those who rated all.
    se : {"linearised", "jackknife"}, default "linearised"
        The jackknife leaves out one unit at a time.
    neutral : {"dissatisfied", "neutral"}, default "dissatisfied"
        Whether the middle of the quality scale counts into the percent dissatisfied.
    names : sequence of str, optional
        Of the components; by default the names of the quality columns.
    interval : {"normal", "t"}, default "normal"
        Student's is the better one for small samples: of 12 respondents the normal one covers 92 % in place of 95 %. With
        strata or clusters it is always Student's.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    CsiEstimate or DataFrame
        On 0-100, with ``components``, ``leaves`` and ``quadrants()``.

    Raises
    ------
    DataError
        For ratings outside their scale (with counts), a component without ratings, or no importance at all.
    SpecError
        If the numbers of columns differ, or an option is unknown.

    Notes
    -----
    The weight of a component is its stated importance over the sum. The formulas are those of the module; for
    respondents' own indices se is that of a mean.

    Examples
    --------
    >>> from cxmodels.metrics import csi
    >>> e = csi([4.5, 4.0, 5.0], [4.6, 3.9, 4.4], names=["location", "check-in", "room"])
    >>> round(e.value, 2), e.leaves["weight"].round(4).tolist()
    (86.37, [0.3333, 0.2963, 0.3704])
    """
    i, q = read(_row(importance), data, "importance"), read(_row(quality), data, "quality")
    if i.values.shape != q.values.shape:
        raise SpecError(
            f"There are {i.values.shape[1]} columns of importance with {i.n} rows and {q.values.shape[1]} of quality "
            f"with {q.n}: give one of each for every component, in the same order."
        )
    if set(i.names) == set(q.names) and i.names != q.names:
        raise SpecError("importance and quality name the same components in another order; put them in one order.")
    called = q.names if names is None else [str(v) for v in names]
    if len(called) != len(q.names) or len(set(called)) < len(called):
        raise SpecError(
            f"names must be {len(q.names)} different names, one for each component; got {listed(called)}."
        )
    k = len(called)
    both = Answers(np.column_stack([q.values, i.values]), [*called, *i.names], q.survey, q.named)
    ends = q.scale(scale, (1, 5))
    i.scale(importance_scale, ends)
    tree = Branch("CSI", [Component(c, str(j), str(k + j)) for j, c in enumerate(called)])
    plan = _Plan(tree, ends, form, average, missing, se, neutral, interval, level, k)
    return _fit(plan, both, weights, strata, clusters, by)


def _row(x: Any) -> Any:
    """A vector of numbers as one row of means, named by its index; anything else as it is."""
    if isinstance(x, Mapping) and all(np.isscalar(v) for v in x.values()):
        x = pd.Series(x)
    if isinstance(x, pd.Series):
        return x.to_frame().T
    if isinstance(x, str) or (isinstance(x, list | tuple) and any(isinstance(v, str) for v in x)):
        return x
    try:
        return np.asarray(x)[None, :] if not hasattr(x, "columns") and np.ndim(x) == 1 else x
    except ValueError:  # rows of different lengths, which reading refuses
        return x


def csi_tree(
    tree: Branch,
    data: Any,
    *,
    weights: Any = None,
    strata: Any = None,
    clusters: Any = None,
    by: Any = None,
    scale: Scale | None = None,
    importance_scale: Scale | None = None,
    form: Form = "percent",
    missing: Literal["available", "listwise"] = "available",
    se: Literal["linearised", "jackknife"] = "linearised",
    neutral: Literal["dissatisfied", "neutral"] = "dissatisfied",
    interval: Literal["normal", "t"] = "normal",
    level: float = 0.95,
) -> Any:
    """Satisfaction index of a tree of components, in which branches have their own weights.

    Parameters
    ----------
    tree : Branch
        What the index is made of. A name may occur once.
    data : Survey or DataFrame
        Ratings, one row per respondent.
    weights, strata, clusters, by, scale, importance_scale, form, missing, se, neutral, interval, level
        As for :func:`csi`.

    Returns
    -------
    CsiEstimate or DataFrame
        With a row of ``components`` for every branch and leaf.

    Raises
    ------
    DataError
        For ratings outside their scale, an unknown column, or no importance at all.
    SpecError
        For an empty branch, a name given twice, or a weight that is no positive number.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodels.metrics import Branch, Component, csi_tree
    >>> room = Branch("Room", [Component("Bed", "bed"), Component("Bath", "bath")], importance=2)
    >>> hotel = Branch("Hotel", [room, Component("Staff", "staff", importance=3)])
    >>> answers = pd.DataFrame({"bed": [5, 4], "bath": [3, 4], "staff": [5, 3]})
    >>> e = csi_tree(hotel, answers)
    >>> e.value, e.components[["component", "weight_total", "value"]].values.tolist()
    (80.0, [['Room', 0.4, 80.0], ['Bed', 0.2, 90.0], ['Bath', 0.2, 70.0], ['Staff', 0.6, 80.0]])
    """
    quality, stated, nodes = columns_of(tree)
    if twice := [n for n in dict.fromkeys(nodes) if nodes.count(n) > 1]:
        raise SpecError(f"The tree names {listed(twice)} more than once; give every node a name of its own.")
    q = read(quality, data)
    ends = q.scale(scale, (1, 5))
    values = q.values
    if stated:
        i = read(stated, data)
        i.scale(importance_scale, ends)
        values = np.column_stack([values, i.values])
    columns = {("q", c): str(j) for j, c in enumerate(quality)}
    columns |= {("i", c): str(len(quality) + j) for j, c in enumerate(stated)}
    both = Answers(values, [*quality, *stated], q.survey, True)
    plan = _Plan(
        numbered(tree, columns), ends, form, "components", missing, se, neutral, interval, level, len(quality)
    )
    return _fit(plan, both, weights, strata, clusters, by)


def csi_scores(
    importance: Any, quality: Any, *, data: Any = None, scale: Scale | None = None,
    importance_scale: Scale | None = None, form: Form = "percent",
) -> pd.Series:  # fmt: skip
    """Each respondent's own index, sum of I Q / sum of I over the components rated, on 0-100.

    Parameters
    ----------
    importance, quality, data, scale, importance_scale, form
        As for :func:`csi`.

    Returns
    -------
    Series of shape (n,)
        With the index of the data; NaN for a respondent who rated nothing, or holds nothing important.

    Examples
    --------
    >>> from cxmodels.metrics import csi_scores
    >>> csi_scores([[5, 5], [1, 3]], [[5, 3], [2, 4]]).tolist()
    [80.0, 70.0]
    """
    choose("form", form, FORMS)
    i, q = read(importance, data, "importance"), read(quality, data, "quality")
    if i.values.shape != q.values.shape:
        raise SpecError("Give one column of importance and one of quality for every component, in the same order.")
    ends = q.scale(scale, (1, 5))
    i.scale(importance_scale, ends)
    return pd.Series(_own(i.values, q.values, ends, form), index=q.survey.frame.index, name="csi")


def _own(i: Array, q: Array, ends: Scale, form: str) -> Array:
    rated = ~(np.isnan(i) | np.isnan(q))
    total = np.where(rated, i, 0.0).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return _scaled(np.where(rated, i * q, 0.0).sum(axis=1) / total, ends, form)


def _scaled(value: Any, ends: Scale, form: str) -> Any:
    """From the quality scale to percent of maximum, or to 0-100."""
    lo, hi = ends
    return 100 * value / hi if form == "percent" else 100 * (value - lo) / (hi - lo)


class _Plan(NamedTuple):
    tree: Branch
    scale: Scale
    form: str
    average: str
    missing: str
    se: str
    neutral: str
    interval: str
    level: float
    k: int  # columns of quality; those of importance follow


def _fit(plan: _Plan, answers: Answers, weights: Any, strata: Any, clusters: Any, by: Any) -> Any:
    """Compute the index of everybody, or a frame with a row per group."""
    for what, value, allowed in (
        ("form", plan.form, FORMS),
        ("average", plan.average, ("components", "respondents")),
        ("missing", plan.missing, ("available", "listwise")),
        ("se", plan.se, ("linearised", "jackknife")),
        ("neutral", plan.neutral, ("dissatisfied", "neutral")),
        ("interval", plan.interval, ("normal", "t")),
    ):
        choose(what, value, allowed)
    quantile(plan.level)
    if by is not None and plan.se == "jackknife":
        raise SpecError('se="jackknife" is for one index; leave it out with by=.')
    if plan.missing == "listwise" and np.isnan(answers.values).any(axis=1).all():
        raise DataError(f'No respondent rated all {answers.values.shape[1]} columns; use missing="available".')
    measure = _measure(plan, answers.names)
    options: dict[str, Any] = {"weights": weights, "strata": strata, "clusters": clusters, "level": plan.level}
    found = evaluate(measure, answers, by=by, **options)
    return found if by is not None else _with_components(found, plan, answers, weights, strata, clusters)


def _measure(plan: _Plan, names: list[str]) -> Measure:
    """The index as the engine sees it."""

    def point(x: Array, w: Array) -> Point:
        if plan.average == "respondents":
            own = _own(x[:, plan.k :], x[:, : plan.k], plan.scale, plan.form)
            g = np.where(np.isnan(own), 0.0, w)
            if not g.sum() > 0:
                raise DataError(f"None of {len(x)} respondents has an index: no rating, or no importance above 0.")
            mean = float(g @ np.nan_to_num(own) / g.sum())
            return Point(mean, g * (np.nan_to_num(own) - mean) / g.sum() * w.sum() / w, {})
        root = grow(plan.tree, "", 0, x, names, w)
        slope = 100 / (plan.scale[1] if plan.form == "percent" else plan.scale[1] - plan.scale[0])
        return Point(_scaled(root.value, plan.scale, plan.form), slope * root.z_value * w.sum() / w, {})

    said = {"percent": f"% of the maximum {plan.scale[1]:g}", "index": f"index, 0–100 for {span(plan.scale)}"}
    how = "means of components" if plan.average == "components" else "mean of respondents' own indices"
    method = f"stated importance, {how}; {plan.missing} ratings; {plan.se} se"
    method += f"; interval {plan.interval}"
    student = plan.interval == "t"
    return Measure(
        "CSI", said[plan.form], method, point, mean_bounds, student=student, partial=plan.missing == "available"
    )


def _with_components(
    found: Estimate, plan: _Plan, answers: Answers, weights: Any, strata: Any, clusters: Any
) -> CsiEstimate:
    """Add the table of components, and the jackknife if it was asked for."""
    gone = np.isnan(answers.values)
    answered = np.logical_not(gone.any(axis=1) if plan.missing == "listwise" else gone.all(axis=1))
    keep = np.ones(answers.n, dtype=bool) if strata is not None or clusters is not None else answered
    design = design_of(answers, weights, strata, clusters, keep)
    x, inside = answers.values[keep], answered[keep] & (design.weights > 0)
    nodes = list(walk(grow(plan.tree, "", 0, x, answers.names, design.weights * inside)))
    slope = 100 / (plan.scale[1] if plan.form == "percent" else plan.scale[1] - plan.scale[0])
    errors = slope * design.spread(np.column_stack([node.z_value for node in nodes])).se()
    q, se = quantile(plan.level, found.df), found.se
    if plan.se == "jackknife" and found.n > 1:
        se = _jackknife(plan, x, answers.names, design, inside)
    own = {f.name: getattr(found, f.name) for f in fields(Estimate)}
    own |= {"se": se, "ci_lower": found.value - q * se, "ci_upper": found.value + q * se}
    table = _table(plan, nodes, errors, q, x, design, inside)
    return CsiEstimate(**own, components=table, scale=plan.scale, form=plan.form)


def _jackknife(plan: _Plan, x: Array, names: list[str], design: Design, inside: Mask) -> float:
    """Delete-one-unit jackknife; with strata the stratified one, JKn (Wolter 2007, ch. 4)."""
    units = np.unique(design.unit[inside])
    values = np.empty(len(units))
    for at, unit in enumerate(units):
        of_stratum = design.stratum[unit]
        rest = design.size[of_stratum] / (design.size[of_stratum] - 1.0)
        factor = np.where(design.stratum[design.unit] == of_stratum, rest if design.complex else 1.0, 1.0)
        w = design.weights * inside * factor * (design.unit != unit)
        values[at] = _measure(plan, names).point(x[w > 0], w[w > 0]).value
    square = 0.0
    for h in np.unique(design.stratum[units]):
        part = values[design.stratum[units] == h]
        n = len(part)
        square += (n - 1) / n * ((part - part.mean()) ** 2).sum()
    return float(np.sqrt(square))


def _table(
    plan: _Plan, nodes: list[Node], errors: Array, q: float, x: Array, design: Design, inside: Mask
) -> pd.DataFrame:
    """The frame of components; see :class:`CsiEstimate`."""
    weight = {nodes[0].name: 1.0}
    share = {}
    for node in nodes:
        total = sum(p.importance for p in node.parts)
        for part in node.parts:
            share[part.name] = part.importance / total
            weight[part.name] = weight[node.name] * share[part.name]
    middle = sum(plan.scale) / 2
    rows = []
    for node, error in zip(nodes[1:], errors[1:], strict=True):
        value = _scaled(node.value, plan.scale, plan.form)
        rated = inside if node.column < 0 else inside & ~np.isnan(x[:, node.column])
        unhappy = np.nan
        if node.column >= 0 and inside.sum() > 1:  # a single row holds means, not answers
            answers = x[rated, node.column]
            low = answers <= middle if plan.neutral == "dissatisfied" else answers < middle
            unhappy = float(np.average(low, weights=design.weights[rated]))
        rows.append({
            "component": node.name, "parent": node.parent, "depth": node.depth, "importance": node.importance,
            "weight": share[node.name], "weight_total": weight[node.name], "quality": node.value, "value": value,
            "se": error, "ci_lower": value - q * error, "ci_upper": value + q * error,
            "contribution": weight[node.name] * value if node.column >= 0 else np.nan,
            "dissatisfied": unhappy, "n": int(rated.sum()), "missing": int(inside.sum() - rated.sum()),
        })  # fmt: skip
    return pd.DataFrame(rows)
