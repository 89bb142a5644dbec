"""`table`: what of a result goes into a paper or a deck, as tables in journal style."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import SpecError, listed, near
from .table_layout import named
from .tables import Table, Tables

if TYPE_CHECKING:
    from ..results import Result

__all__ = ["table"]

Maker = Callable[[dict[str, Any], bool, int], Table | None]


def table(
    *results: Result | Mapping[str, Result],
    what: str | Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
    digits: int = 2,
    stars: bool = False,
) -> Tables:
    """Lay results out as a journal prints them; several models stand side by side.

    Parameters
    ----------
    *results : Result, or one mapping of name to Result
        SEM and PLS results and their bootstraps, driver analyses, satisfaction indices; of any other result the
        tables of its summary. Models that are compared must be of one kind.
    what : str or sequence of str, optional
        Which tables, in order; default all there are:

        - SEM: measurement (loadings, alpha, composite reliability, AVE), structural (paths, R²), defined (``:=``),
          validity (correlations of constructs, roots of the AVE, HTMT), fit (tests and indices; the difference test of
          models that are nested in the order given).
        - PLS: measurement, structural (with f² and VIF), validity.
        - Drivers: importance. Satisfaction index: indices, impacts, rates; of a study those of its model too.
    names : sequence of str, optional
        What models are called where there are several; default Model 1, Model 2.
    labels : mapping of str to str, optional
        What constructs and items are called in place of their names.
    digits : int, default 2
        Decimals; p-values and fit indices have three.
    stars : bool, default False
        Mark significance by stars in place of columns z and p.

    Returns
    -------
    Tables
        Shows itself in a notebook; ``.to("html" | "latex" | "markdown")``, ``.write("table.xlsx")``, ``.frames``.

    Raises
    ------
    SpecError
        If there is no result, a table is unknown, or models of different kinds stand side by side.

    Examples
    --------
    >>> import cxmodels as cx
    >>> res = cx.SEM("visual =~ x1 + x2 + x3; speed =~ x7 + x8 + x9").fit(cx.datasets.load("holzinger"))
    >>> made = cx.report.table(res)
    >>> made
    Tables(measurement, validity, fit)
    >>> made["measurement"].frame.loc[1:3, ["item", "est", "std_all"]].round(3)
      item    est  std_all
    1   x1  1.000    0.667
    2   x2  0.690    0.456
    3   x3  0.985    0.678
    """
    given = _named_results(results, names)
    if not isinstance(digits, int) or isinstance(digits, bool) or not 0 <= digits <= 10:
        raise SpecError(f"digits is a whole number from 0 to 10, not {digits!r}.")
    makers = _makers(given)
    known = list(makers)
    asked = known if what is None else [what] if isinstance(what, str) else list(what)
    for name in asked:
        if name not in known:
            raise SpecError(
                f"There is no table '{name}' of this result; there are {listed(known)}.{near(str(name), known)}"
            )
    found = [made for name in asked if (made := makers[name](given, stars, digits)) is not None]
    if what is not None and len(found) < len(asked):
        raise SpecError(
            f"The model has nothing for the table {listed(n for n in asked if n not in [t.name for t in found])}."
        )
    return Tables(tuple(named(t, labels or {}) for t in found))


def _named_results(results: tuple[Any, ...], names: Sequence[str] | None) -> dict[str, Any]:
    """Results by the name of their model."""
    if len(results) == 1 and isinstance(results[0], Mapping):
        names, results = [str(k) for k in results[0]], tuple(results[0].values())
    from ..results import Result

    if not results or not all(isinstance(r, Result) for r in results):
        raise SpecError("table() takes fitted results, or one mapping of name to result.")
    if names is None:
        names = [f"Model {i}" for i in range(1, len(results) + 1)] if len(results) > 1 else ["Model"]
    if len({*names}) != len(results):
        raise SpecError(f"{len(results)} results need as many different names, not {listed(names)}.")
    return dict(zip(map(str, names), results, strict=True))


def _makers(given: dict[str, Any]) -> dict[str, Maker]:
    """What makes each table of these results."""
    from ..acsi import IndexResult
    from ..drivers import DriverBootstrap, DriverResult
    from ..pls import PLSBootstrap, PLSResult
    from ..sem import SEMBootstrap, SEMResult
    from ..study import StudyResult
    from . import publication_pls as pls
    from . import publication_sem as sem

    def all_of(*kinds: type) -> bool:
        return all(isinstance(r, kinds) for r in given.values())

    if all_of(SEMResult, SEMBootstrap):
        makers: dict[str, Maker] = {
            "measurement": sem.measurement, "structural": sem.structural, "defined": sem.defined, "validity": sem.validity,
            "fit": sem.fit,
        }  # fmt: skip
    elif all_of(PLSResult, PLSBootstrap):
        makers = {"measurement": pls.measurement, "structural": pls.structural, "validity": pls.validity}
    elif len(given) > 1:
        kinds = [type(r).__name__ for r in given.values()]
        raise SpecError(
            f"Side by side stand SEM results or PLS results, not {listed(dict.fromkeys(kinds))}; make a table of each."
        )
    elif all_of(DriverResult, DriverBootstrap):
        makers = {"importance": pls.importance}
    elif all_of(IndexResult):
        makers = {"indices": pls.indices, "impacts": pls.impacts, "rates": pls.rates}
    elif all_of(StudyResult):
        makers = _of_study(given)
    else:
        (result,) = given.values()
        makers = {title: pls.plain(title, frame) for title, frame in result.tables().items()}
    return makers


def _of_study(given: dict[str, Any]) -> dict[str, Maker]:
    """Tables of the index of a study, then those of its model."""
    (name, study), *_ = given.items()
    parts = [{name: study.index}, {name: study.fit if study.bootstrap is None else study.bootstrap}]
    return {what: _about(part, make) for part in parts for what, make in _makers(part).items()}


def _about(part: dict[str, Any], make: Maker) -> Maker:
    """The maker of a table about a part of what was given."""
    return lambda _, stars, digits: make(part, stars, digits)
