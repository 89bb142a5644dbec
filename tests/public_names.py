"""What counts as public: the names that the tests of docstrings walk, and that the reference of the documentation shows."""

import importlib
import inspect
from collections.abc import Iterator
from functools import cached_property
from types import ModuleType

import cxmodels


def of_module(module: ModuleType) -> list[str]:
    """``__all__``, or else the classes and functions that a module defines without a leading underscore."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    defined = {n: v for n, v in vars(module).items() if inspect.isclass(v) or inspect.isroutine(v)}
    return [n for n, v in defined.items() if not n.startswith("_") and v.__module__ == module.__name__]


def everything() -> Iterator[tuple[str, object]]:
    """Every public class, function and constant once, by the shortest name that leads to it; then the results they give."""
    found: dict[int, tuple[str, object]] = {}
    homes = [cxmodels, *(m for n in cxmodels.__all__ if inspect.ismodule(m := getattr(cxmodels, n)))]
    for home in homes:
        for name in of_module(home):
            value = getattr(home, name)
            if not inspect.ismodule(value) and not isinstance(value, str):
                found.setdefault(id(value), (f"{home.__name__}.{name}", value))
    for _, value in list(found.values()):
        for result in answers(value) if inspect.isclass(value) else ():
            found.setdefault(id(result), (f"{result.__module__}.{result.__name__}", result))
    yield from found.values()


def answers(cls: type) -> Iterator[type]:
    """The class of ours that ``fit`` of a class returns, if there is one."""
    for name, value in members(cls):
        if name != "fit":
            continue
        named = getattr(value, "__annotations__", {}).get("return")
        found = vars(home_of(value)).get(named) if isinstance(named, str) and home_of(value) else None
        if inspect.isclass(found) and found.__module__.startswith("cxmodels") and not found.__name__.startswith("_"):
            yield found


def members(cls: type) -> Iterator[tuple[str, object]]:
    """Public methods and properties that a class of ours defines, methods bound so that ``self`` is gone."""
    for base in cls.__mro__:
        if base.__module__.startswith("cxmodels"):
            for name, value in vars(base).items():
                if name.startswith("_") or vars(cls).get(name, value) is not value:
                    continue
                if isinstance(value, property | cached_property) or inspect.isroutine(
                    inspect.unwrap(getattr(cls, name))
                ):
                    yield name, value


def home_of(value: object) -> ModuleType | None:
    """The file in which a class or function is written."""
    name = getattr(value, "__module__", "") or ""
    return importlib.import_module(name) if name.startswith("cxmodels") else None
