"""Who shares R²: attributes, categorical attributes and groups, each one player; and the controls, who do not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import SpecError, listed, near


@dataclass(frozen=True)
class Player:
    """One player and the attributes it enters with.

    Attributes
    ----------
    name : str
        Of the attribute, or of the group.
    attributes : tuple of str
        Columns of the data.
    """

    name: str
    attributes: tuple[str, ...]


def players(attributes: Any, groups: Any, outcome: str, controls: Any, categorical: Any) -> tuple[Player, ...]:
    """Turn what the user wrote into players, in the order written.

    Parameters
    ----------
    attributes : sequence of str
        Columns, or names of groups. Empty: those of the groups.
    groups : mapping or sequence of pairs, optional
        Name to columns.
    outcome : str
    controls, categorical : sequence of str

    Returns
    -------
    tuple of Player

    Raises
    ------
    SpecError
        For no attributes, one listed twice, the outcome or a control among them, an empty or unknown group member.
    """
    blocks = _groups(groups)
    names = texts("attributes", attributes or [a for block in blocks.values() for a in block])
    if not names:
        raise SpecError("There are no attributes; name the columns that may move the outcome.")
    _once([n for n in names if n in blocks], "group")
    flat = [a for n in names for a in blocks.get(n, (n,))]
    _once(flat, "attribute")
    home = {a: n for n, block in blocks.items() for a in block}
    for name, block in blocks.items():
        for a in block:
            if a not in flat:
                raise SpecError(
                    f"Group '{name}' names '{a}', which is not among the attributes.{near(a, flat)} "
                    "List it there, or list the group's name."
                )
    found = {home.get(a, a): blocks.get(home.get(a, a), (a,)) for a in flat}
    if clash := [n for n in blocks if n in flat and home.get(n) != n]:
        raise SpecError(f"Group {listed(clash)} has the name of an attribute outside it; rename the group.")
    for a in flat:
        if a == outcome:
            raise SpecError(f"The outcome '{outcome}' is among its own attributes; leave it out.")
        if a in controls:
            raise SpecError(f"'{a}' is both an attribute and a control; list it once.")
    if outcome in controls:
        raise SpecError(f"The outcome '{outcome}' is among the controls; leave it out.")
    _once(controls, "control")
    for a in categorical:
        if a not in flat and a not in controls:
            raise SpecError(f"categorical names '{a}', which is not among the attributes.{near(a, flat)}")
    return tuple(Player(name, block) for name, block in found.items())


def texts(what: str, value: Any) -> tuple[str, ...]:
    """Return names as a tuple; a single name is one.

    Parameters
    ----------
    what : str
        Name of the option, for the message.
    value : str, iterable or None

    Returns
    -------
    tuple of str

    Raises
    ------
    SpecError
        If this is no list of names.

    Examples
    --------
    >>> texts("controls", "age"), texts("controls", None)
    (('age',), ())
    """
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, Iterable):
        raise SpecError(f"{what} must be names of columns, not {value!r}.")
    return tuple(value)


def _groups(groups: Any) -> dict[str, tuple[str, ...]]:
    """Groups as a dict of tuples; no group, and no member, twice."""
    pairs: Sequence[Any] = list(groups.items()) if isinstance(groups, Mapping) else list(groups or ())
    if not all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in pairs):
        raise SpecError('groups must map a name to its attributes, such as {"Staff": ["q1", "q2"]}.')
    _once([str(name) for name, _ in pairs], "group")
    out = {str(name): texts(f"Group '{name}'", members) for name, members in pairs}
    if empty := [name for name, members in out.items() if not members]:
        raise SpecError(f"Group {listed(empty)} has no attributes; name some or leave it out.")
    home: dict[str, str] = {}
    for name, members in out.items():
        for a in members:
            if a in home:
                where = f"groups '{home[a]}' and '{name}'" if home[a] != name else f"group '{name}' twice"
                raise SpecError(f"Attribute '{a}' is in {where}; each belongs to one group, once.")
            home[a] = name
    return out


def _once(names: Sequence[str], what: str) -> None:
    """Refuse a name that is listed twice."""
    if twice := [n for n in dict.fromkeys(names) if list(names).count(n) > 1]:
        raise SpecError(f"The {what} {listed(twice)} is listed {list(names).count(twice[0])} times; list it once.")
