"""What it takes to get the same numbers again: the fingerprint of the data, and the versions of what computed them."""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import version

import pandas as pd

LIBRARIES = ("numpy", "scipy", "pandas")


def fingerprint(frame: pd.DataFrame) -> str:
    """Hash the names and cells of a frame.

    Parameters
    ----------
    frame : DataFrame
        Its index does not count.

    Returns
    -------
    str
        SHA-256 in hexadecimal.

    Examples
    --------
    >>> a, b = pd.DataFrame({"q": [1, 2]}), pd.DataFrame({"q": [1, 3]})
    >>> fingerprint(a) == fingerprint(a.copy()), fingerprint(a) == fingerprint(b)
    (True, False)
    """
    digest = hashlib.sha256("\x1f".join(map(str, frame.columns)).encode())
    digest.update(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Versions of the package, of Python, and of the libraries below.

    Returns
    -------
    dict of str

    Examples
    --------
    >>> sorted(versions())
    ['cxmodels', 'numpy', 'pandas', 'python', 'scipy']
    """
    from . import __version__

    return {
        "cxmodels": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
    }
