"""Why an index changed: what the drivers did, and what their impacts did.

An index follows from its drivers, I = a + sum b_k X_k on 0-100 with unstandardised paths b, so that between two waves

    change = sum b*_k (X1_k - X0_k)        the drivers moved
           + sum (X*_k - c_k) (b1_k - b0_k)  their impacts moved, seen at a reference level c
           + (a1 + sum c_k b1_k) - (a0 + sum c_k b0_k)     everything else, at the reference level

(Oaxaca 1973, International Economic Review 14; Blinder 1973, J. Human Resources 8). Starred quantities are the means
of the two waves (Reimers 1983), which keeps the two waves alike. What is due to an impact depends on where the scale
begins (Jones 1983, J. Human Resources 18); the reference level makes that explicit, and the first line does not
depend on it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Parts(NamedTuple):
    """Change of one index, split; the last axis of the first two are the drivers."""

    drivers: Array
    impacts: Array
    rest: Array


def split_change(
    index0: Array, index1: Array, paths0: Array, paths1: Array, target: int, reference: Array | float
) -> Parts:
    """Split the change of an index between two waves, for many replicates at once.

    Parameters
    ----------
    index0, index1 : ndarray of shape (..., constructs)
        Indices on 0-100 in the earlier and the later wave.
    paths0, paths1 : ndarray of shape (..., constructs, constructs)
        Unstandardised direct effects [outcome, driver] between indices; zero where there is no path.
    target : int
        Number of the construct whose change is split.
    reference : ndarray of shape (constructs,) or float
        Level at which the rest is read: 0 for the lower end of the scale.

    Returns
    -------
    Parts
        drivers and impacts of shape (..., constructs), rest of shape (...); they add up to the change.

    Examples
    --------
    >>> paths = np.array([[0.0, 0.0], [0.8, 0.0]])
    >>> parts = split_change(np.array([70.0, 60.0]), np.array([75.0, 64.0]), paths, paths, 1, 50.0)
    >>> parts.drivers.tolist(), parts.impacts.tolist(), float(parts.rest)
    ([4.0, 0.0], [0.0, 0.0], 0.0)
    """
    b0, b1 = paths0[..., target, :], paths1[..., target, :]
    level = np.broadcast_to(np.asarray(reference, dtype=float), index0.shape[-1:])
    drivers = (b0 + b1) / 2 * (index1 - index0)
    impacts = ((index0 + index1) / 2 - level) * (b1 - b0)
    change = index1[..., target] - index0[..., target]
    return Parts(drivers, impacts, change - drivers.sum(axis=-1) - impacts.sum(axis=-1))


def direct_from_total(total: Array) -> Array:
    """Direct effects from total ones: T = (I - B)^-1 - I, hence B = I - (I + T)^-1.

    Parameters
    ----------
    total : ndarray of shape (..., k, k)
        Total effects [outcome, driver] of a model without cycles.

    Returns
    -------
    ndarray of shape (..., k, k)

    Examples
    --------
    >>> direct_from_total(np.array([[0.0, 0.0, 0.0], [0.5, 0.0, 0.0], [0.7, 0.4, 0.0]])).round(2).tolist()
    [[0.0, 0.0, 0.0], [0.5, 0.0, 0.0], [0.5, 0.4, 0.0]]
    """
    identity = np.eye(total.shape[-1])
    return identity - np.linalg.inv(identity + total)
