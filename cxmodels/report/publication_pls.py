"""Tables of path models, driver analyses and satisfaction indices, and of any other result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from ..drivers import DriverBootstrap
from ..pls import PLSBootstrap, PLSResult
from .table_layout import estimate_columns, headed, side_by_side, validity_table
from .tables import Column, Kind, Table

__all__ = ["impacts", "importance", "indices", "measurement", "plain", "rates", "structural", "validity"]

Given = dict[str, Any]
SE, T, P = Column("se", "SE"), Column("t", "t"), Column("pvalue", "p", "p")
QUALITY = (
    Column("alpha", "α", "unit"), Column("rho_a", "ρA", "unit"), Column("rho_c", "ρC", "unit"), Column("ave", "AVE", "unit"),
)  # fmt: skip
KINDS: dict[str, Kind] = {
    **dict.fromkeys(("pvalue", "pvalue_adjusted"), "p"),
    **dict.fromkeys(
        ("alpha", "omega", "cr", "ave", "rho_a", "rho_c", "r2", "r2_adj", "std_all", "std_lv", "share"), "unit"
    ),
    **dict.fromkeys(("n", "df", "rows", "rank", "units"), "count"),
}
HEADS = {
    "est": "b", "se": "SE", "pvalue": "p", "z": "z", "t": "t", "r2": "R²", "r2_adj": "Adjusted R²", "alpha": "α", "rho_a": "ρA",
    "rho_c": "ρC", "ave": "AVE", "cr": "CR", "omega": "ω", "f2": "f²", "vif": "VIF", "std_all": "β", "n": "n", "df": "df",
}  # fmt: skip


def measurement(given: Given, stars: bool, digits: int) -> Table:
    """Loadings and weights of the items, with the reliability of each construct on its heading line."""
    parts = {}
    for name, result in given.items():
        point = _point(result)
        items = result.loadings.rename(columns={"est": "loading"}).assign(weight=point.weights["est"])
        items = _estimated(items.merge(point.item_vif, how="left", on=["construct", "item"]))
        items = items[~items["construct"].str.contains(":", regex=False)]  # interactions are made, not measured
        parts[name] = headed(items, "construct", "item", point.reliability)
    values = ("loading", "weight", "vif", "se", "t", "pvalue", "ci_lower", "ci_upper", *(c.name for c in QUALITY))
    frame, models = _joined(parts, ("construct", "item"), values)
    loading, weight = Column("loading", "Loading", "unit", pvalue="pvalue"), Column("weight", "Weight")
    inference = (SE, _interval(given), P) if _booted(given) else ()
    full = (loading, *inference, weight, Column("vif", "VIF"), *QUALITY)
    columns = [
        Column("item", "Construct and item", "text"),
        *estimate_columns(models, (loading, weight), full, _starred(given, stars)),
    ]
    notes = [*_notes(given)]
    if _booted(given):
        notes.append("Standard errors, intervals and p-values are of the loadings.")
    if len(models) == 1:
        notes.append(
            "α = Cronbach's alpha; ρA and ρC = reliability (Dijkstra & Henseler, 2015; Jöreskog, 1971); AVE = average variance extracted."
        )
    return Table("Measurement Model", frame, columns, notes, digits, "measurement")


def structural(given: Given, stars: bool, digits: int) -> Table | None:
    """Paths by outcome, with effect sizes and collinearity, and the variance explained on the heading line."""
    parts = {}
    for name, result in given.items():
        point = _point(result)
        paths = result.paths.merge(point.f_squared, how="left").merge(point.vif, how="left")
        if len(paths):
            paths = paths.sort_values(
                "outcome", key=lambda c: c.map({o: i for i, o in enumerate(dict.fromkeys(c))}), kind="stable"
            )
            parts[name] = headed(paths, "outcome", "predictor", point.r_squared[["r2", "r2_adj"]])
    if not parts:
        return None
    values = ("est", "se", "t", "pvalue", "ci_lower", "ci_upper", "f2", "vif", "r2", "r2_adj")
    frame, models = _joined(parts, ("outcome", "predictor"), values)
    path, r2 = Column("est", "Path", "unit", pvalue="pvalue"), Column("r2", "R²", "unit")
    inference = (SE, _interval(given), T, P) if _booted(given) else ()
    sizes = (Column("f2", "f²"), Column("vif", "VIF"), r2, Column("r2_adj", "Adjusted R²", "unit"))
    short = (path, SE, r2) if _booted(given) else (path, r2)
    columns = [
        Column("predictor", "Outcome and predictor", "text"),
        *estimate_columns(models, short, (path, *inference, *sizes), _starred(given, stars)),
    ]
    return Table(
        "Structural Model", frame, columns, [*_notes(given), "Paths are standardised."], digits, "structural"
    )


def validity(given: Given, stars: bool, digits: int) -> Table | None:
    """Correlations of scores, roots of the AVE on the diagonal, HTMT above it; of the first model."""
    point = _point(next(iter(given.values())))
    return validity_table(point.fornell_larcker, point.htmt, [next(iter(given))] if len(given) > 1 else [], digits)


def importance(given: Given, stars: bool, digits: int) -> Table:
    """Attributes by importance."""
    (result,) = given.values()
    boot = result if isinstance(result, DriverBootstrap) else None
    frame = result.importance.sort_values("importance", ascending=False).reset_index()
    columns = [Column("attribute", "Attribute", "text"), Column("importance", "Importance", "fit")]
    if boot is not None:
        columns += [
            Column("se", "SE", "fit"),
            Column(("ci_lower", "ci_upper"), f"{100 * boot.level:g}% CI", "fit interval"),
        ]
    columns += [Column("share", "Share", "unit"), Column("rank", "Rank", "count")]
    columns += [
        Column(c, h)
        for c, h in (("vif", "VIF"), ("performance", "Performance"))
        if c in frame and frame[c].notna().any()
    ]
    r2 = boot.r_squared["est"] if boot is not None else result.r_squared
    notes = [f"N = {result.n_obs:,}. Importances add up to R² = {float(r2):.3f}.".replace("= 0.", "= .")]
    return Table("Importance of Attributes", frame, columns, [*notes, *_said(result)], digits, "importance")


def indices(given: Given, stars: bool, digits: int) -> Table:
    """Satisfaction indices with their intervals."""
    (result,) = given.values()
    columns = [*(Column(k, k.capitalize(), "text") for k in result.keys), Column("construct", "Construct", "text")]
    columns += [Column("index", "Index"), SE, _level(result.level), Column("n", "n", "count")]
    notes = [f"Indices on 0–100, by {result.engine_name}."]
    return Table("Indices", result.scores, columns, [*notes, *_said(result)], digits, "indices")


def impacts(given: Given, stars: bool, digits: int) -> Table | None:
    """Impacts between indices."""
    (result,) = given.values()
    frame = result.impacts
    if frame.empty:
        return None
    columns = [*(Column(k, k.capitalize(), "text") for k in result.keys), Column("driver", "Driver", "text")]
    columns += [Column("target", "Target", "text"), Column("impact", "Impact")]
    columns += [SE, _level(result.level)] if frame["se"].notna().any() else []
    return Table(
        "Impacts",
        frame,
        columns,
        ["Points of the target's index per point of the driver's.", *_said(result)],
        digits,
        "impacts",
    )


def rates(given: Given, stars: bool, digits: int) -> Table | None:
    """Shares of yes/no questions."""
    (result,) = given.values()
    if result.rates.empty:
        return None
    columns = [*(Column(k, k.capitalize(), "text") for k in result.keys), Column("measure", "Measure", "text")]
    columns += [
        Column("value", "Share", "unit"),
        Column("se", "SE", "unit"),
        Column(("ci_lower", "ci_upper"), f"{100 * result.level:g}% CI", "unit interval"),
    ]
    return Table("Rates", result.rates, [*columns, Column("n", "n", "count")], _said(result), digits, "rates")


def plain(title: str, frame: pd.DataFrame) -> Callable[[Given, bool, int], Table]:
    """A frame of any result as a table, the kind of a column told by its name."""

    def make(given: Given, stars: bool, digits: int) -> Table:
        (result,) = given.values()
        shown = frame.reset_index() if frame.index.dtype.kind not in "iu" else frame.reset_index(drop=True)
        shown.columns = [str(c) for c in shown.columns]
        columns = []
        for c in shown.columns:
            numeric = pd.api.types.is_numeric_dtype(shown[c]) and not pd.api.types.is_bool_dtype(shown[c])
            whole = numeric and pd.api.types.is_integer_dtype(shown[c])
            kind: Kind = "text" if not numeric else KINDS.get(c, "count" if whole else "number")
            columns.append(Column(c, HEADS.get(c, c.replace("_", " ").capitalize()), kind))
        return Table(title, shown, columns, _said(result), digits, title)

    return make


# --- parts ----------------------------------------------------------------------------------------------------------


def _point(result: Any) -> PLSResult:
    return result.point if isinstance(result, PLSBootstrap) else result


def _booted(given: Given) -> bool:
    return all(isinstance(r, PLSBootstrap) for r in given.values())


def _estimated(frame: pd.DataFrame) -> pd.DataFrame:
    """The loading of a single item is 1 in every replicate: nothing is inferred about it."""
    if "se" not in frame:
        return frame
    inference = ["se", "t", "pvalue", "ci_lower", "ci_upper"]
    return frame.assign(**{c: frame[c].where(frame["se"] > 1e-12) for c in inference})


def _starred(given: Given, stars: bool) -> bool:
    """Stars need p-values, and these a bootstrap."""
    return stars and _booted(given)


def _level(level: float, kind: Kind = "interval") -> Column:
    return Column(("ci_lower", "ci_upper"), f"{100 * level:g}% CI", kind)


def _interval(given: Given) -> Column:
    return _level(next(iter(given.values())).level, "unit interval")


def _joined(
    parts: dict[str, pd.DataFrame], keys: tuple[str, str], values: tuple[Any, ...]
) -> tuple[pd.DataFrame, list[str]]:
    """Lines of all models; a heading is not the line of an item or predictor of the same name."""
    return side_by_side(parts, (*keys, "heading"), values), list(parts)


def _notes(given: Given) -> list[str]:
    """Rows, bootstrap and warnings."""
    sizes = dict.fromkeys(f"{r.n_obs:,}" for r in given.values())
    notes = [f"N = {', '.join(sizes)}."]
    for r in given.values():
        if isinstance(r, PLSBootstrap):
            n, failed = r.replicates.n, r.replicates.failed
            notes.append(f"{r.interval.capitalize()} intervals from {n - failed:,} of {n:,} bootstrap replicates.")
    doubtful = [w for r in given.values() for w in _said(r)]
    return [*dict.fromkeys(notes), *dict.fromkeys(doubtful)]


def _said(result: Any) -> list[str]:
    return [str(w) for w in result.warnings]
