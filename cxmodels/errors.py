"""Every error and warning that cxmodels raises, and the near-name hint they share.

Errors stop before any estimation and say in one sentence what is at fault and what to do. Warnings are
statistical events: the numbers exist, but the reader must know. Filter them by class as usual.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "ConvergenceWarning",
    "CxError",
    "CxWarning",
    "DataError",
    "DataWarning",
    "EstimationError",
    "ImproperSolutionWarning",
    "NotIdentifiedError",
    "ReplicateWarning",
    "SpecError",
    "SpecWarning",
]


class CxError(ValueError):
    """Root of all errors of this package."""


class SpecError(CxError):
    """The model, the study file or an option is wrong, whatever the data."""


class DataError(CxError):
    """The data cannot be used as they are."""


class EstimationError(CxError):
    """The data and the model are each well formed, but no estimate exists."""


class NotIdentifiedError(EstimationError):
    """The data cannot determine the parameters of the model."""


class CxWarning(UserWarning):
    """Root of all warnings of this package."""


class SpecWarning(CxWarning):
    """The model can be fitted, but says something unusual."""


class DataWarning(CxWarning):
    """The data can be used, but something in them deserves a look."""


class ConvergenceWarning(CxWarning):
    """An iteration stopped before it settled; the numbers are those of its last step."""


class ImproperSolutionWarning(CxWarning):
    """The estimates exist but lie outside what the model allows, such as a reliability above 1."""


class ReplicateWarning(CxWarning):
    """Some bootstrap replicates gave no numbers and are left out of standard errors and intervals."""


def near(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the known name closest to `name`, or nothing.

    Parameters
    ----------
    name : str
        What was asked for.
    known : iterable of str
        What exists.

    Returns
    -------
    str
        A sentence with a leading blank, ready to end a message, or an empty string.

    Examples
    --------
    >>> near("Satisfation", ["Satisfaction", "Loyalty"])
    " Did you mean 'Satisfaction'?"
    >>> near("q99", ["Image"])
    ''
    """
    name = str(name)
    options = {str(k): str(k) for k in known}
    folded = {k.casefold(): k for k in options}
    if name.casefold() in folded:
        return f" Did you mean '{folded[name.casefold()]}'?"
    hits = difflib.get_close_matches(name, options, n=1, cutoff=0.6) or [
        folded[h] for h in difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    ]
    return f" Did you mean '{hits[0]}'?" if hits else ""


def listed(names: Iterable[object], limit: int = 8) -> str:
    """Return names quoted and joined for a message, cut after `limit` with the number left out.

    Parameters
    ----------
    names : iterable
        The names to show.
    limit : int, default 8
        How many to write out.

    Returns
    -------
    str
        For example ``"'a', 'b' and 3 more"``.

    Examples
    --------
    >>> listed("abc", limit=2)
    "'a', 'b' and 1 more"
    """
    every = [f"'{n}'" for n in names]
    head = ", ".join(every[:limit])
    return head if len(every) <= limit else f"{head} and {len(every) - limit} more"
