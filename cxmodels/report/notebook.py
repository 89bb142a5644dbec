"""How results show themselves at the end of a notebook cell: headline, warnings, pictures, tables."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from . import charts
from .blocks import shown
from .diagram import path_diagram
from .pictures import index_diagram
from .sem_diagram import sem_diagram

if TYPE_CHECKING:
    from ..acsi import IndexResult
    from ..pls import PLSBootstrap, PLSResult
    from ..results import Result


def notebook_html(result: Result) -> str:
    r"""Render any result for a notebook: a study as its report, others as headline, warnings, pictures and tables.

    Parameters
    ----------
    result : Result

    Returns
    -------
    str
        One ``<div>``; everything from the data is escaped. The same result gives the same text.

    Examples
    --------
    >>> import cxmodels as cx
    >>> from cxmodels.report import notebook_html
    >>> model = "Quality =~ PERQ1 + PERQ2\nSatisfaction =~ CUSA1 + CUSA2\nSatisfaction ~ Quality"
    >>> notebook_html(cx.PLS(model).fit(cx.datasets.load("mobi"))).count("<svg")
    1
    """
    from ..acsi import IndexResult
    from ..churn.forecasts import Forecast
    from ..churn.survival import KaplanMeierResult
    from ..drivers import DriverBootstrap, DriverReport, DriverResult, Segments, WhatIf
    from ..pls import PLSBootstrap, PLSResult
    from ..results import plain_html
    from ..sem import SEMBootstrap, SEMResult
    from ..study import StudyResult
    from ..worth import SatisfactionWorth
    from .driver_charts import driver_bars, segment_dots, what_if_waterfall
    from .driver_report import drivers_html
    from .html import study_html
    from .metric_charts import metric_pictures
    from .worth_charts import worth_chain, worth_waterfall

    prefix = _prefix(result)
    if isinstance(result, StudyResult):
        return study_html(result, whole=False, prefix=prefix)
    if isinstance(result, DriverReport):
        return drivers_html(result, whole=False, prefix=prefix)
    pictures: list[str] = []
    if isinstance(result, IndexResult):
        pictures = _index_pictures(result, prefix)
    elif isinstance(result, PLSResult | PLSBootstrap):
        pictures = [_paths(result, prefix)]
    elif isinstance(result, SEMResult | SEMBootstrap):
        pictures = [sem_diagram(result, id=f"{prefix}paths")]
    elif isinstance(result, DriverResult | DriverBootstrap):
        frame = result.shares if isinstance(result, DriverBootstrap) else result.importance
        pictures = [driver_bars(frame, id=f"{prefix}bars")]
    elif isinstance(result, Segments) and len(result.importance) <= 60:
        pictures = [segment_dots(result.importance, id=f"{prefix}segments")]
    elif isinstance(result, WhatIf):
        pictures = [what_if_waterfall(result, id=f"{prefix}waterfall")]
    elif isinstance(result, KaplanMeierResult) and len(result.groups) <= 6:
        pictures = [result.plot(id=f"{prefix}survival")]
    elif isinstance(result, Forecast):
        pictures = [result.plot(id=f"{prefix}tracking")]
    elif isinstance(result, SatisfactionWorth):
        pictures = [worth_chain(result, id=f"{prefix}chain"), worth_waterfall(result, id=f"{prefix}waterfall")]
    else:
        pictures = metric_pictures(result, prefix)
    return plain_html(
        result, "".join(f'<div style="background:#fff;max-width:58rem;padding:.5rem">{p}</div>' for p in pictures)
    )


def _prefix(result: Result) -> str:
    """Start of the ids: the same for the same numbers, another for others."""
    told = repr(result) + "".join(frame.to_csv() for frame in result.tables().values())
    return f"cx{hashlib.sha256(told.encode('utf-8', 'replace')).hexdigest()[:10]}-"


def _paths(result: PLSResult | PLSBootstrap, prefix: str) -> str:
    """Path diagram of one model, with intervals where there was a bootstrap."""
    point: Any = getattr(result, "point", result)
    constructs = {c: shown(c) for c in point.layout.constructs}
    return path_diagram(constructs, result.paths, r_squared=point.r_squared, id=f"{prefix}paths")


def _index_pictures(result: IndexResult, prefix: str) -> list[str]:
    """One unit: headline, diagram and indices; several: the units compared."""
    target = result.target
    rows = result.scores[result.scores["construct"] == target]
    if result.keys:
        names = rows[list(result.keys)].astype(str).agg(", ".join, axis=1).map(shown)
        title = f"Index of {shown(target)} by unit"
        return [charts.unit_dots(rows.assign(unit=names), title=title, id=f"{prefix}units")]
    row = rows.iloc[0]
    said = {"interval": f"{100 * result.level:g}% interval {{span}}"}
    return [
        charts.headline(
            row["index"],
            row["ci_lower"],
            row["ci_upper"],
            label=shown(target),
            n=result.n_obs,
            words=said,
            id=f"{prefix}headline",
        ),
        index_diagram(result, id=f"{prefix}paths"),
    ]
