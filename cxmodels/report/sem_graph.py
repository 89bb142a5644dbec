"""What the path diagram of a covariance-based model shows: constructs, items, arrows and covariances, from its estimates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ..errors import SpecError, near
from ..sem import SEMBootstrap, SEMResult

__all__ = ["Graph", "Link", "Node", "graph_of", "panels"]

WHICH = ("std_all", "std_lv", "est")


@dataclass(frozen=True)
class Link:
    """One arrow, or one covariance.

    Attributes
    ----------
    start, end : str
        Variables; of a covariance in the order written.
    est : float
        The number shown.
    size : float
        How strong it is, on 0-1 or so: the standardised estimate.
    dashed : bool
        Whether its p-value is not below the level.
    free : bool
        Whether it was estimated; without a standard error too.
    """

    start: str
    end: str
    est: float
    size: float
    dashed: bool
    free: bool


@dataclass(frozen=True)
class Node:
    """A construct, or an observed variable that stands for itself.

    Attributes
    ----------
    name, label : str
    kind : {"factor", "composite", "observed"}
    r_squared : float or None
    items : tuple of Link
        Loadings (weights of a composite) of the items drawn below it.
    """

    name: str
    label: str
    kind: str
    r_squared: float | None
    items: tuple[Link, ...] = ()


@dataclass(frozen=True)
class Graph:
    """One panel of a diagram.

    Attributes
    ----------
    title : str
        Group or level, empty if there is one panel only.
    nodes : dict of str to Node
    paths : tuple of Link
        Between nodes, loadings of dimensions included.
    across : tuple of Link
        Arrows from or to an item: cross loadings, a general factor, a regression of an item.
    covariances : tuple of Link
    labels : mapping of variable to label
    """

    title: str
    nodes: dict[str, Node]
    paths: tuple[Link, ...]
    across: tuple[Link, ...]
    covariances: tuple[Link, ...]
    labels: Mapping[str, str] = field(default_factory=dict)

    def label(self, name: str) -> str:
        """Return what a variable is called."""
        return self.labels.get(name, name)


def panels(result: SEMResult | SEMBootstrap) -> list[tuple[str, pd.DataFrame]]:
    """Estimates by group and level, with a title where there are several.

    Parameters
    ----------
    result : SEMResult or SEMBootstrap

    Returns
    -------
    list of (title, DataFrame)
    """
    frame = result.estimates[result.estimates["op"].isin(["=~", "<~", "~", "~~"])]
    keys = [k for k in ("group", "level") if k in frame and frame[k].nunique() > 1]
    if not keys:
        return [("", frame)]
    out = []
    for values, part in frame.groupby(keys, sort=False):
        words = [str(v) if k == "group" else f"level {v}" for k, v in zip(keys, values, strict=True)]
        out.append((", ".join(words), part))
    return out


def graph_of(
    frame: pd.DataFrame,
    title: str,
    r_squared: Mapping[str, float],
    which: str,
    significance: float,
    labels: Mapping[str, str],
) -> Graph:
    """Read a graph from the estimates of one panel.

    Parameters
    ----------
    frame : DataFrame
        Columns lhs, op, rhs, est, se, pvalue, std_lv, std_all.
    title : str
    r_squared : mapping of variable to R²
    which : {"std_all", "std_lv", "est"}
    significance : float
    labels : mapping of name to label

    Returns
    -------
    Graph

    Raises
    ------
    SpecError
        For an unknown `which`.
    """
    if which not in WHICH:
        raise SpecError(f"which is 'std_all', 'std_lv' or 'est', not '{which}'.{near(str(which), WHICH)}")

    def links(op: str, turned: bool) -> list[Link]:
        rows = frame[frame["op"] == op]
        ends = ("rhs", "lhs") if turned else ("lhs", "rhs")
        return [
            Link(str(a), str(b), float(e), abs(float(s)), bool(se != 0 and not p < significance), bool(se != 0))
            for a, b, e, s, se, p in zip(
                rows[ends[0]], rows[ends[1]], rows[which], rows["std_all"], rows["se"], rows["pvalue"], strict=True
            )
        ]

    weights = links("<~", False)
    formed = {x.start for x in weights}
    loadings = [x for x in links("=~", False) if x.start not in formed]
    regressions, covariances = links("~", True), [c for c in links("~~", False) if c.start != c.end]
    kinds = {x.start: "factor" for x in loadings} | {x.start: "composite" for x in weights}
    home = _homes([*loadings, *weights], kinds)
    loose = [n for x in regressions for n in (x.start, x.end) if n not in kinds and n not in home]
    latent = {n for n in loose if any(part in kinds for part in n.split(":"))}  # products of constructs without items
    kinds |= {n: "factor" if n in latent else "observed" for n in loose}
    alone = [n for c in covariances if c.free for n in (c.start, c.end) if n not in kinds and n not in home]
    kinds |= dict.fromkeys(alone, "observed")
    own: dict[str, list[Link]] = {n: [] for n in kinds}
    across = []
    for x in [*loadings, *weights]:
        if home.get(x.end) == x.start:
            own[x.start].append(x)
        elif x.end not in kinds:
            across.append(x)
    between = [x for x in [*loadings, *regressions] if x.start in kinds and x.end in kinds]
    across += [x for x in regressions if not (x.start in kinds and x.end in kinds)]
    nodes = {n: Node(n, labels.get(n, n), kind, _known(r_squared.get(n)), tuple(own[n])) for n, kind in kinds.items()}
    seen = {*kinds, *home}
    shown = tuple(c for c in covariances if c.free and c.start in seen and c.end in seen)
    return Graph(title, nodes, tuple(between), tuple(across), shown, dict(labels))


def _homes(loadings: list[Link], kinds: Mapping[str, str]) -> dict[str, str]:
    """The construct below which an item is drawn: of those it measures the one with fewest items, else the first."""
    count: dict[str, int] = {}
    for x in loadings:
        count[x.start] = count.get(x.start, 0) + 1
    out: dict[str, str] = {}
    for x in loadings:
        if x.end not in kinds and (x.end not in out or count[x.start] < count[out[x.end]]):
            out[x.end] = x.start
    return out


def _known(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)
