"""The boosted candidates: scikit-learn's histogram trees, taken out as plain arrays.

Every tree works on codes (see :mod:`cxmodels.churn.encoding`): a node sends a row left where a mask over the codes of
its column says so. That is all a tree needs, for numbers, categories, blanks and unseen levels alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .encoding import Codes, Column

Array = NDArray[np.float64]

_TURN = Lock()
STEP = 50  # trees grown between two looks at the held-out rows


@dataclass(frozen=True)
class Shape:
    """How trees are grown.

    Parameters
    ----------
    leaves, depth : int
        Most leaves of a tree and most splits above a leaf (0: no limit).
    rate : float
        Share of each tree's step that is taken.
    columns : float
        Share of the columns tried at each split.
    ridge : float
        Penalty on the values of leaves.
    least_rows : int
        Fewest rows in a leaf.
    alone : bool
        Whether each tree may use a single column only.
    trees : int
        Most trees.
    """

    leaves: int
    depth: int = 0
    rate: float = 0.1
    columns: float = 1.0
    ridge: float = 5.0
    least_rows: int = 20
    alone: bool = False
    trees: int = 300


@dataclass(frozen=True, eq=False)
class Tree:
    """One tree; node 0 is the root.

    Parameters
    ----------
    column : ndarray of int
        Column that a node asks, -1 in a leaf.
    left, right : ndarray of int
        Where it sends a row.
    value : ndarray of float
        Log-odds that a leaf adds.
    masks : list of ndarray of bool
        By node: which codes go left; empty in a leaf.
    """

    column: NDArray[np.intp]
    left: NDArray[np.intp]
    right: NDArray[np.intp]
    value: Array
    masks: list[NDArray[np.bool_]]

    def predict(self, codes: Sequence[Codes]) -> Array:
        """What the tree adds to the log-odds of each row."""
        out = np.empty(len(codes[0]))
        waiting = [(0, np.arange(len(out)))]
        while waiting:
            node, rows = waiting.pop()
            if self.column[node] < 0:
                out[rows] = self.value[node]
                continue
            goes = self.masks[node][codes[self.column[node]][rows]]
            waiting += [(int(self.left[node]), rows[goes]), (int(self.right[node]), rows[~goes])]
        return out

    def leaves(self) -> list[tuple[dict[int, NDArray[np.bool_]], float]]:
        """Every leaf as the codes that lead to it, by column, and its value."""
        found = []
        waiting: list[tuple[int, dict[int, NDArray[np.bool_]]]] = [(0, {})]
        while waiting:
            node, path = waiting.pop()
            if self.column[node] < 0:
                found.append((path, float(self.value[node])))
                continue
            column, mask = int(self.column[node]), self.masks[node]
            for child, goes in ((self.left[node], mask), (self.right[node], ~mask)):
                waiting.append((int(child), {**path, column: path[column] & goes if column in path else goes}))
        return found


@dataclass(frozen=True, eq=False)
class Forest:
    """A boosted model: log-odds are `base` plus what each tree adds."""

    base: float
    trees: list[Tree]

    def logits(self, codes: Sequence[Codes]) -> Array:
        """Log-odds before calibration."""
        out = np.full(len(codes[0]), self.base)
        for tree in self.trees:
            out += tree.predict(codes)
        return out


def grow(
    columns: Sequence[Column],
    codes: Sequence[Codes],
    y: NDArray[np.intp],
    w: Array,
    shape: Shape,
    seed: int,
    *,
    trees: int | None = None,
    held_out: tuple[Sequence[Codes], Array, Array] | None = None,
) -> tuple[Forest, Array]:
    """Grow a boosted model.

    Parameters
    ----------
    columns : sequence of Column
        What the codes mean.
    codes : sequence of ndarray
        Codes by column.
    y : ndarray of int
        0 or 1.
    w : ndarray of float
        Weights.
    shape : Shape
        How to grow.
    seed : int
        For the choice of columns.
    trees : int, optional
        Number of trees; all of the shape's by default.
    held_out : tuple of (codes, y, w), optional
        Rows on which growing is judged; it stops when they have gained nothing by the last 50 trees.

    Returns
    -------
    forest : Forest
    path : ndarray of shape (trees, held-out rows)
        Log-odds of the held-out rows after each tree.
    """
    # scikit-learn puts categories first and numbers the levels that occur; in this order nothing is moved unseen.
    order = sorted(range(len(columns)), key=lambda j: columns[j].kind != "category")
    X = _matrix([codes[j] for j in order])
    most = trees if trees is not None else shape.trees
    asked = list(range(sum(c.kind == "category" for c in columns)))
    model = _classifier()(
        learning_rate=shape.rate,
        max_leaf_nodes=shape.leaves,
        max_depth=shape.depth or None,
        min_samples_leaf=shape.least_rows,
        l2_regularization=shape.ridge,
        max_features=shape.columns,
        interaction_cst="no_interactions" if shape.alone else None,
        categorical_features=asked or None,
        early_stopping=False,
        warm_start=held_out is not None,
        random_state=seed,
    )
    sizes = [columns[j].size for j in order]
    levels = [np.unique(codes[j][codes[j] > 0]) for j in order]
    forest = Forest(0.0, [])
    path: list[Array] = []
    reached = 0
    while reached < most:
        reached = most if held_out is None else min(reached + STEP, most)
        model.set_params(max_iter=reached).fit(X, y, sample_weight=w)
        new = [_tree(stage[0], order, sizes, levels) for stage in model._predictors[len(forest.trees) :]]
        forest = Forest(float(np.ravel(model._baseline_prediction)[0]), forest.trees + new)
        if held_out is None:
            break
        start = path[-1] if path else np.full(len(held_out[1]), forest.base)
        for tree in new:
            start = start + tree.predict(held_out[0])
            path.append(start)
        if _stalled(np.array(path), held_out[1], held_out[2]):
            break
    return forest, np.array(path)


def _classifier() -> Any:
    """scikit-learn's classifier, whose threads take turns at preparing categories.

    For that moment scikit-learn empties the list of warning filters, which all threads share: another thread that looks then
    would warn. Where a version has no such step, the turn is never taken.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    class InTurn(HistGradientBoostingClassifier):
        def _preprocess_X(self, X: Any, *, reset: bool) -> Any:
            with _TURN:
                return super()._preprocess_X(X, reset=reset)

    return InTurn


def _stalled(path: Array, y: Array, w: Array) -> bool:
    """Whether the held-out rows were served best before the last trees."""
    loss = (np.logaddexp(0, path) - y * path) @ w
    return bool(loss.argmin() < len(loss) - STEP)


def _matrix(codes: Sequence[Codes]) -> Array:
    """Codes as scikit-learn wants them: floats, blank as NaN, the first code 0."""
    X = np.empty((len(codes[0]), len(codes)), order="F")
    for j, column in enumerate(codes):
        X[:, j] = column
        X[column == 0, j] = np.nan
        X[:, j] -= 1
    return X


def _tree(predictor: Any, order: list[int], sizes: list[int], levels: list[Codes]) -> Tree:
    """One of scikit-learn's trees as arrays of ours; the names of its fields are tested with every version."""
    nodes = predictor.nodes
    leaf = nodes["is_leaf"].astype(bool)
    masks = []
    for node in nodes:
        j = int(node["feature_idx"])
        goes = np.full(0 if node["is_leaf"] else sizes[j], bool(node["missing_go_to_left"]))
        if node["is_leaf"]:
            pass
        elif node["is_categorical"]:
            bits = predictor.raw_left_cat_bitsets[node["bitset_idx"]]
            place = np.arange(len(levels[j]))
            goes[levels[j]] = (bits[place // 32] >> (place % 32).astype(np.uint32) & 1).astype(bool)
        else:
            goes[1:] = np.arange(sizes[j] - 1) <= node["num_threshold"]
        masks.append(goes)
    return Tree(
        np.where(leaf, -1, np.array(order)[nodes["feature_idx"]]).astype(np.intp),
        nodes["left"].astype(np.intp),
        nodes["right"].astype(np.intp),
        nodes["value"].astype(float),
        masks,
    )
