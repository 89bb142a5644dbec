"""Every error and warning that cxmodels raises, and the near-name hint they share.

Errors stop before any estimation and say in one sentence what is at fault and what to do. Warnings are
statistical events: the numbers exist, but the reader must know. Filter them by class as usual.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

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
    """Root of all errors of this package.

    Examples
    --------
    >>> import cxmodels as cx
    >>> try:
    ...     cx.PLS("Quality =~ q1 + q2")
    ... except cx.CxError as error:
    ...     print(error)
    The model has no paths; write for example 'Satisfaction ~ Quality'.
    """


class SpecError(CxError):
    """The model, the study file or an option is wrong, whatever the data."""


class DataError(CxError):
    """The data cannot be used as they are."""


class EstimationError(CxError):
    """The data and the model are each well formed, but no estimate exists."""


class NotIdentifiedError(EstimationError):
    """The data cannot determine the parameters of the model."""


class CxWarning(UserWarning):
    """Root of all warnings of this package.

    Examples
    --------
    >>> import warnings
    >>> import cxmodels as cx
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", cx.CxWarning)
    ...     warnings.warn("Two items say the same.", cx.errors.DataWarning)
    """


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


def raise_all(problems: Sequence[str]) -> None:
    """Raise one error for all problems.

    Parameters
    ----------
    problems : sequence of str
        A sentence each.

    Raises
    ------
    DataError
        Unless there are none.

    Examples
    --------
    >>> raise_all([])
    """
    if len(problems) == 1:
        raise DataError(problems[0])
    if problems:
        raise DataError(f"{len(problems)} problems: " + " ".join(f"({i}) {p}" for i, p in enumerate(problems, 1)))


def check_kind(value: object, kind: type, what: str, made_by: str) -> None:
    """Refuse an object of another class than is asked for.

    Parameters
    ----------
    value : object
        What was given.
    kind : type
        What is needed.
    what : str
        Who asks, as the user wrote it.
    made_by : str
        How to get one.

    Raises
    ------
    SpecError
        If it is none.

    Examples
    --------
    >>> check_kind("phones.csv", dict, "compare()", "dict()")
    Traceback (most recent call last):
        ...
    cxmodels.errors.SpecError: compare() takes a dict, as dict() gives, not 'phones.csv'.
    """
    if not isinstance(value, kind):
        raise SpecError(f"{what} takes a {kind.__name__}, as {made_by} gives, not {described(value)}.")


def described(value: object, longest: int = 60) -> str:
    """Return a value for a message: as Python writes it, cut after `longest` signs, or by its class if it is large.

    Parameters
    ----------
    value : object
    longest : int, default 60
        Signs shown.

    Returns
    -------
    str

    Examples
    --------
    >>> described("study.toml"), described([0.5, "a"]), described(SpecError("no"))
    ("'study.toml'", "[0.5, 'a']", 'a SpecError')
    """
    if value is None or isinstance(value, str | int | float | list | tuple | dict | set):
        try:
            text = " ".join(repr(value).split())
        except ValueError:  # a whole number of thousands of digits has no text
            return "a number of thousands of digits"
        return text if len(text) <= longest else f"{text[: longest - 1]}…"
    name = type(value).__name__
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"
