"""Pictures of path models on matplotlib axes: an Axes in (or a new one), the Axes out, for papers and notebooks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..errors import DataError, SpecError, listed, near
from ..inference import quantile
from .blocks import shown
from .geometry import Rect
from .layout import arrange
from .svg import ACCENT, BLUE, BLUSH, GREY, INK, PALE, PAPER, RULE, TINT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..acsi import Trend
    from ..pls import PLSBootstrap, PLSGroups, PLSResult
    from ..pls.discriminant import PLSDiscriminant
    from ..pls.nca import PLSNecessity

__all__ = [
    "draws",
    "group_differences",
    "importance_map",
    "index_trend",
    "necessity",
    "path_picture",
    "ratio_forest",
    "slopes",
]

SMALL, TEXT = 9.0, 10.0
MARKS = ("o", "s", "D", "^", "v", "P", "X")
LINES = ("-", "--", ":", "-.")


def _worded(text: object, longest: int) -> str:
    """A name as a page shows it; between two dollars matplotlib would read a formula."""
    return shown(text, longest).replace("$", r"\$")


# --- the model ------------------------------------------------------------------------------------------------------


def path_picture(result: PLSResult | PLSBootstrap, ax: Axes | None = None, *, digits: int = 2) -> Axes:
    """Draw constructs, paths and R²; see :meth:`PLSResult.plot`."""
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
    from matplotlib.path import Path

    point: Any = getattr(result, "point", result)
    names, paths = list(point.layout.constructs), result.paths
    r2 = point.r_squared["r2"]
    wide = [max(44.0, 6.6 * len(_number(e, digits)) + 8) for e in paths["est"]]
    plan = arrange(names, list(zip(paths["predictor"], paths["outcome"], strict=True)), box=(140.0, 52.0),
                   labels=[(w, 17.0) for w in wide])  # fmt: skip
    ax = _axes(ax, (plan.width / 100, plan.height / 100))
    strongest = max(paths["est"].abs().max(), 1e-9)
    unsure = _unsure(paths)
    for edge, est, dashed in zip(plan.edges, paths["est"], unsure, strict=True):
        colour = ACCENT if est < 0 else BLUE
        width = 1.0 + 2.6 * abs(est) / strongest
        codes = [Path.MOVETO] + [Path.CURVE4] * (len(edge.curve) - 1)
        line = Path(edge.curve, codes)
        ax.add_patch(_patch(line, colour, width, dashed))
        (x0, y0), (x1, y1) = edge.curve[-1], edge.tip()
        head = FancyArrowPatch((x0 - (x1 - x0) * 0.01, y0 - (y1 - y0) * 0.01), (x1, y1), arrowstyle="-|>", color=colour,
                               mutation_scale=9 + width, linewidth=0.1, shrinkA=0, shrinkB=0)  # fmt: skip
        ax.add_patch(head)
    for name, box in plan.boxes.items():
        term = ":" in name
        style = "round,pad=0,rounding_size=24" if term else "round,pad=0,rounding_size=6"
        ax.add_patch(FancyBboxPatch((box.x, box.y), box.w, box.h, boxstyle=style, facecolor=TINT, edgecolor=INK,
                                    linewidth=1.1, linestyle="--" if term else "-", zorder=3))  # fmt: skip
        known = name in r2.index
        label = _worded(name.replace(":", " × "), 22 if term else 20)
        ax.text(box.cx, box.cy - (8 if known else 0), label, ha="center", va="center", color=INK,
                fontsize=_fitting(label, box.w - 10), fontweight="bold", zorder=4)  # fmt: skip
        if known:
            ax.text(box.cx, box.cy + 12, f"R² = {_number(r2[name], digits)}", ha="center", va="center", color=GREY,
                    fontsize=SMALL, zorder=4)  # fmt: skip
    for edge, est in zip(plan.edges, paths["est"], strict=True):
        spot = edge.label
        ax.text(spot.cx, spot.cy, _number(est, digits), ha="center", va="center", fontsize=SMALL, color=INK, zorder=5,
                bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 1.0})  # fmt: skip
    ax.set_xlim(0, plan.width)
    ax.set_ylim(plan.height, 0)
    ax.set_aspect("equal")
    ax.set_axis_off()
    return ax


def _patch(line: Any, colour: str, width: float, dashed: bool) -> Any:
    from matplotlib.patches import PathPatch

    return PathPatch(
        line, facecolor="none", edgecolor=colour, linewidth=width, linestyle="--" if dashed else "-", zorder=1
    )


def _unsure(paths: pd.DataFrame) -> list[bool]:
    """Which paths have an interval that covers zero; none without intervals."""
    if "ci_lower" not in paths:
        return [False] * len(paths)
    return [bool(lo <= 0 <= hi) for lo, hi in zip(paths["ci_lower"], paths["ci_upper"], strict=True)]


# --- measurement ----------------------------------------------------------------------------------------------------


def ratio_forest(result: PLSDiscriminant, ax: Axes | None = None) -> Axes:
    """Draw ratios with their limits against the thresholds; see :meth:`PLSDiscriminant.plot`."""
    frame = result.ratios.dropna(subset="est").sort_values("est", kind="stable").reset_index(drop=True)
    ax = _axes(ax, (7.2, 1.0 + 0.26 * len(frame)))
    at = np.arange(len(frame))
    strictest = min(result.thresholds, default=math.inf)
    over = (frame["ci_upper"] >= strictest).to_numpy()
    for bad, colour in ((False, BLUE), (True, ACCENT)):
        rows = frame[over == bad]
        ax.hlines(at[over == bad], rows["ci_lower"], rows["ci_upper"], color=colour, linewidth=1.8)
        ax.scatter(rows["est"], at[over == bad], color=colour, s=26, zorder=3)
    limits = sorted(result.thresholds)
    for k, threshold in enumerate(limits):
        ax.axvline(threshold, color=INK, linewidth=0.9, linestyle=(0, (5, 3)), zorder=0.9)
        side = "center" if 0 < k < len(limits) - 1 or len(limits) == 1 else "left" if k else "right"
        ax.text(threshold, len(frame) - 0.35, f"{threshold:g}", ha=side, va="bottom", fontsize=SMALL, color=INK)
    labels = [f"{_worded(a, 18)} – {_worded(b, 18)}" for a, b in zip(frame["construct"], frame["other"], strict=True)]
    ax.set_yticks(at, labels)
    ax.set_ylim(-0.7, len(frame) - 0.3)
    kind = {"htmt": "HTMT", "htmt2": "HTMT2"}[result.kind]
    ax.set_xlabel(f"{kind}, one-sided {100 * result.level:g} % limits; orange: not below {strictest:g}")
    return ax


# --- importance, slopes, draws ---------------------------------------------------------------------------------------


def importance_map(
    result: PLSResult, target: str, scale: Any = None, ax: Axes | None = None, *, items: bool = False
) -> Axes:
    """Draw importance against performance; see :meth:`PLSResult.plot_ipma`."""
    frame = result.ipma(target, scale, items=items)
    ax = _axes(ax, (6.6, 4.8))
    x, y = frame["importance"].to_numpy(), frame["performance"].to_numpy()
    names = [_worded(i[-1] if isinstance(i, tuple) else i, 24) for i in frame.index]
    middle = float(x.mean()), float(y.mean())
    first = (x > middle[0]) & (y < middle[1])
    ax.axvline(middle[0], color=GREY, linewidth=1, linestyle=(0, (5, 3)), zorder=0)
    ax.axhline(middle[1], color=GREY, linewidth=1, linestyle=(0, (5, 3)), zorder=0)
    ax.scatter(x, y, s=46, color=np.where(first, ACCENT, BLUE), edgecolors=PAPER, zorder=3)
    ax.margins(0.18)
    _name_dots(ax, x, y, names)
    ax.set_xlabel(f"Importance for {_worded(target, 40)}: points per point of the driver's index")
    ax.set_ylabel("Performance: index, 0–100")
    for text, place, ha, va in (("improve first", (1, 0), "right", "bottom"), ("keep up", (1, 1), "right", "top"),
                                ("possible overkill", (0, 1), "left", "top"), ("low priority", (0, 0), "left", "bottom")):  # fmt: skip
        ax.annotate(text, place, xytext=(-5 if ha == "right" else 5, 4 if va == "bottom" else -4), fontsize=SMALL,
                    xycoords="axes fraction", textcoords="offset points", ha=ha, va=va,
                    color=ACCENT if text == "improve first" else GREY)  # fmt: skip
    return ax


def _name_dots(ax: Axes, x: np.ndarray, y: np.ndarray, names: Sequence[str]) -> None:
    """Write names beside dots where they meet neither dots nor one another."""
    fig = ax.figure
    fig.canvas.draw()
    dots = ax.transData.transform(np.column_stack([x, y]))
    frame = ax.get_window_extent()
    unit = fig.dpi / 72
    taken = [Rect(u - 5 * unit, v - 5 * unit, 10 * unit, 10 * unit) for u, v in dots]
    for k, (u, v) in enumerate(dots):
        w, h = 7.2 * unit * len(names[k]), 13 * unit
        best: tuple[float, float, float] | None = None
        for rank, (far, (dx, dy)) in enumerate(
            product((9, 18, 30, 44), ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1)))
        ):
            cx, cy = u + dx * (w / 2 + far * unit), v + dy * (h / 2 + far * unit * 0.6)
            spot = Rect(cx - w / 2, cy - h / 2, w, h)
            out = spot.x < frame.x0 or spot.right > frame.x1 or spot.y < frame.y0 or spot.bottom > frame.y1
            cost = 50 * out + 10 * sum(spot.overlaps(t) for i, t in enumerate(taken) if i != k) + rank / 10
            if best is None or cost < best[0]:
                best = (cost, cx, cy)
        assert best is not None
        taken.append(Rect(best[1] - w / 2, best[2] - h / 2, w, h))
        away = ((best[1] - u) / unit, (best[2] - v) / unit)
        far = abs(away[0]) > w / unit / 2 + 14 or abs(away[1]) > 22
        ax.annotate(
            names[k],
            (x[k], y[k]),
            xytext=away,
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=TEXT,
            fontweight="bold",
            color=INK,
            arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 4}
            if far
            else None,
        )


def slopes(
    result: PLSResult | PLSBootstrap,
    predictor: str,
    outcome: str | None = None,
    levels: Sequence[float] = (-1.0, 0.0, 1.0),
    ax: Axes | None = None,
) -> Axes:
    """Draw an outcome against a predictor at levels of its moderators; see :meth:`PLSResult.plot_slopes`."""
    point: Any = getattr(result, "point", result)
    frame = result.simple_slopes(levels)
    frame = frame[frame["predictor"] == predictor]
    if frame.empty:
        known = list(dict.fromkeys(result.simple_slopes(levels)["predictor"]))
        raise SpecError(
            f"No interaction involves '{predictor}'; choose from {listed(known)}.{near(predictor, known)}"
        )
    outcomes = list(dict.fromkeys(frame["outcome"]))
    if outcome is None:
        outcome = outcomes[0]
    elif outcome not in outcomes:
        raise SpecError(f"'{predictor}' has no moderator for '{outcome}'; choose from {listed(outcomes)}.")
    frame = frame[frame["outcome"] == outcome]
    if "second" in frame and (frame["second"] != "").any():
        frame = frame[frame["second"] != ""]
        ends = (min(levels), max(levels))
        frame = frame[frame["level"].isin(ends) & frame["second_level"].isin(ends)]
    frame = frame[frame["moderator"] == frame["moderator"].iloc[0]]
    ax = _axes(ax, (6.4, 4.4))
    x = np.linspace(-2, 2, 81)
    moderators = [m for m in ("moderator", "second") if m in frame]
    colours = (
        [BLUE, GREY, ACCENT]
        if len(frame) == 3
        else [BLUE, ACCENT]
        if len(frame) == 2
        else [BLUE, ACCENT, BLUE, ACCENT]
    )
    for k, row in enumerate(frame.to_dict("records")):
        at = {str(row[m]): float(row["level" if m == "moderator" else "second_level"]) for m in moderators}
        curved = predictor in at
        said = ", ".join(f"{_worded(m, 18)} {_level(v)}" for m, v in at.items() if m != predictor)
        slope = f"slope {_number(row['est'], 2)}"
        if "ci_lower" in row:
            slope += f" [{_number(row['ci_lower'], 2)}, {_number(row['ci_upper'], 2)}]"
        label = slope if not said else f"{said}: {slope}" if not curved else said
        if curved and not said:
            label = f"{slope}, {_level(at[predictor])}"
            ax.scatter([at[predictor]], [_surface(point, outcome, predictor, np.array([at[predictor]]), {})[0]], s=40,
                       color=colours[k % len(colours)], zorder=4, label=label)  # fmt: skip
            label = ""
        others = {m: v for m, v in at.items() if m != predictor}
        y = _surface(point, outcome, predictor, x, others)
        style = LINES[(k // 2) % 4] if len(frame) == 4 else "-"
        ax.plot(x, y, color=INK if curved and not said else colours[k % len(colours)], linewidth=2, linestyle=style,
                label=label or None, zorder=2)  # fmt: skip
    ax.set_xlabel(f"{_worded(predictor, 40)}, standard deviations")
    ax.set_ylabel(f"{_worded(outcome, 40)}, standard deviations")
    ax.legend(frameon=False, fontsize=SMALL)
    return ax


def _surface(point: Any, outcome: str, predictor: str, x: np.ndarray, at: dict[str, float]) -> np.ndarray:
    """What the equation of an outcome says along a predictor, other constructs at the levels given or at their means."""
    out = np.zeros_like(x)
    for name, path in point.paths.loc[point.paths["outcome"] == outcome, ["predictor", "est"]].itertuples(
        index=False
    ):
        value = np.ones_like(x)
        for part in name.split(":"):
            value = value * (x if part == predictor else at.get(part, 0.0))
        out = out + path * value
    return out


def draws(
    result: PLSBootstrap, name: str = "paths", key: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw how the replicates of one number are spread; see :meth:`PLSBootstrap.plot_draws`."""
    every = result.draws(name)
    keys = [tuple(map(str, column)) for column in every.columns]
    wanted = keys[0] if key is None else tuple(map(str, key))
    if wanted not in keys:
        raise SpecError(
            f"'{name}' has no row {wanted}; choose from {listed((' ~ '.join(k) for k in keys), 6)}."
            f"{near(' ~ '.join(wanted), (' ~ '.join(k) for k in keys))}"
        )
    column = keys.index(wanted)
    values = every.iloc[:, column].to_numpy(float)
    values = values[np.isfinite(values)]
    if not len(values):
        raise DataError(f"No replicate of {' ~ '.join(wanted)} has a number.")
    row = getattr(result, name).iloc[column]
    ax = _axes(ax, (6.4, 3.4))
    bins = min(max(len(np.histogram_bin_edges(values, "fd")) - 1, 10), 60) if np.ptp(values) > 0 else 9
    _, edges, _ = ax.hist(values, bins=bins, color=PALE, edgecolor=PAPER, linewidth=0.8)
    middles = (edges[1:] + edges[:-1]) / 2
    for middle, bar in zip(middles, list(ax.patches)[-bins:], strict=True):
        if not row["ci_lower"] <= middle <= row["ci_upper"]:
            bar.set_facecolor(BLUSH)
    ax.axvline(row["est"], color=INK, linewidth=2)
    for end in ("ci_lower", "ci_upper"):
        ax.axvline(row[end], color=BLUE, linewidth=1.4, linestyle=(0, (5, 3)))
    if edges[0] < 0 < edges[-1]:
        ax.axvline(0, color=GREY, linewidth=1)
    said = " ← " if name in ("paths", "effects", "f_squared", "vif") else ", "
    ax.set_title(
        f"{said.join(_worded(k, 24) for k in wanted)}: {_number(row['est'], 3)} "
        f"[{_number(row['ci_lower'], 3)}, {_number(row['ci_upper'], 3)}]",
        loc="left", fontsize=TEXT,
    )  # fmt: skip
    ax.set_xlabel(f"{len(values):,} replicates; {result.level:.0%} interval ({result.interval}) dashed")
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.grid(visible=False)
    return ax


# --- groups and necessity --------------------------------------------------------------------------------------------


def group_differences(result: PLSGroups, name: str = "paths", ax: Axes | None = None) -> Axes:
    """Draw what differs between groups; see :meth:`PLSGroups.plot`."""
    if len(result.labels) == 2:
        return _two_groups(result, name, ax)
    frame = result.estimates(name)
    keys = list(result.point.layout.keys[name])
    p = result.omnibus(name)["pvalue_adjusted"].to_numpy()
    ax = _axes(ax, (7.0, 1.2 + 0.34 * len(frame)))
    at = np.arange(len(frame))[::-1]
    values = frame[list(result.labels)].to_numpy(float)
    ax.hlines(at, values.min(axis=1), values.max(axis=1), color=RULE, linewidth=4, zorder=1)
    palette = (BLUE, ACCENT, GREY, INK, "#2c8a63", "#8a5fa8", "#b08900")
    for k, label in enumerate(result.labels):
        ax.scatter(
            values[:, k], at, s=34, color=palette[k % 7], marker=MARKS[k % 7], label=_worded(str(label), 24), zorder=3
        )
    _rows(ax, frame, keys, at, p < 0.05)
    ax.set_xlabel("Estimate by group; bold: they differ (omnibus permutation test, adjusted p < .05)")
    ax.legend(frameon=False, fontsize=SMALL, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def _two_groups(result: PLSGroups, name: str, ax: Axes | None) -> Axes:
    """Differences against the range that equal groups would give."""
    frame = result.differences(name)
    keys = list(result.point.layout.keys[name])
    ax = _axes(ax, (7.0, 1.0 + 0.34 * len(frame)))
    at = np.arange(len(frame))[::-1]
    sure = (frame["pvalue_adjusted"] < 0.05).to_numpy()
    ax.hlines(at, frame["lower"], frame["upper"], color=PALE, linewidth=7, zorder=1)
    ax.scatter(frame["difference"], at, s=36, color=np.where(sure, ACCENT, BLUE), zorder=3)
    ax.axvline(0, color=GREY, linewidth=1, zorder=0)
    _rows(ax, frame, keys, at, sure)
    a, b = (_worded(str(v), 24) for v in result.labels)
    ax.set_xlabel(f"Difference, {a} less {b}; band: middle {result.level:.0%} if the groups were equal")
    return ax


def _rows(ax: Axes, frame: pd.DataFrame, keys: list[str], at: np.ndarray, bold: np.ndarray) -> None:
    """Name the rows of a picture by their keys, bold where something was found."""
    said = " ← " if keys[0] == "outcome" else ", "
    labels = [said.join(_worded(str(v), 20) for v in row) for row in frame[keys].itertuples(index=False)]
    ax.set_yticks(at, labels)
    for label, sure in zip(ax.get_yticklabels(), bold, strict=True):
        label.set_fontweight("bold" if sure else "normal")
    ax.set_ylim(-0.7, len(frame) - 0.3)


def necessity(result: PLSNecessity, condition: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw a scatter under its ceilings; see :meth:`PLSNecessity.plot`."""
    known = list(result.ceilings)
    condition = known[0] if condition is None else condition
    if condition not in known:
        raise SpecError(
            f"'{condition}' does not lead to '{result.target}'; choose from {listed(known)}.{near(condition, known)}"
        )
    c = result.ceilings[condition]
    ax = _axes(ax, (6.0, 4.6))
    low, high = (c.x.min(), c.y.min()), (c.x.max(), c.y.max())
    peers = c.peers
    corners = np.vstack([peers, [high[0], peers[-1, 1]]])
    ax.fill_between(corners[:, 0], corners[:, 1], high[1], step="post", color=BLUSH, alpha=0.6, linewidth=0, zorder=0)
    ax.scatter(c.x, c.y, s=14, color=BLUE, alpha=0.55, linewidths=0, zorder=2)
    table = result.effects[result.effects["condition"] == condition].set_index("ceiling")

    def said(kind: str, label: str) -> str:
        effect, p = (float(table[column].loc[kind]) for column in ("effect", "pvalue"))
        return f"{label}: d = {_number(effect, 2)}, p = {_number(p, 3)}"

    ax.step(
        corners[:, 0],
        corners[:, 1],
        where="post",
        color=ACCENT,
        linewidth=1.8,
        label=said("ce_fdh", "CE-FDH"),
        zorder=3,
    )
    a, b = c.line
    x = np.linspace(low[0], high[0], 200)
    y = np.clip(a + b * x, low[1], high[1])
    ax.plot(x, y, color=INK, linewidth=1.6, linestyle="--", label=said("cr_fdh", "CR-FDH"), zorder=3)
    ax.scatter(peers[:, 0], peers[:, 1], s=26, facecolors=PAPER, edgecolors=ACCENT, zorder=4)
    ax.set_xlabel(f"{_worded(condition, 40)}, standard deviations")
    ax.set_ylabel(f"{_worded(result.target, 40)}, standard deviations")
    ax.legend(frameon=False, fontsize=SMALL, loc="lower right")
    return ax


# --- shared ---------------------------------------------------------------------------------------------------------


def index_trend(result: Trend, unit: tuple[Any, ...], construct: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw measurements and the smoothed line of one unit; see :meth:`Trend.plot`."""
    frame = result.series(*unit, construct=construct)
    z = quantile(result.level)
    ax = _axes(ax, (6.4, 3.8))
    numbers = pd.api.types.is_numeric_dtype(frame["wave"])
    x = frame["wave"].to_numpy(float) if numbers else np.arange(len(frame), dtype=float)
    ax.fill_between(x, frame["ci_lower"], frame["ci_upper"], color=BLUE, alpha=0.16, linewidth=0, zorder=1)
    ax.plot(x, frame["smoothed"], color=BLUE, linewidth=2, zorder=2, label=f"smoothed, {result.level:.0%} interval")
    seen = frame["index"].notna().to_numpy()
    ax.errorbar(x[seen], frame["index"][seen], z * frame["index_se"][seen], fmt="o", color=INK, markersize=5,
                elinewidth=1, capsize=3, zorder=3, label=f"as measured, {result.level:.0%} interval")  # fmt: skip
    names = [f"{w:g}" if numbers else _worded(str(w), 14) for w in frame["wave"]]
    ax.set_xticks(x, names)
    if sum(map(len, names)) > 60:
        ax.tick_params(axis="x", labelrotation=90)
    ax.grid(axis="x", visible=False)
    ax.grid(axis="y", color=RULE, linewidth=0.7)
    ax.set_axisbelow(True)
    keys = frame.columns[: list(frame.columns).index("construct")]
    named = ", ".join(map(str, frame[keys].iloc[0]))
    ax.set_ylabel(f"{_worded(str(frame['construct'].iloc[0]), 30)}, 0–100")
    ax.set_title(_worded(named, 50), fontsize=TEXT, color=INK, loc="left")
    ax.legend(frameon=False, fontsize=SMALL, loc="best")
    return ax


def _axes(ax: Axes | None, size: tuple[float, float]) -> Axes:
    """The axes given, or new ones, in the dress of all pictures."""
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=size, layout="constrained")
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(GREY)
    ax.tick_params(colors=INK, labelsize=SMALL, length=0)
    ax.grid(color=RULE, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.xaxis.label.set(color=GREY, fontsize=SMALL)
    ax.yaxis.label.set(color=GREY, fontsize=SMALL)
    return ax


def _fitting(text: str, width: float) -> float:
    """Font size at which a text fits into a box of some pixels."""
    return min(TEXT, TEXT * width / max(8.4 * len(text), 1.0))


def _level(value: float) -> str:
    """A level of a moderator in words."""
    return "at its mean" if value == 0 else f"{value:+g} sd".replace("-", "−")


def _number(value: float, digits: int) -> str:
    """A number with a true minus sign."""
    return "n/a" if not math.isfinite(value) else f"{value:.{digits}f}".replace("-", "−")
