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
from ..churn.evaluation import evaluate_intervals
from ..churn.fairness import by_group
from ..churn.profit import profit_curve
from ..errors import SpecError
from ..files import replacing
from .blocks import Block, bounds, facts, figure, paragraph, shown, table
from .churn_charts import calibration_chart, gains_chart, profit_chart
from .onepage import render
from .words import Language
from .words import language as words_in

if TYPE_CHECKING:
    from ..churn.estimator import Churn

LIMITS = ("card_limit_reasons", "card_limit_person", "card_limit_stale")


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

    >>> from cxmodels.report import ChurnCard
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
        >>> from cxmodels.report import ChurnCard
        >>> card = ChurnCard(html="<!doctype html><h1>Model</h1>", markdown="# Model")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     card.write(pathlib.Path(folder, "card.html")).name
        'card.html'
        """
        target = Path(path)
        texts = {".html": self.html, ".md": self.markdown}
        if target.suffix.lower() not in texts:
            raise SpecError(f"A model card is written as .html or .md, not '{target.suffix}'.")
        with replacing(target, "model card") as draft:
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
    use: str | None = None,
    title: str | None = None,
    n: int = 500,
    seed: int = 0,
    language: str | Language = "en",
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
    use, title : str, optional
        What the model is for; heading.
    n : int, default 500
        Bootstrap replicates behind the intervals.
    seed : int, default 0
        Their seed.
    language : str, default "en"
        Of everything that is said: ``"en"``, ``"uk"``, ``"ru"`` or ``"bg"``.

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
    >>> from cxmodels.report import churn_card
    >>> data = cx.datasets.load("telco")
    >>> x, y = data.drop(columns="churn"), data["churn"]
    >>> model = cx.Churn(candidates=["linear"], folds=3).fit(x[:1500], y[:1500])
    >>> card = churn_card(model, x[1500:2500], y[1500:2500], n=20)
    >>> card.markdown.splitlines()[0]
    '# Churn model'
    """
    w, money = words_in(language), campaign or Campaign()
    use, title = use or w("card_use"), title or w("churn_title")
    p = model.predict_proba(X)[:, 1]
    truth = (np.asarray(y) == model.classes_[1]).astype(int)
    measures = evaluate_intervals(truth, p, n=n, seed=seed, campaign=money)
    fair = None if groups is None else by_group(truth, p, groups, n=n, seed=seed)
    known = _facts(w, model, horizon_days, as_of_date, truth)
    page = render(
        w,
        whole=True,
        title=title,
        subtitle=w("card_of", model=shown(model.model_id_)),
        headline="",
        rows=w("judged", n=len(truth)),
        lead=[],
        sections=[
            ("what", w("sec_card_what"), [paragraph(shown(use, 2000)), facts((a, shown(b, 300)) for a, b in known)]),
            ("how", w("sec_card_how"), _how(w, measures, truth, p, money)),
            ("whom", w("sec_card_whom"), _whom(w, fair)),
            ("data", w("sec_card_data"), _data(w, model)),
            ("limits", w("sec_card_limits"), [paragraph(w(text)) for text in LIMITS]),
        ],
        note="",
    )
    return ChurnCard(page, _text(w, title, use, known, model, measures, fair))


def _facts(
    w: Language, model: Churn, horizon_days: int | None, as_of_date: Any, truth: np.ndarray
) -> list[tuple[str, str]]:
    """Names and numbers of the model."""
    told = model.provenance_
    chosen = w("card_model", model=model.model_id_, chosen=model.chosen_, n=len(model.candidates_))
    judged = w("judged_on", n=len(truth), left=int(truth.sum()), share=w.share(truth.mean(), 1))
    rows = [
        (w("model"), chosen),
        (w("trained"), w("trained_on", n=told["rows"], share=w.share(told["churn_rate"], 1))),
        (w("judged_head"), judged),
        (w("outcome"), w("classes", leaving=shown(model.classes_[1]), staying=shown(model.classes_[0]))),
        (w("horizon"), w("days", n=int(horizon_days)) if horizon_days else w("horizon_labels")),
        (w("data_hash"), str(told["data_hash"])[:16]),
        (w("made_by"), f"cxmodels {told['version']}"),
    ]
    if as_of_date is None:
        return rows
    return [*rows[:5], (w("snapshot"), str(pd.Timestamp(as_of_date).date())), *rows[5:]]


def _how(w: Language, measures: pd.DataFrame, truth: np.ndarray, p: np.ndarray, money: Campaign) -> list[Block]:
    """Measures with intervals, and three pictures."""
    lines = measures.rename(index=lambda k: _word(w, k)).rename_axis("measure").reset_index()
    parts = brier_parts(truth, p)
    note = w(
        "measures_note", value=w.plain(money.clv), offer=w.plain(money.incentive_cost), contact=w.plain(money.contact_cost),
        **{k: w.number(getattr(parts, k), 4) for k in ("reliability", "resolution", "uncertainty", "within")},
    )  # fmt: skip
    curve = profit_curve(
        truth, p, accept_rate=money.accept_rate, clv=money.clv, incentive_cost=money.incentive_cost,
        contact_cost=money.contact_cost,
    )  # fmt: skip
    heads = {
        "decile": w("tenth"), "n": w("customers"), "churners": w("churners"), "mean_score": w("mean_score"), "rate": w("rate"),
        "lift": w("lift"), "captured": w("captured"),
    }  # fmt: skip
    said: dict[str, Any] = {"width": 420, "words": w.pictures}
    pictures = (
        (
            calibration_chart(calibration_curve(truth, p), title=w("calibration_caption"), **said),
            "calibration_caption",
        ),
        (gains_chart(gains(truth, p), title=w("gains_caption"), **said), "gains_caption"),
        (profit_chart(curve, title=w("profit_caption"), **said), "profit_caption"),
    )
    beside = "".join(
        f'<div style="flex:1 1 17rem">{svg}<p class="note">{w(text)}</p></div>' for svg, text in pictures
    )
    return [
        figure(f'<div style="display:flex;flex-wrap:wrap;gap:1rem">{beside}</div>'),
        table(lines, {"measure": w("measure"), **bounds(w)}, w("measures"), note, words=w),
        table(deciles(truth, p), heads, w("tenths"), w("tenths_note"), folded=True, words=w),
    ]


def _whom(w: Language, fair: pd.DataFrame | None) -> list[Block]:
    """Groups side by side."""
    if fair is None:
        return []
    heads = {
        "group": w("group"), "n": w("customers"), "observed": w("churners"), "foreseen": w("foreseen"), "gap": w("gap_head"),
        "gap_lower": w("lower"), "gap_upper": w("upper"), "selected": w("selected"), "found": w("found"), "auc": "AUC",
    }  # fmt: skip
    wrong = fair[(fair["gap_lower"] > 0) | (fair["gap_upper"] < 0)]["group"].astype(str)
    text = w("groups_off", groups=", ".join(wrong)) if len(wrong) else w("groups_right")
    return [paragraph(shown(text, 600)), table(fair, heads, w("groups_title"), w("groups_note"), words=w)]


def _data(w: Language, model: Churn) -> list[Block]:
    """Columns, what was left out, and the candidates."""
    tried = model.candidates_.reset_index(drop=True)
    if w.code != "en":
        tried = tried.assign(chosen=[w("yes") if x else "" for x in tried["chosen"]])
    heads = {
        "model": w("candidate"), "log_loss": w("log_loss"), "se": w("se"), "auc": "AUC", "difference": w("from_best"),
        "ci_lower": w("lower"), "ci_upper": w("upper"), "chosen": w("chosen"),
    }  # fmt: skip
    blocks = [table(tried, heads, w("candidates"), w("candidates_note"), words=w)]
    if len(model.dropped_):
        left = model.dropped_.assign(reason=[_reasons(w, r) for r in model.dropped_["reason"]])
        blocks.append(table(left, {"column": w("column"), "reason": w("reason")}, w("columns_out"), words=w))
    if len(model.audit_):
        heads = {k: w(k) for k in ("column", "issue", "evidence")}
        found = model.audit_.assign(**{k: model.audit_[k].map(w.told) for k in ("issue", "evidence")})
        blocks.append(table(found, heads, w("audited"), folded=True, words=w))
    return blocks


def _text(
    w: Language,
    title: str,
    use: str,
    known: list[tuple[str, str]],
    model: Churn,
    measures: pd.DataFrame,
    fair: pd.DataFrame | None,
) -> str:
    """The same as Markdown."""
    lines = [f"# {title}", "", use, "", "| | |", "|---|---|"]
    lines += [f"| {a} | {_cell(b)} |" for a, b in known]
    interval = w("sliders_interval", level=w.share(0.95), span="").rstrip(": ")
    lines += [
        "",
        f"## {w('sec_card_how')}",
        "",
        f"| {w('measure')} | {w('estimate')} | {interval} |",
        "|---|---|---|",
    ]
    for name, line in measures.iterrows():
        lines.append(
            f"| {_word(w, name)} | {w.number(line['est'], 3)} | {w.span(line['ci_lower'], line['ci_upper'], 3)} |"
        )
    if fair is not None:
        heads = " | ".join(w(k) for k in ("group", "customers", "churners", "foreseen", "gap_head"))
        lines += ["", f"## {w('sec_card_whom')}", "", f"| {heads} |", "|---|---|---|---|---|"]
        groups: list[Any] = fair.to_dict("records")
        for row in groups:
            ends = "; ".join(w.number(row[k], 3, signed=True) for k in ("gap_lower", "gap_upper"))
            cells = [w.count(row["n"]), w.number(row["observed"], 3), w.number(row["foreseen"], 3)]
            gap = f"{w.number(row['gap'], 3, signed=True)} [{ends}]"
            lines.append(f"| {' | '.join([_cell(row['group']), *cells, gap])} |")
    if len(model.dropped_):
        lines += ["", f"## {w('columns_out')}", ""]
        lines += [
            f"- {_cell(r['column'])}: {_cell(_reasons(w, r['reason']))}" for r in model.dropped_.to_dict("records")
        ]
    return "\n".join([*lines, "", f"## {w('sec_card_limits')}", "", *[f"- {w(text)}" for text in LIMITS], ""])


def _word(w: Language, measure: object) -> str:
    """What the reader calls a measure."""
    name = str(measure)
    if name.startswith("lift_"):
        return w("churn_lift", share=name.removeprefix("lift_"))
    return w.known(f"churn_{name}", name)


def _reasons(w: Language, text: str) -> str:
    """Why a column was left out, all reasons for it."""
    return ", ".join(w.told(reason) for reason in text.split(", "))


def _cell(text: object) -> str:
    """Text that keeps its table whole."""
    return str(text).replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
