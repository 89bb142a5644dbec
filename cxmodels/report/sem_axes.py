"""Pictures of covariance-based models on matplotlib axes: an Axes in (or a new one), the Axes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import SpecError, listed
from ..resampling import check_level
from .axes import _axes, _level, _number, _worded
from .svg import ACCENT, BLUE, GREY, INK, PALE, PAPER

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..sem import SEMResult
    from ..sem.power import SEMPower

__all__ = ["estimates", "latent_slopes", "modification", "power", "residuals"]

FULL = 0.3  # residual correlation at which the colour is full
KINDS = {"=~": ("loadings", "→"), "~": ("paths", "←"), "~~": ("correlations", "↔"), "<~": ("weights", "←")}


def residuals(result: SEMResult, group: Any = None, ax: Axes | None = None, *, limit: float = 0.1) -> Axes:
    """Map the residual correlations; see :meth:`SEMResult.plot_residuals`."""
    from matplotlib.colors import LinearSegmentedColormap

    frame = result.residuals("cor", group)
    names, values = [_worded(n, 24) for n in frame.index], frame.to_numpy(dtype=float)
    k = len(names)
    side = max(4.0, 0.34 * k + 1.2)
    ax = _axes(ax, (side + 0.8, side))
    ax.grid(False)
    colours = LinearSegmentedColormap.from_list("residuals", [ACCENT, PAPER, BLUE])
    below = np.where(np.tri(k, k, -1, dtype=bool), values, np.nan)
    image = ax.imshow(below, cmap=colours, vmin=-FULL, vmax=FULL)
    for i in range(k):
        for j in range(i):
            if k <= 16 or abs(values[i, j]) >= limit:
                strong = bool(abs(values[i, j]) >= limit)
                text = _number(values[i, j], 2).replace("0.", ".", 1)
                colour = PAPER if abs(values[i, j]) > 0.6 * FULL else INK
                ax.text(j, i, text, ha="center", va="center", fontsize=7.5 if k <= 16 else 6, color=colour,
                        fontweight="bold" if strong else "normal")  # fmt: skip
    ax.set_xticks(range(k), names, rotation=90)
    ax.set_yticks(range(k), names)
    for spine in ax.spines.values():
        spine.set_visible(False)
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.6)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, length=0)
    ax.set_xlabel("Residual correlations: answers less model")
    return ax


def modification(result: SEMResult, top: int = 10, ax: Axes | None = None) -> Axes:
    """Draw the largest modification indices; see :meth:`SEMResult.plot_modification`."""
    if not isinstance(top, int) or isinstance(top, bool) or top < 1:
        raise SpecError(f"top is a whole number of at least 1, not {top!r}.")
    frame = result.modification_indices().head(top).iloc[::-1]
    several = len(result.rows.labels) > 1
    names = [
        f"{_worded(r.lhs, 20)} {r.op} {_worded(r.rhs, 20)}" + (f" [{r.group}]" if several else "")
        for r in frame.itertuples()
    ]
    ax = _axes(ax, (6.4, 0.34 * len(frame) + 0.9))
    at = np.arange(len(frame))
    ax.barh(at, frame["mi"], color=PALE, height=0.62)
    ax.grid(False, axis="y")
    for y, (mi, change) in enumerate(zip(frame["mi"], frame["sepc_all"], strict=True)):
        ax.text(mi, y, f"  {_number(change, 2)}", va="center", fontsize=8, color=ACCENT if change < 0 else BLUE)
    ax.set_yticks(at, names)
    ax.margins(x=0.12)
    ax.set_xlabel("Drop of the chi-square to expect; beside the bars the standardised change")
    return ax


def estimates(result: SEMResult, op: str = "=~", ax: Axes | None = None, *, level: float = 0.95) -> Axes:
    """Draw standardised estimates with their intervals; see :meth:`SEMResult.plot`."""
    from scipy.special import ndtri

    if op not in KINDS:
        raise SpecError(f"op is {listed(KINDS)}, not '{op}'.")
    check_level(level)
    what, sign = KINDS[op]
    frame = result.standardized
    frame = frame[(frame["op"] == op) & (frame["lhs"] != frame["rhs"])]
    frame = frame[frame["std_all_se"] > 0] if op == "~~" else frame
    if frame.empty:
        raise SpecError(f"The model has no {what} to draw.")
    several = frame["group"].nunique() > 1
    names = [
        f"{_worded(r.lhs, 20)} {sign} {_worded(r.rhs, 20)}" + (f" [{r.group}]" if several else "")
        for r in frame.itertuples()
    ]
    ax = _axes(ax, (6.4, 0.3 * len(frame) + 0.9))
    at = np.arange(len(frame))[::-1]
    est, reach = frame["std_all"].to_numpy(float), -ndtri((1 - level) / 2) * frame["std_all_se"].to_numpy(float)
    unsure = np.abs(est) <= reach
    ax.hlines(at, est - reach, est + reach, color=BLUE, linewidth=1.6)
    ax.scatter(est, at, s=34, color=[PAPER if u else BLUE for u in unsure], edgecolors=BLUE, zorder=3)
    ax.axvline(0, color=GREY, linewidth=0.8)
    ax.set_yticks(at, names)
    hollow = "; hollow: interval includes 0" if unsure.any() else ""
    ax.set_xlabel(f"Standardised {what}, {100 * level:g}% intervals{hollow}")
    return ax


def latent_slopes(
    result: SEMResult,
    predictor: str,
    outcome: str | None = None,
    levels: Sequence[float] = (-1.0, 0.0, 1.0),
    ax: Axes | None = None,
) -> Axes:
    """Draw an outcome against a predictor at levels of its moderator; see :meth:`SEMResult.plot_slopes`."""
    from ..sem.slopes import lines

    x = np.linspace(-2, 2, 81)
    outcome, moderator, frame, y = lines(result, predictor, outcome, levels, x)
    ax = _axes(ax, (6.4, 4.4))
    curved = moderator == predictor
    colours = [BLUE, GREY, ACCENT] if len(frame) == 3 else [BLUE, ACCENT, GREY]
    for k, row in enumerate(frame.to_dict("records")):
        text = f"slope {_number(row['est'], 2)} [{_number(row['ci_lower'], 2)}, {_number(row['ci_upper'], 2)}]"
        if curved:
            at = np.interp(row["level"], x, y[0])
            ax.scatter(
                [row["level"]], [at], s=40, color=colours[k % 3], zorder=4, label=f"{_level(row['level'])}: {text}"
            )
            continue
        ax.plot(
            x,
            y[k],
            color=colours[k % 3],
            linewidth=2,
            label=f"{_worded(moderator, 18)} {_level(row['level'])}: {text}",
        )
    if curved:
        ax.plot(x, y[0], color=INK, linewidth=2, zorder=2)
    ax.set_xlabel(f"{_worded(predictor, 40)}, standard deviations")
    ax.set_ylabel(f"{_worded(str(outcome), 40)}, standard deviations")
    ax.legend(frameon=False, fontsize=9)
    return ax


def power(result: SEMPower, wanted: float = 0.8, ax: Axes | None = None) -> Axes:
    """Draw power against the number of rows; see :meth:`SEMPower.plot`."""
    frame = result.estimates
    keys = [k for k in ("lhs", "op", "rhs", "group", "level") if k in frame]
    if frame["op"].isin(["~", ":="]).any() and frame.groupby(keys).ngroups > 8:
        frame = frame[frame["op"].isin(["~", ":="])]
    if frame["n"].nunique() < 2:
        raise SpecError("A curve of power needs two or more numbers of rows; ask for power(..., n=[100, 200, 400]).")
    ax = _axes(ax, (6.8, 4.2))
    ax.axhline(wanted, color=GREY, linewidth=0.9, linestyle="--")
    curves = list(frame.groupby(keys, sort=False))
    tints = [BLUE, ACCENT, INK, GREY]
    ends: list[tuple[float, float, str, str]] = []
    for k, (key, part) in enumerate(curves):
        part = part.sort_values("n")
        colour = tints[k % len(tints)]
        style = ("-", "--", ":")[(k // len(tints)) % 3]
        ax.plot(part["n"], part["power"], color=colour, linewidth=1.9, linestyle=style, marker="o", markersize=4)
        if "mcse" in part:
            reach = 1.96 * part["mcse"]
            lower, upper = (part["power"] - reach).clip(0), (part["power"] + reach).clip(upper=1)
            ax.fill_between(part["n"], lower, upper, color=colour, alpha=0.12, linewidth=0)
        lhs, op, rhs, *rest = key
        name = f"{_worded(lhs, 14)} {op} {_worded(rhs, 14)}" if op != ":=" else _worded(lhs, 24)
        name += f" [{', '.join(map(str, rest))}]" if rest else ""
        ends.append((float(part["power"].iloc[-1]), float(part["n"].iloc[-1]), name, colour))
    span = float(frame["n"].max() - frame["n"].min())
    low = -1.0
    for value, n, name, colour in sorted(ends):  # names beside the ends of their curves, none upon another
        low = max(value, low + 0.052)
        ax.text(n + 0.015 * span, low, name, fontsize=8, color=colour, va="center", ha="left", clip_on=False)
    widest = max(len(name) for *_, name, _ in ends)
    ax.set_xlim(frame["n"].min() - 0.03 * span, frame["n"].max() + (0.03 + 0.0165 * widest) * span)
    ax.set_xticks(sorted(frame["n"].unique()) if frame["n"].nunique() <= 8 else ax.get_xticks())
    ax.set_ylim(0, max(1.02, low + 0.03))
    ax.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1.0], ["0%", "20%", "40%", "60%", "80%", "100%"])
    ax.set_xlabel("Rows")
    what = (
        "computed"
        if result.method == "satorra_saris"
        else f"{len(result.lines[0])} replicates, bands of two standard errors"
    )
    ax.set_ylabel(f"Power at {100 * result.alpha:g}% ({what})")
    return ax
