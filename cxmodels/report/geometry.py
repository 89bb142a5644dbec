"""Rectangles, the curves of arrows, and places for labels on the curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["HEAD", "Edge", "Point", "Rect", "place_labels"]

Point = tuple[float, float]

HEAD = 10.0  # length of an arrow head


@dataclass(frozen=True)
class Rect:
    """A rectangle by its left upper corner and size, in pixels."""

    x: float
    y: float
    w: float
    h: float

    @property
    def right(self) -> float:
        """The x of the right side."""
        return self.x + self.w

    @property
    def bottom(self) -> float:
        """The y of the lower side."""
        return self.y + self.h

    @property
    def cx(self) -> float:
        """The x of the centre."""
        return self.x + self.w / 2

    @property
    def cy(self) -> float:
        """The y of the centre."""
        return self.y + self.h / 2

    def overlaps(self, other: Rect, gap: float = 0.0) -> bool:
        """Whether the two come closer than `gap`.

        Parameters
        ----------
        other : Rect
            The other one.
        gap : float, default 0
            Pixels that should stay free between them.

        Returns
        -------
        bool
            True if they do.
        """
        return (
            self.x < other.right + gap
            and other.x < self.right + gap
            and self.y < other.bottom + gap
            and other.y < self.bottom + gap
        )


@dataclass(frozen=True)
class Edge:
    """One arrow: its ends, its curve and where its label goes.

    Attributes
    ----------
    start, end : str
        Names of the boxes.
    curve : tuple of points
        A start point, then three points for each cubic Bézier piece. It stops one arrow head before the box.
    label : Rect
        Room for the label.
    """

    start: str
    end: str
    curve: tuple[Point, ...]
    label: Rect

    def points(self, pieces: int = 24) -> np.ndarray:
        """Return points along the curve, the tip of the arrow head included.

        Parameters
        ----------
        pieces : int, default 24
            Points for each Bézier piece.

        Returns
        -------
        ndarray, shape (points, 2)
            From start to tip.
        """
        return _sample(self.curve, pieces)

    def tip(self) -> Point:
        """Return the point where the arrow meets its box.

        Returns
        -------
        tuple of float
            x and y.
        """
        return _tip(self.curve)


def _tip(curve: Sequence[Point]) -> Point:
    (x1, y1), (x2, y2) = curve[-2], curve[-1]
    length = max(float(np.hypot(x2 - x1, y2 - y1)), 1e-9)
    return x2 + HEAD * (x2 - x1) / length, y2 + HEAD * (y2 - y1) / length


def _sample(curve: Sequence[Point], pieces: int = 24) -> np.ndarray:
    t = np.linspace(0, 1, pieces)[:, None]
    p = np.array(curve)
    runs = [
        (1 - t) ** 3 * p[i] + 3 * (1 - t) ** 2 * t * p[i + 1] + 3 * (1 - t) * t**2 * p[i + 2] + t**3 * p[i + 3]
        for i in range(0, len(p) - 1, 3)
    ]
    return np.concatenate([*runs, [_tip(curve)]])


def place_labels(
    curves: Sequence[Sequence[Point]], boxes: Sequence[Rect], sizes: Sequence[tuple[float, float]], width: float
) -> list[Rect]:
    """Put each label on its own arrow, away from boxes, other arrows and other labels.

    Parameters
    ----------
    curves : sequence of sequences of points
        One for each arrow, as in :class:`Edge`.
    boxes : sequence of Rect
        What no label may cover.
    sizes : sequence of (float, float)
        Width and height of each label.
    width : float
        Of the drawing.

    Returns
    -------
    list of Rect
        In the order of the curves.
    """
    lines = [_evenly(_sample(c)) for c in curves]
    options = []
    for i, (line, (w, h)) in enumerate(zip(lines, sizes, strict=True)):
        others = np.concatenate([o for j, o in enumerate(lines) if j != i] or [np.empty((0, 2))])
        options.append(_spots(line, w, h, boxes, others, width))
    chosen = [min(o, key=lambda s: s[0])[1] for o in options]
    for _ in range(6):
        before = list(chosen)
        for i, spots in enumerate(options):
            taken = [r for j, r in enumerate(chosen) if j != i]
            chosen[i] = min(spots, key=lambda s: s[0] + 40 * sum(s[1].overlaps(r, 2) for r in taken))[1]
        if chosen == before:
            break
    return chosen


def _evenly(points: np.ndarray, step: float = 3.0) -> np.ndarray:
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    at = np.linspace(0, along[-1], max(int(along[-1] / step), 2))
    return np.column_stack([np.interp(at, along, points[:, k]) for k in (0, 1)])


def _spots(
    line: np.ndarray, w: float, h: float, boxes: Sequence[Rect], others: np.ndarray, width: float
) -> list[tuple[float, Rect]]:
    """Return the places along a line, each with its badness; the middle of the line is best."""
    out = []
    for along, (x, y) in zip(np.linspace(0, 1, len(line))[::2], line[::2], strict=True):
        spot = Rect(float(x) - w / 2, float(y) - h / 2, w, h)
        near = np.abs(others - (x, y)) < (w / 2 + 1.5, h / 2 + 2)
        bad = 100.0 * any(spot.overlaps(b, 3) for b in boxes) + 3.0 * min(int(near.all(axis=1).sum()), 10)
        bad += 20.0 * any(spot.overlaps(Rect(u, v, 0, 0), 8) for u, v in (line[0], line[-1]))
        bad += 100.0 * (spot.x < 0 or spot.right > width or spot.y < 0)
        out.append((bad + 2 * abs(float(along) - 0.5), spot))
    return out
