"""Saving a model as JSON and loading it again; a file can describe a model, but it cannot make anything run.

Every number of a file is checked before it is used: types, sizes, ranges, that trees are trees. A damaged file, or one made
to do harm, is refused in one sentence.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError, SpecError
from ..files import replacing
from .boosted import Forest, Tree
from .calibration import Sigmoid
from .encoding import MOST_LEVELS, Column
from .linear import Effect, Linear
from .monitor import Baseline
from .scorer import Foreign, Profile, Scorer, Trees

if TYPE_CHECKING:
    from .estimator import Churn

Array = NDArray[np.float64]

FORMAT = "cxmodels churn model"
VERSION = 1
MOST_BYTES = 1 << 29
MOST_TREES, MOST_NODES, MOST_DEPTH = 5_000, 255, 14
MOST_LOG_ODDS = 1e6
MOST_ROWS = 1e15
FRAMES = ("candidates_", "columns_", "audit_", "dropped_", "flags_", "excluded_")


class _Damaged(Exception):
    """What is wrong with a file."""


def save(model: Churn, path: str | os.PathLike[str]) -> None:
    """Save a fitted model as JSON, whole or not at all.

    Parameters
    ----------
    model : Churn
        Fitted; not with a plugged-in classifier.
    path : str or path
        File to write; an older one is replaced. Its folder is made if need be.

    Raises
    ------
    SpecError
        For a model whose chosen candidate is a plugged-in classifier.
    DataError
        If the file cannot be written.
    """
    body = describe(model)
    text = json.dumps(
        {"format": FORMAT, "version": VERSION, "checksum": checksum(body), "model": body}, allow_nan=False
    )
    with replacing(Path(path), "model") as draft:
        draft.write_text(text, encoding="utf-8")


def load(path: str | os.PathLike[str]) -> Churn:
    """Load a model that :meth:`cxmodels.Churn.save` wrote; nothing in the file is run.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    Churn
        Fitted: scores, reasons and SQL are those of the saved model, to the last digit.

    Raises
    ------
    DataError
        For a file that is missing, no model, of a later version, damaged or made to do harm.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import cxmodels as cx
    >>> from cxmodels.churn import load
    >>> data = cx.datasets.load("telco").head(800)
    >>> model = cx.Churn(candidates=["linear"], folds=3).fit(data.drop(columns="churn"), data["churn"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(pathlib.Path(folder) / "model.json")
    ...     again = load(pathlib.Path(folder) / "model.json")
    >>> bool((again.predict_proba(data) == model.predict_proba(data)).all())
    True
    """
    try:
        with open(path, "rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise DataError(f"There is no file '{path}'.") from None
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror}.") from None
    try:
        return _restore(raw)
    except _Damaged as error:
        raise DataError(f"'{path}' is no usable churn model: {error}.") from None
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        raise DataError(f"'{path}' is no usable churn model: it is damaged ({type(error).__name__}).") from None


def checksum(body: Any) -> str:
    """SHA-256 of a description in its canonical form.

    Parameters
    ----------
    body : dict
        The description.

    Returns
    -------
    str
    """
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def describe(model: Churn) -> dict[str, Any]:
    """A fitted model as plain lists, texts and numbers.

    Parameters
    ----------
    model : Churn
        Fitted.

    Returns
    -------
    dict
    """
    scorer = model._scorer_of()
    if isinstance(scorer.model, Foreign):
        raise SpecError(
            f"A plugged-in {scorer.kind} cannot be saved as data; leave it out of `candidates`, or keep the object itself."
        )
    labels = model.classes_.tolist()
    if not all(isinstance(v, bool | int | float | str) for v in labels):
        raise SpecError(f"Labels of type {type(labels[0]).__name__} cannot be saved; use numbers or text.")
    options = {k: v for k, v in model.get_params(deep=False).items() if k != "candidates"}
    return {
        "kind": scorer.kind,
        "classes": labels,
        "options": options,
        "names": model._names,
        "named": hasattr(model, "feature_names_in_"),
        "provenance": model.provenance_,
        "frames": {
            name: json.loads(getattr(model, name).to_json(orient="split", double_precision=15, index=False))
            for name in FRAMES
        },
        "columns": [_column(c) for c in scorer.columns],
        "used": list(scorer.used),
        "sigmoid": [scorer.sigmoid.intercept, scorer.sigmoid.slope, *np.ravel(scorer.sigmoid.covariance).tolist()],
        "spread": scorer.spread,
        "baseline": model.baseline_.to_dict(),
        "profiles": [[p.rows.tolist(), p.left.tolist(), p.mean_effect] for p in scorer.profiles],
        "linear": _linear(scorer.model) if isinstance(scorer.model, Linear) else None,
        "trees": _trees(scorer.model) if isinstance(scorer.model, Trees) else None,
    }


def _column(c: Column) -> dict[str, Any]:
    return {
        "name": c.name,
        "kind": c.kind,
        "levels": list(c.levels),
        "pooled": bool(c.pooled),
        "edges": c.edges.tolist(),
        "low": float(c.low),
        "high": float(c.high),
        "how": c.how,
        "parts": list(c.parts),
    }


def _linear(model: Linear) -> dict[str, Any]:
    effects = [[e.knots.tolist(), e.slopes.tolist(), e.levels.tolist(), float(e.high)] for e in model.effects]
    return {"intercepts": model.intercepts.tolist(), "effects": effects}


def _trees(model: Trees) -> dict[str, Any]:
    forests = [{"base": f.base, "trees": [_tree(t) for t in f.trees]} for f in model.forests]
    cells = [np.flatnonzero(b) for b in model.background]
    weights = [[c.tolist(), np.ravel(b)[c].tolist()] for c, b in zip(cells, model.background, strict=True)]
    return {"forests": forests, "background": weights}


def _tree(t: Tree) -> list[Any]:
    masks = [np.packbits(m).tobytes().hex() for m in t.masks]
    return [t.column.tolist(), t.left.tolist(), t.right.tolist(), t.value.tolist(), masks]


def _restore(raw: bytes) -> Churn:
    """The model that a file describes."""
    from .estimator import Churn

    if len(raw) > MOST_BYTES:
        raise _Damaged(f"it is larger than {MOST_BYTES >> 20} MiB")
    try:
        data = json.loads(raw.decode("utf-8"), parse_constant=_refuse)
    except (UnicodeDecodeError, json.JSONDecodeError):
        raise _Damaged("it is not JSON, or cut off") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise _Damaged("it does not say that it is one")
    if data.get("version") != VERSION:
        raise _Damaged(f"it has version {data.get('version')!r}, and this program reads version {VERSION}")
    body = data["model"]
    if data.get("checksum") != checksum(body):
        raise _Damaged("its checksum does not fit, so it was changed or cut off")
    scorer = _scorer(body)
    options = {k: v for k, v in body["options"].items() if k in Churn().get_params(deep=False)}
    model = Churn(**options)
    model._scorer = scorer
    model.chosen_ = scorer.kind
    labels = body["classes"]
    if len(labels) != 2 or labels[0] == labels[1] or type(labels[0]) is not type(labels[1]):
        raise _Damaged("it does not have two labels")
    model.classes_ = np.array(labels)
    if not isinstance(model.level, float) or not 0 < model.level < 1:
        raise _Damaged("its level is not between 0 and 1")
    model._names = _texts(body["names"])
    model.n_features_in_ = len(model._names)
    if body["named"]:
        model.feature_names_in_ = np.array(model._names, dtype=object)
    for name in FRAMES:
        frame = body["frames"][name]
        setattr(model, name, pd.DataFrame(frame["data"], columns=_texts(frame["columns"])))
    model.provenance_ = {str(k): v for k, v in body["provenance"].items()}
    try:
        model.baseline_ = Baseline.from_dict(body["baseline"])
    except DataError as error:
        raise _Damaged(str(error).rstrip(".")) from None
    model._say_calibration()
    return model


def _refuse(word: str) -> None:
    raise _Damaged(f"it holds {word} where a number should be")


def _scorer(body: Any) -> Scorer:
    """Columns, model and calibration, each checked."""
    columns: list[Column] = []
    for one in body["columns"]:
        columns.append(_read_column(one, [c.name for c in columns if c.kind == "number"]))
    if len({c.name for c in columns}) != len(columns):
        raise _Damaged("a column stands twice")
    used = tuple(_within(j, len(columns)) for j in body["used"])
    features = [columns[j] for j in used]
    if not features:
        raise _Damaged("it uses no column")
    six = _numbers(body["sigmoid"], 6, MOST_LOG_ODDS)
    sigmoid = Sigmoid(six[0], six[1], np.array(six[2:]).reshape(2, 2))
    if np.diag(sigmoid.covariance).min() < 0:
        raise _Damaged("its calibration has a negative variance")
    profiles = [_read_profile(p, c) for p, c in zip(body["profiles"], features, strict=True)]
    if body["linear"] is not None:
        model: Linear | Trees = _read_linear(body["linear"], features)
    else:
        model = _read_trees(body["trees"], features)
    spread = _numbers([body["spread"]], 1, MOST_LOG_ODDS)[0]
    return Scorer(_texts([body["kind"]])[0], tuple(columns), used, model, sigmoid, profiles, spread)


def _read_profile(data: Any, column: Column) -> Profile:
    rows, left = (np.array(_numbers(v, column.size, MOST_ROWS), dtype=float) for v in data[:2])
    if (left < 0).any() or (left > rows * (1 + 1e-9)).any():
        raise _Damaged(f"of the customers of column '{column.name}' more left than there were")
    return Profile(rows, left, _numbers([data[2]], 1, MOST_LOG_ODDS)[0])


def _read_column(one: Any, before: list[str]) -> Column:
    name, kind, how = _texts([one["name"], one["kind"], one["how"]])
    levels, parts = tuple(_texts(one["levels"])), tuple(_texts(one["parts"]))
    edges = np.array(_numbers(one["edges"]), dtype=float)
    if kind not in ("number", "category") or how not in ("", "sum", "ratio"):
        raise _Damaged(f"column '{name}' is of an unknown kind")
    if (
        len(levels) > MOST_LEVELS
        or len(set(levels)) != len(levels)
        or len(edges) > 253
        or (np.diff(edges) <= 0).any()
    ):
        raise _Damaged(f"the levels or bins of column '{name}' make no sense")
    if bool(how) != bool(parts) or not set(parts) <= set(before) or (how == "ratio" and len(parts) != 2):
        raise _Damaged(f"column '{name}' is made of columns that do not stand before it")
    low, high = _numbers([one["low"], one["high"]], 2)
    return Column(name, kind, levels, one["pooled"] is True, edges, low, high, how, parts)


def _read_linear(data: Any, features: list[Column]) -> Linear:
    intercepts = np.array(_numbers(data["intercepts"], None, MOST_LOG_ODDS), dtype=float)
    members = len(intercepts)
    if not members:
        raise _Damaged("it has no intercept")
    effects = []
    for (knots, slopes, levels, high), column in zip(data["effects"], features, strict=True):
        number = column.kind == "number"
        if len(slopes) != members or len(levels) != members or (number and not knots):
            raise _Damaged(f"the effect of column '{column.name}' does not fit")
        effects.append(
            Effect(
                np.array(_numbers(knots, None if number else 0), dtype=float),
                np.array([_numbers(s, len(knots)) for s in slopes], dtype=float).reshape(members, len(knots)),
                np.array([_numbers(v, 1 if number else column.size) for v in levels], dtype=float),
                _numbers([high], 1)[0],
            )
        )
        _check_effect(effects[-1], members, column)
    return Linear(intercepts, effects)


def _check_effect(effect: Effect, members: int, column: Column) -> None:
    """Refuse an effect that is beyond all log-odds somewhere between its ends."""
    ends = np.append(effect.knots, effect.high) if len(effect.knots) else np.arange(column.size)
    with np.errstate(all="ignore"):
        reached = np.array([effect.of(ends, m) for m in range(members)])
    if not (np.abs(np.append(reached, effect.levels)) <= MOST_LOG_ODDS).all():
        raise _Damaged(f"the effect of column '{column.name}' is beyond all bounds")


def _read_trees(data: Any, features: list[Column]) -> Trees:
    sizes = tuple(c.size for c in features)
    forests = []
    for forest in data["forests"]:
        if len(forest["trees"]) > MOST_TREES:
            raise _Damaged(f"it has more than {MOST_TREES} trees")
        trees = [_read_tree(t, sizes) for t in forest["trees"]]
        forests.append(Forest(_numbers([forest["base"]], 1, MOST_LOG_ODDS)[0], trees))
    if not forests:
        raise _Damaged("it has no trees")
    model = Trees(forests, sizes)
    background = []
    for block, (cells, weights) in zip(model.tables.blocks, data["background"], strict=True):
        full = np.zeros(block.values.size)
        full[[_within(c, full.size) for c in cells]] = _numbers(weights, len(cells))
        if (full < 0).any() or full.sum() > 1 + 1e-6:
            raise _Damaged("the shares of its training customers do not add up")
        background.append(full.reshape(block.values.shape))
    return Trees(forests, sizes, background)


def _read_tree(data: Any, sizes: tuple[int, ...]) -> Tree:
    """A tree whose nodes lie behind their parents, each reached once."""
    column, left, right, value, masks = data
    n = len(column)
    if not 0 < n <= MOST_NODES:
        raise _Damaged(f"a tree has {n} nodes")
    values = np.array(_numbers(value, n, MOST_LOG_ODDS), dtype=float)
    depth = [0] + [-1] * (n - 1)
    read = []
    for i, j in enumerate(column):
        if depth[i] < 0 or depth[i] > MOST_DEPTH:
            raise _Damaged("a tree is no tree")
        if j == -1:
            read.append(np.zeros(0, dtype=bool))
            continue
        size = sizes[_within(j, len(sizes))]
        for child in (left[i], right[i]):
            if _within(child, n) <= i or depth[child] >= 0:
                raise _Damaged("a tree is no tree")
            depth[child] = depth[i] + 1
        packed = np.frombuffer(bytes.fromhex(masks[i]), np.uint8)
        if len(packed) != -(-size // 8):
            raise _Damaged("a tree asks for codes that its column does not have")
        read.append(np.unpackbits(packed, count=size).astype(bool))
    if not len(column) == len(left) == len(right) == len(masks):
        raise _Damaged("a tree is incomplete")
    whole = [np.array(x, dtype=np.intp) for x in (column, left, right)]
    return Tree(whole[0], whole[1], whole[2], values, read)


def _numbers(values: Any, n: int | None = None, most: float = 1e300) -> list[float]:
    """A list of finite numbers, of a length and no larger than something."""
    if not isinstance(values, list) or (n is not None and len(values) != n):
        raise _Damaged("a list of numbers has another length than it should")
    for v in values:
        if isinstance(v, bool) or not isinstance(v, int | float) or not math.isfinite(v) or abs(v) > most:
            raise _Damaged("it holds something else where a number should be")
    return [float(v) for v in values]


def _texts(values: Any) -> list[str]:
    """A list of texts."""
    if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
        raise _Damaged("it holds something else where a text should be")
    return values


def _within(value: Any, n: int) -> int:
    """A whole number from 0 to n - 1."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < n:
        raise _Damaged("it points to something that is not there")
    return value
