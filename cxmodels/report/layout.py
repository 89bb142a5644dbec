"""Where the boxes, arrows and labels of a path diagram go: numbers only, nothing is drawn here.

Constructs are layered left to right by longest path. A long chain, such as the seven layers of the ECSI model, is
folded: neighbouring layers share a column where the arrows between them can run vertically. Arrows that
span columns get a lane of their own between the boxes they pass, so none can run through a box (the layered method
of Sugiyama, Tagawa and Toda, 1981). All steps are deterministic.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, islice, pairwise, permutations

import numpy as np

from .geometry import HEAD, Edge, Point, Rect, place_labels

__all__ = ["Layout", "arrange"]

MARGIN = 10.0
LANE = 11.0  # half the height of a lane: two lanes apart, a label on one clears the other
CLEAR, LINKED = 26.0, 58.0  # between boxes of a column, without and with an arrow between them
FITS = 4  # as many columns as a page 900 px wide holds in full size


@dataclass(frozen=True)
class Layout:
    """A laid out diagram.

    Attributes
    ----------
    width, height : float
        Size of the drawing in pixels.
    boxes : dict of str to Rect
        The construct boxes. What hangs below a box (`below` of :func:`arrange`) follows directly under it.
    edges : tuple of Edge
        In the order given.
    crossings : int
        Pairs of arrows that cross between columns.
    """

    width: float
    height: float
    boxes: dict[str, Rect]
    edges: tuple[Edge, ...]
    crossings: int


def arrange(
    names: Sequence[str],
    edges: Sequence[tuple[str, str]],
    *,
    box: tuple[float, float] = (140.0, 80.0),
    below: Mapping[str, float] | None = None,
    labels: Sequence[tuple[float, float]] | None = None,
    width: float = 900.0,
) -> Layout:
    """Lay out a path diagram.

    Parameters
    ----------
    names : sequence of str
        The constructs, in the order in which ties are broken.
    edges : sequence of (str, str)
        From, to. Cycles are allowed: an arrow that closes one runs backwards.
    box : tuple of float, default (140, 80)
        Width and height of every box in pixels.
    below : mapping, optional
        Room in pixels to keep under a box, for its items; an arrow down a column then runs at its right.
    labels : sequence of (float, float), optional
        Width and height of each arrow's label; default 36 by 17.
    width : float, default 900
        Width of the drawing; it grows if the columns need more.

    Returns
    -------
    Layout
        Boxes, arrows and label places.

    Examples
    --------
    >>> plan = arrange(["A", "B", "C"], [("A", "B"), ("B", "C"), ("A", "C")])
    >>> plan.boxes["A"].right < plan.boxes["B"].x < plan.boxes["C"].x
    True
    """
    index = {name: i for i, name in enumerate(names)}
    pairs = [(index[a], index[b]) for a, b in edges]
    room = np.array([(below or {}).get(name, 0.0) for name in names])
    flipped, ranks = _ranks(len(names), pairs)
    forward = [(b, a) if i in flipped else (a, b) for i, (a, b) in enumerate(pairs)]
    plans = [_Plan(columns, forward, box, room, width) for columns in _foldings(ranks, forward)]
    plan = min(plans, key=_Plan.cost)
    curves = [c[::-1] if i in flipped else c for i, c in enumerate(plan.curves(flipped))]
    rects = {name: plan.rect(i) for name, i in index.items()}
    full = [Rect(r.x, r.y, r.w, r.h + room[index[n]]) for n, r in rects.items()]
    spots = place_labels(curves, full, labels or [(36.0, 17.0)] * len(edges), plan.width)
    drawn = tuple(Edge(a, b, c, s) for (a, b), c, s in zip(edges, curves, spots, strict=True))
    return Layout(plan.width, plan.height, rects, drawn, plan.crossings())


def _ranks(n: int, edges: Sequence[tuple[int, int]]) -> tuple[set[int], list[int]]:
    """Find the edges to turn round so that no cycle is left, then the longest path into each node."""
    outgoing: list[list[int]] = [[] for _ in range(n)]
    for i, (a, _) in enumerate(edges):
        outgoing[a].append(i)
    state, finished, flipped = [0] * n, [], set()

    def visit(node: int) -> None:
        state[node] = 1
        for i in outgoing[node]:
            target = edges[i][1]
            if state[target] == 1:
                flipped.add(i)
            elif state[target] == 0:
                visit(target)
        state[node] = 2
        finished.append(node)

    entered = {b for _, b in edges}
    for node in sorted(range(n), key=lambda v: v in entered):
        if state[node] == 0:
            visit(node)
    ranks = [0] * n
    forward = [(b, a) if i in flipped else (a, b) for i, (a, b) in enumerate(edges)]
    for node in reversed(finished):
        ranks[node] = max((ranks[a] + 1 for a, b in forward if b == node), default=0)
    return flipped, ranks


def _foldings(ranks: Sequence[int], edges: Sequence[tuple[int, int]], keep: int = 5) -> list[list[int]]:
    """Return the promising ways to give layers that follow each other one column, as a column for each node."""
    layers = max(ranks) + 1
    if layers <= FITS:
        return [list(ranks)]
    fewest = _fewest_columns(ranks, edges)
    found = [(_folding_cost(fewest, edges), fewest)]
    least = max(FITS, max(fewest) + 1)
    for count in range(least, min(least + 2, layers + 1)):
        for cuts in islice(combinations(range(1, layers), count - 1), 20_000):
            column_of = np.searchsorted(cuts, range(layers), side="right")
            columns = [int(column_of[r]) for r in ranks]
            if columns != fewest and _chains(columns, edges):
                found.append((_folding_cost(columns, edges), columns))
    return [columns for _, columns in sorted(found)[:keep]]


def _folding_cost(columns: Sequence[int], edges: Sequence[tuple[int, int]]) -> float:
    """Return a first guess at how good a folding is: few long arrows, columns neither tall nor many."""
    spans = sum(max(0, columns[b] - columns[a] - 1) for a, b in edges)
    return spans + 2.0 * max(np.bincount(columns)) + 3.0 * max(0, max(columns) + 1 - FITS)


def _fewest_columns(ranks: Sequence[int], edges: Sequence[tuple[int, int]]) -> list[int]:
    """Fold greedily: put each layer into the column before it as long as its arrows can be stacked."""
    columns = list(ranks)
    for layer in range(1, max(ranks) + 1):
        here = {columns[v] for v, r in enumerate(ranks) if r == layer}
        folded = [c - 1 if c >= min(here) else c for c in columns]
        if _chains(folded, edges):
            columns = folded
    return columns


def _chains(columns: Sequence[int], edges: Sequence[tuple[int, int]]) -> bool:
    """Whether the arrows inside each column join its boxes to chains, which can be stacked."""
    inside = {(min(a, b), max(a, b)) for a, b in edges if columns[a] == columns[b]}
    degree = np.bincount([v for pair in inside for v in pair], minlength=1)
    root = list(range(len(columns)))
    for a, b in sorted(inside):
        ra, rb = _root(root, a), _root(root, b)
        if ra == rb:
            return False
        root[ra] = rb
    return bool(degree.max() <= 2)


def _root(parents: Sequence[int], node: int) -> int:
    while parents[node] != node:
        node = parents[node]
    return node


class _Plan:
    """One folding laid out: nodes are the boxes 0..n-1, then the lanes that long edges take through columns."""

    def __init__(
        self,
        columns: Sequence[int],
        edges: Sequence[tuple[int, int]],
        box: tuple[float, float],
        below: np.ndarray,
        width: float,
    ) -> None:
        self.box, self.edges, self.n = box, edges, len(columns)
        self.column = list(columns)
        self.up = [box[1] / 2] * self.n
        self.down = [box[1] / 2 + b for b in below]
        self.spine = box[0] / 2 - 15 if below.any() else 0.0
        self.chains: list[list[int]] = []  # each edge as the nodes it visits
        for a, b in edges:
            lanes = list(range(self.column[a] + 1, self.column[b]))
            first = len(self.column)
            self.column += lanes
            self.up += [LANE] * len(lanes)
            self.down += [LANE] * len(lanes)
            self.chains.append([a, *range(first, first + len(lanes)), b])
        for v in range(self.n):
            spare = (self._least_height(v) - box[1]) / 2
            self.up[v], self.down[v] = self.up[v] + max(0.0, spare), self.down[v] + max(0.0, spare)
        self.inside = [(c[0], c[-1]) for c in self.chains if self.column[c[0]] == self.column[c[-1]]]
        self.count = max(self.column) + 1
        self._segments()
        self.order = min((self._untangle(start) for start in self._starts()), key=self._tangle)
        self.y = self._settle()
        self._extent(width)

    def _segments(self) -> None:
        steps = [(p, q) for c in self.chains for p, q in pairwise(c) if self.column[p] != self.column[q]]
        self.steps = steps
        self.between = [
            np.array([s for s in steps if self.column[s[0]] == g], dtype=int).reshape(-1, 2)
            for g in range(self.count)
        ]

    # -- order within the columns ---------------------------------------------------------------------------------

    def _starts(self) -> Iterator[list[list[int]]]:
        """Yield first orders: boxes chained as their inner arrows ask, lanes above, below or halfway."""
        for place in ("above", "below", "middle"):
            order = []
            for column in range(self.count):
                boxes = self._chained([v for v in range(self.n) if self.column[v] == column])
                lanes = [v for v in range(self.n, len(self.column)) if self.column[v] == column]
                cut = {"above": len(lanes), "below": 0, "middle": len(lanes) // 2}[place]
                order.append(lanes[:cut] + boxes + lanes[cut:])
            yield order

    def _chained(self, boxes: list[int]) -> list[int]:
        links: dict[int, list[int]] = {v: [] for v in boxes}
        for a, b in dict.fromkeys((min(e), max(e)) for e in self.inside):
            if a in links:
                links[a].append(b)
                links[b].append(a)
        out: list[int] = []
        for end in sorted(boxes, key=lambda v: (len(links[v]) > 1, boxes.index(v))):
            node: int | None = end
            while node is not None and node not in out:
                out.append(node)
                node = next((v for v in links[node] if v not in out), None)
        return out

    def _gap(self, upper: int, lower: int) -> float:
        if upper >= self.n or lower >= self.n:
            return 8.0 if upper < self.n or lower < self.n else 2.0
        return LINKED if (upper, lower) in self.inside or (lower, upper) in self.inside else CLEAR

    def _offsets(self, nodes: Sequence[int]) -> np.ndarray:
        """Return the lowest y of each node of a column, the first at 0."""
        steps = [self.down[p] + self._gap(p, q) + self.up[q] for p, q in pairwise(nodes)]
        return np.concatenate([[0.0], np.cumsum(steps)]) if len(nodes) else np.empty(0)

    def _stacked(self, nodes: Sequence[int]) -> np.ndarray:
        """Return the y of the nodes of a column packed around 0."""
        offsets = self._offsets(nodes)
        return offsets - offsets[-1] / 2 if len(nodes) else offsets

    def _heights(self, order: Sequence[Sequence[int]]) -> np.ndarray:
        y = np.zeros(len(self.column))
        for nodes in order:
            y[list(nodes)] = self._stacked(nodes)
        return y

    def _tangle(self, order: Sequence[Sequence[int]]) -> float:
        """Return what is wrong with an order: crossings first, then climbs."""
        y = self._heights(order)
        return sum(self._gap_tangle(y, g) for g in range(self.count)) + sum(map(self._inner_tangle, order))

    def _gap_tangle(self, y: np.ndarray, gap: int) -> float:
        a, b = y[self.between[gap][:, 0]], y[self.between[gap][:, 1]]
        return _crossed(a, b) + float(np.abs(a - b).sum()) / 4000

    def _inner_tangle(self, nodes: Sequence[int]) -> float:
        """Count what an arrow down the column would run across: a lane is bad, a box must never happen."""
        at = {v: i for i, v in enumerate(nodes)}
        ends = (sorted((at[a], at[b])) for a, b in self.inside if a in at)
        return float(sum(100 if v < self.n else 1 for i, j in ends for v in nodes[i + 1 : j]))

    def _untangle(self, order: list[list[int]]) -> list[list[int]]:
        """Sweep over the columns, trying all orders of a short one and all single moves in a long one."""
        best = self._tangle(order)
        while True:
            for column in [*range(self.count), *reversed(range(self.count))]:
                order[column] = self._best_order(order, column)
            before, best = best, self._tangle(order)
            if best >= before - 1e-9:
                return order

    def _best_order(self, order: list[list[int]], column: int) -> list[int]:
        y = self._heights(order)

        def badness(nodes: list[int]) -> float:
            y[nodes] = self._stacked(nodes)
            return sum(self._gap_tangle(y, g) for g in (column - 1, column) if g >= 0) + self._inner_tangle(nodes)

        return min(self._trials(order[column], y.copy()), key=badness)

    def _trials(self, nodes: list[int], y: np.ndarray) -> list[list[int]]:
        if len(nodes) <= 4:
            return [nodes, *map(list, permutations(nodes))]
        near = {v: [y[q if p == v else p] for p, q in self.steps if v in (p, q)] for v in nodes}
        barycentre = sorted(nodes, key=lambda v: float(np.mean(near[v])) if near[v] else y[v])
        moves = []
        for v in nodes:
            rest = [u for u in nodes if u != v]
            moves += [[*rest[:i], v, *rest[i:]] for i in range(len(nodes))]
        return [nodes, barycentre, *moves]

    # -- coordinates ----------------------------------------------------------------------------------------------

    def _settle(self) -> np.ndarray:
        """Pull linked nodes level: least squares under the order and the distances of each column."""
        from scipy.optimize import lsq_linear

        # A column is its uppermost y, free, and the room beyond the least distance below each node, at least 0.
        basis = np.zeros((len(self.column), len(self.column)))
        least = np.zeros(len(self.column))
        lower = np.zeros(len(self.column))
        for nodes in self.order:
            for k, v in enumerate(nodes):
                basis[v, list(nodes[: k + 1])] = 1.0
            least[list(nodes)] = self._stacked(nodes)
            lower[list(nodes[:1])] = -np.inf
        pulls = [(1.0, 2.0, 200.0)[(p >= self.n) + (q >= self.n)] ** 0.5 for p, q in self.steps]
        rows = [w * (basis[p] - basis[q]) for w, (p, q) in zip(pulls, self.steps, strict=True)]
        gaps = [w * (least[q] - least[p]) for w, (p, q) in zip(pulls, self.steps, strict=True)]
        faint = 0.05 * np.eye(len(least))  # keeps what nothing pulls together, near the middle
        fit = lsq_linear(
            np.vstack([*rows, faint]), np.append(gaps, np.zeros(len(least))), (lower, np.inf), method="bvls"
        )
        return basis @ fit.x + least

    def _extent(self, width: float) -> None:
        top = min(self.y[v] - self.up[v] for v in range(len(self.y)))
        self.y += MARGIN - top
        self.height = max(self.y[v] + self.down[v] for v in range(len(self.y))) + MARGIN
        w, gaps = self.box[0], max(self.count - 1, 1)
        gap = (width - 2 * MARGIN - self.count * w) / gaps
        self.step = w + min(max(gap, 88.0), 230.0)
        used = (self.count - 1) * self.step + w
        self.width = max(width, used + 2 * MARGIN)
        self.left = (self.width - used) / 2

    def cost(self) -> float:
        """Return how far the picture is from a good one: crossings, climbs, size beyond the page."""
        climbs = sum(abs(self.y[p] - self.y[q]) for p, q in self.steps)
        return self.crossings() + climbs / 500 + max(0.0, self.width - 900) / 60 + self.height / 250

    def crossings(self) -> int:
        """Return how many pairs of arrows cross between columns."""
        return sum(_crossed(self.y[s[:, 0]], self.y[s[:, 1]]) for s in self.between)

    def rect(self, box: int) -> Rect:
        """Return the rectangle of a box."""
        x, y = self.left + self.column[box] * self.step, float(self.y[box] - self.up[box])
        return Rect(x, y, self.box[0], 2 * self.up[box])

    # -- arrows ---------------------------------------------------------------------------------------------------

    def curves(self, flipped: set[int]) -> list[tuple[Point, ...]]:
        """Return each edge's curve, left to right; the head is left free at the end, or at the start if flipped."""
        out_ports, in_ports = self._ports(0), self._ports(1)
        curves = []
        for i, chain in enumerate(self.chains):
            a, b = chain[0], chain[-1]
            heads = (HEAD, 0.0) if i in flipped else (0.0, HEAD)
            if self.column[a] == self.column[b]:
                curves.append(self._vertical(i, a, b, heads))
                continue
            x, y = self.rect(a).right + heads[0], out_ports[i]
            curve: list[Point] = [(x, y)]
            for node in chain[1:]:
                left = self.left + self.column[node] * self.step
                last = node == b
                y2 = in_ports[i] if last else float(self.y[node])
                x2 = left - (heads[1] if last else 0)
                half = (x2 - x) / 2
                curve += [(x + half, y), (x2 - half, y2), (x2, y2)]
                x, y = x2, y2
                if not last:
                    w = self.box[0]
                    curve += [(x + w / 3, y), (x + 2 * w / 3, y), (x + w, y)]
                    x += w
            curves.append(tuple(curve))
        return curves

    def _at_side(self, box: int, end: int) -> list[int]:
        """Return the edges that leave (0) or enter (1) a box at its side."""
        return [i for i, c in enumerate(self.chains) if c[-end] == box and self.column[c[0]] != self.column[c[-1]]]

    def _least_height(self, box: int) -> float:
        """Return the height a box needs so that the arrows at its fuller side keep apart."""
        most = max(len(self._at_side(box, 0)), len(self._at_side(box, 1)))
        return 24.0 + (most - 1) * (17.0 if most <= 6 else 13.0)

    def _ports(self, end: int) -> dict[int, float]:
        """Return the y at which each edge leaves (0) or enters (1) its box, in the order of what it leads to."""
        ports: dict[int, float] = {}
        for box in range(self.n):
            here = sorted(self._at_side(box, end), key=lambda i: (self.y[self.chains[i][-2 if end else 1]], i))
            gap = min(17.0, (2 * self.up[box] - 24) / max(len(here) - 1, 1))
            for k, i in enumerate(here):
                ports[i] = float(self.y[box] + (k - (len(here) - 1) / 2) * gap)
        return ports

    def _vertical(self, edge: int, a: int, b: int, heads: tuple[float, float]) -> tuple[Point, ...]:
        twins = [i for i, c in enumerate(self.chains) if {c[0], c[-1]} == {a, b}]
        x = self.rect(a).cx + self.spine + (twins.index(edge) - (len(twins) - 1) / 2) * 26
        ra, rb = self.rect(a), self.rect(b)
        down = ra.y < rb.y
        y1 = ra.bottom + heads[0] if down else ra.y - heads[0]
        y2 = rb.y - heads[1] if down else rb.bottom + heads[1]
        third = (y2 - y1) / 3
        return ((x, y1), (x, y1 + third), (x, y2 - third), (x, y2))


def _crossed(a: np.ndarray, b: np.ndarray) -> int:
    """Count the pairs of segments whose ends are in opposite order."""
    return int(((a[:, None] - a) * (b[:, None] - b) < -1e-9).sum()) // 2
