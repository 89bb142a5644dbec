"""Which picture shows what of which result: what methods such as ``result.diagram()`` ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from ..errors import SpecError, listed
from .diagram import path_diagram, to_dot, to_mermaid
from .sem_diagram import sem_diagram
from .sem_graph import panels
from .survival_charts import survival_chart, tracking_chart
from .svg import Drawing, plain, say
from .words import language as words_in
from .worth_charts import draw_worth

__all__ = ["draw"]


def draw(kind: str, result: Any, **options: Any) -> Drawing:
    """Draw a picture of a result.

    Parameters
    ----------
    kind : {"diagram", "mermaid", "dot", "worth", "survival", "tracking"}
    result : Result
    **options
        Of the picture; ``language="uk"`` says its words in Ukrainian, whatever the picture.

    Returns
    -------
    Drawing

    Raises
    ------
    SpecError
        If there is no such picture of this result, or it has no such option.
    """
    makers: Mapping[str, Callable[..., str]] = {
        "diagram": _diagram,
        "mermaid": lambda r: _text(r, to_mermaid),
        "dot": lambda r: _text(r, to_dot),
        "worth": draw_worth,
        "survival": _survival,
        "tracking": _tracking,
    }
    if kind not in makers:
        raise SpecError(f"There is no picture '{kind}'; there are {listed(makers)}.")
    if "language" in options:
        options["words"] = {**words_in(options.pop("language")).pictures, **(options.get("words") or {})}
    try:
        return Drawing(makers[kind](result, **options))
    except TypeError as error:
        if "unexpected keyword argument" not in str(error):
            raise
        option = str(error).split("'")[1]  # newer Pythons go on to say what may have been meant
        save = " The drawing's write(path) saves it." if option in ("path", "file", "filename", "out") else ""
        raise SpecError(f"The picture has no option '{option}'.{save}") from None


def _survival(result: Any, **options: Any) -> str:
    return survival_chart(result.curve, **options)


def _tracking(result: Any, **options: Any) -> str:
    said = say(options.get("words"))
    time = said["periods_of"].format(n=plain(result.unit_days, said))
    return tracking_chart(result.tracking, **{"split": result.at, "time": time, **options})


def _diagram(result: Any, **options: Any) -> str:
    from ..acsi import IndexResult
    from ..sem import SEMBootstrap, SEMResult
    from ..study import StudyResult

    if isinstance(result, StudyResult):
        result = result.index
    if isinstance(result, IndexResult):
        return index_diagram(result, **options)
    if isinstance(result, SEMResult | SEMBootstrap):
        return sem_diagram(result, **options)
    point = _path_model(result)
    given = {"constructs": list(point.layout.constructs), "paths": result.paths, "r_squared": point.r_squared}
    return path_diagram(**{**given, "loadings": point.loadings, **options})


def index_diagram(result: Any, **options: Any) -> str:
    """Draw the model of one unit's satisfaction index, the indices in its boxes.

    Parameters
    ----------
    result : IndexResult
        Of one unit.
    **options
        As for :func:`path_diagram`.

    Returns
    -------
    str
    """
    if result.keys:
        raise SpecError("There are several units; draw one of them, with fit_of(unit).diagram().")
    fit, scores = result.fit_of(), result.scores
    names, r2 = list(scores["construct"]), result.quality.set_index("construct")["r2"].dropna()
    if hasattr(fit, "layout"):
        names, r2 = list(fit.layout.constructs), fit.r_squared["r2"]
    given = {"constructs": names, "paths": index_paths(result), "r_squared": r2, "highlight": result.target}
    index = pd.Series(scores["index"].to_numpy(), list(scores["construct"]))
    return path_diagram(**{**given, "index": index, **options})


def index_paths(result: Any) -> pd.DataFrame:
    """Standardised paths of one unit's model, with p-values where the engine has them."""
    fit = result.fit_of()
    if hasattr(fit, "layout"):
        return fit.paths
    names = set(result.scores["construct"])
    paths = fit.paths[fit.paths["outcome"].isin(names) & fit.paths["predictor"].isin(names)]
    return paths[["outcome", "predictor", "std_all", "pvalue"]].rename(columns={"std_all": "est"})


def _text(result: Any, write: Callable[..., str]) -> str:
    """The diagram as Mermaid or DOT."""
    from ..sem import SEMBootstrap, SEMResult

    if not isinstance(result, SEMResult | SEMBootstrap):
        point = _path_model(result)
        return write(result.paths, {c: c for c in point.layout.constructs})
    _, frame = panels(result)[0]
    down, up = frame[frame["op"] == "=~"], frame[frame["op"] == "~"]
    weights = frame[frame["op"] == "<~"]
    down = down[~down["lhs"].isin(weights["lhs"])]
    arrows = [(down, "rhs", "lhs"), (up, "lhs", "rhs"), (weights, "lhs", "rhs")]
    paths = pd.concat(
        [
            pd.DataFrame(
                {
                    "outcome": f[a],
                    "predictor": f[b],
                    "est": f["std_all"],
                    "pvalue": f["pvalue"].where(f["se"] > 0, 0.0),
                }
            )
            for f, a, b in arrows
        ]
    )
    return write(paths)


def _path_model(result: Any) -> Any:
    point = getattr(result, "point", result)
    if not hasattr(point, "layout") or not hasattr(result, "paths"):
        raise SpecError(f"A {type(result).__name__} has no path diagram; a fitted PLS or SEM model has one.")
    return point
