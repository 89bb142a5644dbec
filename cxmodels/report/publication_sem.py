"""Tables of covariance-based models: measurement, structure, defined parameters, validity, fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..errors import CxError
from ..sem import SEMBootstrap, SEMResult, compare
from ..sem.fit import form_of
from .sem_graph import panels
from .table_layout import estimate_columns, headed, side_by_side, validity_table
from .tables import FIT_DIGITS, Column, Kind, Table, number_text
from .words import Language
from .words import language as words_in

__all__ = ["defined", "fit", "fit_line", "measurement", "structural", "validity"]

Given = dict[str, Any]
B = Column("est", "b", pvalue="pvalue")
SE, Z, P = Column("se", "SE"), Column("z", "z"), Column("pvalue", "p", "p")
BETA = Column("std_all", "β", "unit", pvalue="pvalue")
QUALITY = (Column("alpha", "α", "unit"), Column("cr", "CR", "unit"), Column("ave", "AVE", "unit"))
VALUES = ("est", "se", "z", "pvalue", "ci_lower", "ci_upper", "std_all", "alpha", "cr", "ave", "r2")
R2 = Column("r2", "R²", "unit")
TESTS = ("satorra.bentler", "yuan.bentler.mplus", "scaled.shifted", "mean.var.adjusted")  # that need a word


def measurement(given: Given, stars: bool, digits: int) -> Table | None:
    """Loadings and weights of the items, with the reliability of each construct on its heading line."""
    parts = {}
    for name, result, frame in _parts(given):
        formed = frame["op"].eq("=~") & frame["lhs"].isin(frame.loc[frame["op"] == "<~", "lhs"])
        lines = frame[frame["op"].isin(["=~", "<~"]) & ~formed].rename(columns={"lhs": "construct", "rhs": "item"})
        if len(lines):
            parts[name] = headed(_unfixed(lines), "construct", "item", _quality(result, frame))
    if not parts:
        return None
    frame, models = _joined(parts, ("construct", "item"))
    short, full = (B, SE, BETA), (B, SE, Z, P, BETA, *QUALITY)
    columns = [Column("item", "Construct and item", "text"), *estimate_columns(models, short, full, stars)]
    notes = [*_notes(given), "β = standardised loading."]
    if len(models) == 1:
        notes.append("α = Cronbach's alpha; CR = composite reliability; AVE = average variance extracted.")
    if any(((r["op"] == "=~") & (r["se"] == 0)).any() for _, _, r in _parts(given)):
        notes.append("A loading without standard error is fixed, to set the scale of its construct.")
    if any((r["op"] == "<~").any() for _, _, r in _parts(given)):
        notes.append("Items of composites have their weights in place of loadings.")
    return Table("Measurement Model", frame, columns, notes, digits, "measurement")


def structural(given: Given, stars: bool, digits: int) -> Table | None:
    """Paths by outcome, with the variance explained on the heading line."""
    parts = {}
    for name, result, frame in _parts(given):
        lines = frame[frame["op"] == "~"].rename(columns={"lhs": "outcome", "rhs": "predictor"})
        if len(lines):
            r2 = _of_panel(result.r_squared, frame).set_index("name")[["r2"]]
            parts[name] = headed(_unfixed(lines), "outcome", "predictor", r2)
    if not parts:
        return None
    frame, models = _joined(parts, ("outcome", "predictor"))
    short, full = (B, SE, BETA, R2), (B, SE, _interval(given), Z, P, BETA, R2)
    columns = [Column("predictor", "Outcome and predictor", "text"), *estimate_columns(models, short, full, stars)]
    return Table("Structural Model", frame, columns, [*_notes(given), "β = standardised path."], digits, "structural")


def defined(given: Given, stars: bool, digits: int) -> Table | None:
    """Parameters written with ``:=``, such as indirect effects."""
    parts = {}
    for name, result in given.items():
        lines = _estimates(result)
        lines = lines[lines["op"] == ":="].drop(columns="label").rename(columns={"lhs": "label"})
        if len(lines):
            parts[name] = lines
    if not parts:
        return None
    frame = side_by_side(parts, ["label"], VALUES)
    short, full = (B, SE, BETA), (B, SE, _interval(given), Z, P, BETA)
    columns = [Column("label", "Effect", "text"), *estimate_columns(list(parts), short, full, stars)]
    notes = [*_notes(given), "β = the same of standardised parameters."]
    return Table("Defined Effects", frame, columns, notes, digits, "defined")


def validity(given: Given, stars: bool, digits: int) -> Table | None:
    """Correlations of constructs, roots of the AVE on the diagonal, HTMT above it; of the first model and group."""
    result = _point(next(iter(given.values())))
    if result.estimate.table.levels > 1:
        return None  # constructs of two levels are not compared
    of = [next(iter(given))] if len(given) > 1 else []
    of += [f"group {result.rows.labels[0]}"] if len(result.rows.labels) > 1 else []
    return validity_table(result.fornell_larcker, result.htmt, of, digits)


def fit(given: Given, stars: bool, digits: int) -> Table:
    """One line per model: test, indices, information criteria; the difference test where models are nested."""
    points = {name: _point(r) for name, r in given.items()}
    rows = [{"model": name, **_measures(r)} for name, r in points.items()]
    columns = [Column("model", "Model", "text")] if len(points) > 1 else []
    columns += [
        Column("chisq", "χ²"), Column("df", "df", "count"), Column("pvalue", "p", "p"),
        Column("cfi", "CFI", "fit"), Column("tli", "TLI", "fit"), Column("rmsea", "RMSEA", "fit"),
        Column(("rmsea_ci_lower", "rmsea_ci_upper"), "90% CI", "fit interval"), Column("srmr", "SRMR", "fit"),
    ]  # fmt: skip
    frame = pd.DataFrame(rows)
    columns = [c for c in columns if frame[c.name if isinstance(c.name, str) else c.name[0]].notna().any()]
    notes = []
    if len(points) > 1 or frame["chisq"].isna().all():
        heads = {"logl": "Log-likelihood", "aic": "AIC", "bic": "BIC"}
        wanted = ("logl", "aic", "bic") if frame["chisq"].isna().all() else ("aic", "bic")
        columns += [Column(k, heads[k]) for k in wanted if frame[k].notna().any()]
    if len(points) > 1:
        differences, why = _differences(list(points.values()))
        notes += [why] if why else []
        if differences is not None:
            frame = frame.join(differences)
            columns += [
                Column("chisq_diff", "Δχ²"),
                Column("df_diff", "Δdf", "count"),
                Column("pvalue_diff", "p", "p"),
            ]
            notes.append("Δ: each model against the one above it.")
    sizes = dict.fromkeys(r.n_obs for r in points.values())
    notes.insert(0, f"N = {', '.join(map(str, sizes))}.")
    notes += _robust_notes(points)
    notes += _notes(given, errors=False)
    return Table("Model Fit", frame, columns, notes, digits, "fit")


def fit_line(result: SEMResult | SEMBootstrap, digits: int = 2, *, language: str | Language = "en") -> str:
    """Say how well a model fits in one line, as a journal wants it.

    Parameters
    ----------
    result : SEMResult or SEMBootstrap
    digits : int, default 2
        Decimals of the chi-square.
    language : str, default "en"
        Numbers are in the style of the American Psychological Association in English, as usual elsewhere.

    Returns
    -------
    str

    Examples
    --------
    >>> import cxmodels as cx
    >>> res = cx.SEM("visual =~ x1 + x2 + x3; speed =~ x7 + x8 + x9").fit(cx.datasets.load("holzinger"))
    >>> cx.report.fit_line(res)
    'χ²(8, N = 301) = 47.41, p < .001, CFI = .879, TLI = .774, RMSEA = .128, 90% CI [.094, .164], SRMR = .079'
    """
    point, w = _point(result), words_in(language)
    m, comma = _measures(point), ", " if w.decimal == "." else "; "

    def write(value: float, kind: Kind) -> str:
        if w.decimal == "." or not np.isfinite(value):
            return number_text(value, kind, digits)
        return w.pvalue(value) if kind == "p" else w.number(value, FIT_DIGITS if kind == "fit" else digits)

    if not np.isfinite(m["chisq"]):
        said = [f"{k.upper()} = {write(m[k], 'number')}" for k in ("aic", "bic")]
        return comma.join([f"{w('loglik')} = {write(m['logl'], 'number')}", *said, f"N = {point.n_obs}"])
    p = write(m["pvalue"], "p") if np.isfinite(m["pvalue"]) else "–"
    test = f"χ²({m['df']:.0f}{comma}N = {point.n_obs}) = {write(m['chisq'], 'number')}"
    kind = kind_of_test(w, point.estimate.plan.test)
    said = [f"{kind} {test}".strip(), f"p {p}" if p.startswith("<") else f"p = {p}"]
    said += [f"{k.upper()} = {write(m[k], 'fit')}" for k in ("cfi", "tli", "rmsea")]
    ends = [write(m[f"rmsea_ci_{e}"], "fit") for e in ("lower", "upper") if np.isfinite(m[f"rmsea_ci_{e}"])]
    said += [w("rmsea_interval", level=w.share(0.9), span=comma.join(ends))] if len(ends) == 2 else []
    return comma.join([*said, f"SRMR = {write(m['srmr'], 'fit')}"])


def kind_of_test(words: Language, test: str) -> str:
    """Return what a test statistic of a model is called; nothing for the usual one.

    Parameters
    ----------
    words : Language
    test : str
        Of the plan of an estimation.

    Returns
    -------
    str
    """
    return words(f"test_{test.replace('.', '_')}") if test in TESTS else ""


# --- parts ----------------------------------------------------------------------------------------------------------


def _point(result: Any) -> SEMResult:
    return result.result if isinstance(result, SEMBootstrap) else result


def _estimates(result: Any) -> pd.DataFrame:
    return result.estimates


def _parts(given: Given) -> list[tuple[str, SEMResult, pd.DataFrame]]:
    """Name, result and estimates of every model, or of every group and level of a model."""
    out = []
    for name, result in given.items():
        for title, frame in panels(result):
            called = title if len(given) == 1 else f"{name}, {title}"
            out.append((called if title else name, _point(result), frame))
    return out


def _of_panel(known: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """Lines of a frame by group and level that belong to a panel of estimates."""
    flat = known if isinstance(known.index, pd.RangeIndex) else known.reset_index()
    for key in ("group", "level"):
        if key in flat and key in frame:
            flat = flat[flat[key].astype(str) == str(frame[key].iloc[0])]
    return flat


def _quality(result: SEMResult, frame: pd.DataFrame) -> pd.DataFrame:
    """Reliability of the constructs of a panel; those of two levels are told apart by their estimates alone."""
    flat = _of_panel(result.reliability, frame)
    columns = ["alpha", "cr", "ave"]
    if result.estimate.table.levels > 1:
        return pd.DataFrame(columns=columns)
    return flat.set_index("construct")[columns]


def _unfixed(frame: pd.DataFrame) -> pd.DataFrame:
    """Fixed parameters have no standard error to print."""
    return frame.assign(se=frame["se"].where(frame["se"] > 0))


def _joined(parts: dict[str, pd.DataFrame], keys: tuple[str, str]) -> tuple[pd.DataFrame, list[str]]:
    """Lines of all models; a heading is not the line of an item or predictor of the same name."""
    return side_by_side(parts, (*keys, "heading"), VALUES), list(parts)


def _interval(given: Given) -> Column:
    level = next(iter(given.values()))
    percent = 100 * level.level if isinstance(level, SEMBootstrap) else 95
    return Column(("ci_lower", "ci_upper"), f"{percent:g}% CI", "interval")


def _measures(result: SEMResult) -> dict[str, float]:
    m = result.fit_measures
    scaled = "_scaled" if "chisq_scaled" in m else ""
    out = {k: m.get(f"{k}{scaled}", np.nan) for k in ("chisq", "df", "pvalue")}
    for name in ("cfi", "tli", "rmsea"):
        suffix = form_of(result.fit_measures, name)
        out[name] = m.get(f"{name}{suffix}", np.nan)
        if name == "rmsea":
            out |= {f"rmsea_ci_{e}": m.get(f"rmsea_ci_{e}{suffix}", np.nan) for e in ("lower", "upper")}
    return out | {k: m.get(k, np.nan) for k in ("srmr", "logl", "aic", "bic")}


def _robust_notes(points: dict[str, SEMResult]) -> list[str]:
    notes = []
    for kind in dict.fromkeys(r.estimate.plan.test for r in points.values() if r.estimate.plan.test in TESTS):
        forms = {form_of(r.fit_measures, k) for r in points.values() for k in ("cfi", "rmsea")} - {""}
        words = " and ".join(sorted(f.lstrip("_") for f in forms))
        notes.append(
            f"χ²: {kind_of_test(words_in('en'), kind)}" + (f"; CFI, TLI and RMSEA: {words} forms." if words else ".")
        )
    return notes


def _differences(points: list[SEMResult]) -> tuple[pd.DataFrame | None, str]:
    """Tests of each model against the one before, or why there are none."""
    try:
        found = compare(*points)
    except CxError as error:
        return None, f"No difference test: {error}"
    return found[["chisq_diff", "df_diff"]].assign(pvalue_diff=found["pvalue"]), ""


def _notes(given: Given, *, errors: bool = True) -> list[str]:
    """Estimator, bootstrap, and what makes a solution doubtful."""
    points = {name: _point(r) for name, r in given.items()}
    plans = dict.fromkeys(r.estimate.plan.name for r in points.values())
    notes = [f"Estimator {', '.join(plans)}."] if errors else []
    for name, result in given.items():
        if errors and isinstance(result, SEMBootstrap):
            r = result.replicates
            notes.append(
                f"Standard errors and {result.interval} intervals from {r.n - r.failed:,} of {r.n:,} bootstrap replicates."
            )
        point = points[name]
        if not point.converged or not point.proper:
            state = "did not converge" if not point.converged else "is an improper solution"
            notes.append(
                f"The {'model' if len(given) == 1 else name} {state}: {' '.join(point.warnings)}".rstrip(": ")
            )
    return notes
