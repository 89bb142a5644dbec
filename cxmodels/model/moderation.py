"""The levels of a moderator at which slopes are asked for, the same whatever fits the model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import SpecError, listed

__all__ = ["moderator_levels"]


def moderator_levels(levels: Sequence[float]) -> NDArray[np.float64]:
    """Levels as numbers, in standard deviations of the moderator.

    Parameters
    ----------
    levels : sequence of float

    Returns
    -------
    ndarray of shape (levels,)

    Raises
    ------
    SpecError
        Unless they are finite numbers, at least one.

    Examples
    --------
    >>> moderator_levels([-1, 0, 1])
    array([-1.,  0.,  1.])
    """
    try:
        at = np.asarray(levels, dtype=float)
    except (TypeError, ValueError):
        at = np.empty(0)
    if at.ndim != 1 or not len(at) or not np.isfinite(at).all():
        raise SpecError(f"levels must list numbers, in standard deviations of the moderator, not {listed([levels])}.")
    return at
