"""The card of a churn model: what it was trained on, how well it does and for whom, and what it is not for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..churn import Campaign
from ..churn.curves import brier_parts, calibration_curve, deciles, gains
from ..churn.evaluation import by_group, evaluate_intervals
from ..churn.profit import profit_curve
from ..errors import SpecError
from ..files import replacing
from .blocks import ENGLISH, Block, facts, figure, paragraph, shown, table
from .churn_charts import calibration_chart, gains_chart, profit_chart
from .onepage import render

if TYPE_CHECKING:
    from ..churn.estimator import Churn

USE = (
    "Ranks customers by the probability of leaving within the horizon of its training labels, for retention offers. "
    "Probabilities hold for customers like those of training; watch them with monitor()."
)
LIMITS = (
    "Reasons tell what the score rests on, not what would keep the customer: who is persuaded by an offer is a matter of "
    "experiment, for which the control group is kept out.",
    "A probability is an average over customers with such data; it is no statement about a person, and must not decide "
    "about credit, prices or service by itself.",
    "Customers unlike those of training, new products and changed prices make it stale.",
)
HEADS = {"measure": "Measure", "est": "Estimate", "se": "Std. error", "ci_lower": "Lower", "ci_upper": "Upper"}
WORDS = {
    "auc": "Area under the ROC curve", "gini": "Gini", "pr_auc": "Average precision", "ks": "Kolmogorov-Smirnov",
    "log_loss": "Log-loss", "brier": "Brier score", "calibration_slope": "Calibration slope (1 is right)",
    "calibration_intercept": "Calibration intercept (0 is right)",
    "calibration_in_the_large": "Calibration in the large (0 is right)",
    "empc": "Expected maximum profit per customer", "empc_share": "Customers contacted for it",
    "mpc": "Maximum profit at the known acceptance", "mpc_share": "Customers contacted for that",
    "contact_all": "Profit of contacting everybody", "gain_over_all": "Gain over contacting everybody",
    "gain_over_none": "Gain over contacting nobody",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class ChurnCard:
    """A model card, as a page and as text; made by :func:`churn_card`.

    Attributes
    ----------
    html, markdown : str
        Self-contained page, and the same facts as Markdown.

    Examples
    --------
    As :func:`churn_card` makes one of a model and the customers held out:

    >>> ChurnCard(html="<!doctype html><h1>Model</h1>", markdown="# Model").markdown
    '# Model'
    """

    html: str
    markdown: str

    def _repr_html_(self) -> str:
        return self.html

    def write(self, path: str | Path) -> Path:
        """Write the card, whole or not at all.

        Parameters
        ----------
        path : str or Path
            Ends in .html or .md.

        Returns
        -------
        Path

        Raises
        ------
        SpecError
            For another suffix.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> card = ChurnCard(html="<!doctype html><h1>Model</h1>", markdown="# Model")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     card.write(pathlib.Path(folder, "card.html")).name
        'card.html'
        """
        target = Path(path)
        texts = {".html": self.html, ".md": self.markdown}
        if target.suffix.lower() not in texts:
            raise SpecError(f"A model card is written as .html or .md, not '{target.suffix}'.")
        with replacing(target) as draft:
            draft.write_text(texts[target.suffix.lower()], encoding="utf-8")
        return target


def churn_card(
    model: Churn,
    X: Any,
    y: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    campaign: Campaign | None = None,
    horizon_days: int | None = None,
    as_of_date: Any = None,
    use: str = USE,
    title: str = "Churn model",
    n: int = 500,
    seed: int = 0,
) -> ChurnCard:
    """Make the card of a model from customers that training did not have.

    Parameters
    ----------
    model : Churn
        Fitted.
    X : frame of shape (n, columns)
        Customers held out.
    y : array-like of shape (n,)
        What became of them.
    groups : array-like of shape (n,), optional
        Group of each customer, for fairness.
    campaign : Campaign, optional
        The money behind the profit figures.
    horizon_days : int, optional
        Days ahead for which the labels hold.
    as_of_date : date, optional
        Day of the snapshot that was judged.
    use, title : str
        What the model is for; heading.
    n : int, default 500
        Bootstrap replicates behind the intervals.
    seed : int, default 0
        Their seed.

    Returns
    -------
    ChurnCard

    Raises
    ------
    DataError
        As :func:`cxmodels.churn.evaluate_intervals`.

    Examples
    --------
    >>> import cxmodels as cx
    >>> data = cx.datasets.load("telco")
    >>> x, y = data.drop(columns="churn"), data["churn"]
    >>> model = cx.Churn(candidates=["linear"], folds=3).fit(x[:1500], y[:1500])
    >>> card = churn_card(model, x[1500:2500], y[1500:2500], n=20)
    >>> card.markdown.splitlines()[0]
    '# Churn model'
    """
    money = campaign or Campaign()
    p = model.predict_proba(X)[:, 1]
    truth = (np.asarray(y) == model.classes_[1]).astype(int)
    measures = evaluate_intervals(truth, p, n=n, seed=seed, campaign=money)
    fair = None if groups is None else by_group(truth, p, groups, n=n, seed=seed)
    sections = [
        ("what", "What it is", _what(model, use, horizon_days, as_of_date, truth)),
        ("how", "How well it does", _how(measures, truth, p, money)),
        ("whom", "For whom", _whom(fair)),
        ("data", "What it saw", _data(model)),
        ("limits", "Limits", [paragraph(text) for text in LIMITS]),
    ]
    return ChurnCard(
        _page(title, model, sections, truth), _text(title, model, measures, fair, use, horizon_days, truth)
    )


def _facts(model: Churn, horizon_days: int | None, as_of_date: Any, truth: np.ndarray) -> list[tuple[str, str]]:
    """Names and numbers of the model."""
    told = model.provenance_
    rows = [
        ("Model", f"{model.model_id_}: {model.chosen_} of {len(model.candidates_)} candidates"),
        ("Trained on", f"{told['rows']:,} customers, {told['churn_rate']:.1%} of whom left"),
        ("Judged on", f"{len(truth):,} other customers, {int(truth.sum()):,} of whom left ({truth.mean():.1%})"),
        ("Outcome", f"'{model.classes_[1]}' is leaving, '{model.classes_[0]}' staying"),
        ("Horizon", f"{horizon_days} days" if horizon_days else "as the labels say"),
        ("Data hash", str(told["data_hash"])[:16]),
        ("Made by", f"cxmodels {told['version']}"),
    ]
    return rows if as_of_date is None else [*rows[:5], ("Snapshot", str(pd.Timestamp(as_of_date).date())), *rows[5:]]


def _what(model: Churn, use: str, horizon_days: int | None, as_of_date: Any, truth: np.ndarray) -> list[Block]:
    rows = [(a, shown(b, 300)) for a, b in _facts(model, horizon_days, as_of_date, truth)]
    return [paragraph(shown(use, 2000)), facts(rows)]


def _how(measures: pd.DataFrame, truth: np.ndarray, p: np.ndarray, money: Campaign) -> list[Block]:
    """Measures with intervals, and three pictures."""
    lines = measures.rename(index=lambda k: _word(k)).reset_index()
    parts = brier_parts(truth, p)
    costs = f"value {money.clv:g}, offer {money.incentive_cost:g}, contact {money.contact_cost:g}"
    note = (
        f"95 % bootstrap intervals over customers, the model held. Campaign: {costs}. Brier score = reliability "
        f"{parts.reliability:.4f} - resolution {parts.resolution:.4f} + uncertainty {parts.uncertainty:.4f} + within bins "
        f"{parts.within:.4f}."
    )
    curve = profit_curve(
        truth, p, accept_rate=money.accept_rate, clv=money.clv, incentive_cost=money.incentive_cost,
        contact_cost=money.contact_cost,
    )  # fmt: skip
    heads = {"decile": "Tenth", "n": "Customers", "churners": "Left", "mean_score": "Mean score", "rate": "Rate", "lift": "Lift", "captured": "Found so far"}  # fmt: skip
    pictures = (
        (
            calibration_chart(calibration_curve(truth, p), width=420),
            "Tenths of the customers; dashed: a score that is right",
        ),
        (gains_chart(gains(truth, p), width=420), "Churners among the highest scores; dashed: at random"),
        (profit_chart(curve, width=420), "Profit per customer of the base"),
    )
    beside = "".join(f'<div style="flex:1 1 17rem">{svg}<p class="note">{text}</p></div>' for svg, text in pictures)
    return [
        figure(f'<div style="display:flex;flex-wrap:wrap;gap:1rem">{beside}</div>'),
        table(lines, HEADS, "Measures", note),
        table(deciles(truth, p), heads, "Tenths of the customers", "The riskiest tenth first.", folded=True),
    ]


def _whom(fair: pd.DataFrame | None) -> list[Block]:
    """Groups side by side."""
    if fair is None:
        return []
    heads = {"group": "Group", "n": "Customers", "observed": "Left", "foreseen": "Foreseen", "gap": "Gap", "gap_lower": "Lower", "gap_upper": "Upper", "selected": "Selected", "found": "Churners found", "auc": "AUC"}  # fmt: skip
    wrong = fair[(fair["gap_lower"] > 0) | (fair["gap_upper"] < 0)]["group"].astype(str)
    text = (
        f"The score is off for {', '.join(wrong)}: foreseen and observed churn differ by more than chance."
        if len(wrong)
        else "In no group do foreseen and observed churn differ by more than chance."
    )
    note = "Gap: foreseen less observed churn with its 95 % interval. Selected: share of the group among the riskiest tenth of all."
    return [paragraph(shown(text, 600)), table(fair, heads, "By group", note)]


def _data(model: Churn) -> list[Block]:
    """Columns, what was left out, and the candidates."""
    blocks = [
        table(
            model.candidates_.reset_index(drop=True),
            {"model": "Candidate", "log_loss": "Log-loss", "se": "Std. error", "auc": "AUC", "difference": "From the best", "ci_lower": "Lower", "ci_upper": "Upper", "chosen": "Chosen"},
            "Candidates, cross-validated",
            "The simplest within one standard error of the best is taken.",
        )
    ]  # fmt: skip
    if len(model.dropped_):
        heads = {"column": "Column", "reason": "Reason"}
        blocks.append(table(model.dropped_, heads, "Columns left out"))
    if len(model.audit_):
        heads = {"column": "Column", "issue": "Issue", "evidence": "Evidence"}
        blocks.append(table(model.audit_, heads, "What the audit found", folded=True))
    return blocks


def _page(title: str, model: Churn, sections: list[tuple[str, str, list[Block]]], truth: np.ndarray) -> str:
    """The whole page."""
    return render(
        ENGLISH,
        whole=True,
        title=title,
        subtitle=f"Model card: {shown(model.model_id_)}",
        headline="",
        rows=f"{len(truth):,} customers judged",
        lead=[],
        sections=sections,
        note="",
    )


def _text(
    title: str,
    model: Churn,
    measures: pd.DataFrame,
    fair: pd.DataFrame | None,
    use: str,
    horizon_days: int | None,
    truth: np.ndarray,
) -> str:
    """The same as Markdown."""
    lines = [f"# {title}", "", use, "", "| | |", "|---|---|"]
    lines += [f"| {a} | {_cell(b)} |" for a, b in _facts(model, horizon_days, None, truth)]
    lines += ["", "## How well it does", "", "| Measure | Estimate | 95 % interval |", "|---|---|---|"]
    for name, line in measures.iterrows():
        word = _word(name)
        lines.append(f"| {word} | {line['est']:.3f} | {line['ci_lower']:.3f} to {line['ci_upper']:.3f} |")
    if fair is not None:
        lines += ["", "## For whom", "", "| Group | Customers | Left | Foreseen | Gap |", "|---|---|---|---|---|"]
        groups: list[Any] = fair.to_dict("records")
        for row in groups:
            gap = f"{row['gap']:+.3f} [{row['gap_lower']:+.3f}, {row['gap_upper']:+.3f}]"
            lines.append(
                f"| {_cell(row['group'])} | {row['n']} | {row['observed']:.3f} | {row['foreseen']:.3f} | {gap} |"
            )
    if len(model.dropped_):
        lines += ["", "## Columns left out", ""]
        lines += [f"- {_cell(r['column'])}: {_cell(r['reason'])}" for r in model.dropped_.to_dict("records")]
    return "\n".join([*lines, "", "## Limits", "", *[f"- {text}" for text in LIMITS], ""])


def _word(measure: object) -> str:
    """What the reader calls a measure."""
    name = str(measure)
    return f"Lift of the top {name.removeprefix('lift_')} %" if name.startswith("lift_") else WORDS.get(name, name)


def _cell(text: object) -> str:
    """Text that keeps its table whole."""
    return str(text).replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
