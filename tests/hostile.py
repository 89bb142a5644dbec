"""Names that would break a page, a picture or a workbook, and everything of the package that writes such, made with them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import cxmodels as cx
from cxmodels import churn, metrics, report
from cxmodels.files import neutral
from cxmodels.linkage import Linkage, join
from cxmodels.report.tables import Column, Table, Tables
from cxmodels.worth import simulate_worth

NAMES = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "' onmouseover='alert(3)' x='",
    "</title></style></svg></textarea><svg onload=alert(4)>",
    "=1+cmd|' /C calc'!A0",
    "@SUM(A1)",
    "رضا العملاء عن الخدمة",
    "👩🏽‍💻🛰️ customers",
    "zero\u200bwidth\u202eturned",
    "line\nbreak\r\n\tand\x00\x1bmore",
    "x" * 10_000,
    "many words " * 900,
    "{{7*7}} ${x} %s &lt;b&gt; \\end{table}",
    "-2+3",
)
NUMBERED = [f"{name}{k}" for k, name in enumerate(NAMES)]  # different also where they are cut


def mobi() -> pd.DataFrame:
    """Answers whose units have hostile names."""
    return cx.datasets.load("mobi").assign(unit=np.resize(NAMES[:5], 250))


@cache
def study(engine: str) -> Any:
    """A study with hostile units and labels."""
    with tempfile.TemporaryDirectory() as place:
        frame = mobi()
        frame.to_csv(Path(place) / "answers.csv", index=False, encoding="utf-8")
        constructs = ["Image", "Expectation", "Quality", "Value", "Satisfaction", "Complaints", "Loyalty"]
        labels = {c: n.replace("\x00", "") for c, n in zip(constructs, NAMES[4:], strict=False)}
        more = {"options": {"engine": "sem"}} if engine == "sem" else {"bootstrap": {"replicates": 10}}
        content = {
            "title": NAMES[0] + NAMES[10], "subtitle": NAMES[3], "data": {"file": "answers.csv"},
            "model": {"name": "ECSI", "scale": [1, 10], **({} if engine == "sem" else {"by": ["unit"]})}, "labels": labels, **more,
        }  # fmt: skip
        return cx.Study.of(content, folder=place).run()


@cache
def sem(group: bool = False) -> Any:
    """A model of hostile items and groups."""
    data = cx.datasets.load("holzinger")
    data["school"] = data["school"].map({"Pasteur": NAMES[0], "Grant-White": NAMES[9]})
    model = "visual =~ x1 + x2 + x3; textual =~ x4 + x5 + x6; speed =~ x7 + x8 + x9; speed ~ visual + textual"
    return cx.SEM(model).fit(data, **({"group": "school"} if group else {}))


@cache
def pls() -> Any:
    """A path model."""
    return cx.PLS(cx.acsi.ECSI.syntax).fit(mobi())


@cache
def named(kind: Callable[[str], Any], formula: str = "") -> Any:
    """A model whose constructs and items have hostile names, as far as the language takes them, or names that are formulas."""
    names = [n for n in NAMES if n.isprintable() and "`" not in n]
    names = [rf"$\frac{{$ {n[:9]} {formula}" for n in names] if formula else names
    model = "".join(f"`F{k} {n}` =~ `{n}` + `{n}2`\n" for k, n in enumerate(names[:5]))
    model += "".join(f"`F{k} {n}` ~ `F0 {names[0]}`\n" for k, n in enumerate(names[:5]) if k)
    data = cx.datasets.load("mobi").iloc[:, :10]
    data.columns = [n for name in names[:5] for n in (name, f"{name}2")]
    return kind(model).fit(data)


def labels() -> dict[str, str]:
    """A hostile label for everything in both models."""
    names = ["visual", "textual", "speed", *(f"x{k}" for k in range(1, 10)), *pls().reliability.index]
    return dict(zip(names, (n.replace("\x00", "") for n in np.resize(NAMES, len(names))), strict=True))


@cache
def churning() -> tuple[pd.DataFrame, pd.Series]:
    """Customers with hostile columns and levels."""
    data = cx.datasets.load("telco").head(900)
    columns = ["tenure", "monthly_charges", "contract", "internet_service", "payment_method", "total_charges"]
    x = data[columns].assign(same=1, code=[f"c{k}" for k in range(900)])
    for column in ("contract", "internet_service", "payment_method"):
        levels = x[column].unique()
        x[column] = x[column].map(dict(zip(levels, NUMBERED, strict=False)))
    return x.rename(columns=dict(zip(x.columns, NUMBERED[::-1], strict=False))), data["churn"]


@cache
def model() -> Any:
    """A churn model of them."""
    x, y = churning()
    return cx.Churn(candidates=["linear"], folds=2, drop_noise=False).fit(x, y)


@cache
def card() -> Any:
    """Its model card."""
    x, y = churning()
    return report.churn_card(model(), x, y, groups=np.resize(NAMES[:6], len(x)), title=NAMES[0], use=NAMES[3], n=20)


def targets() -> pd.DataFrame:
    """Its list of targets, by hostile customers."""
    x, _ = churning()
    who = [f"{n}{k}" for k, n in enumerate(np.resize(NAMES[:9], len(x)))]
    return model().targets(x.assign(id=who), "id", value=10.0, as_of_date="2026-01-01", horizon_days=30)


@cache
def uplift() -> str:
    """A campaign."""
    table, truth = cx.datasets.simulate_campaign(600)
    y, t, u = table["retained"], table["treatment"], truth["uplift"]
    x = table.drop(columns=["customer_id", "treatment", "retained"])
    x = x.rename(columns=dict(zip(x.columns, NUMBERED, strict=False)))
    whom = churn.persuadables(y, t, u, 1 - truth["p_control"], n=5)
    balance = churn.balance(x, t)
    return report.uplift_html(churn.qini(y, t, u, n=5), whom=whom, balance=balance, title=NAMES[1] + NAMES[10])


@cache
def linked() -> Any:
    """Satisfaction and churn, under hostile names."""
    rng = np.random.default_rng(1)
    n = 600
    true = rng.normal(60, 10, n)
    base = pd.DataFrame({"customer_id": range(n), NAMES[2]: rng.normal(45, 9, n), NAMES[5]: np.resize(NAMES[:3], n)})
    base[NAMES[0]] = (rng.random(n) < 1 / (1 + np.exp(1 + 0.05 * (true - 60)))).astype(int)
    said = pd.DataFrame({k: np.clip(true + rng.normal(0, 10, n), 0, 100) for k in (NAMES[7], NAMES[9])})
    said = said.assign(customer_id=base["customer_id"], date="2025-01-10").sample(400, random_state=1)
    whole = join(base, said, as_of="2025-02-01")
    spec = Linkage(NAMES[0], [NAMES[7], NAMES[9]], scale=(0, 100), controls=[NAMES[2], NAMES[5]], response=[NAMES[2]])
    return spec.fit(whole, bootstrap=5, seed=1)


@cache
def worth() -> Any:
    """What satisfaction is worth, by hostile attributes."""
    base, survey, truth = simulate_worth(500, seed=8, churn=0.25)
    new = {"speed": NAMES[0], "price": NAMES[10], "service": NAMES[6]}
    fit = cx.Drivers("csi", list(new.values())).fit(survey.rename(columns=new))
    return cx.value_of_satisfaction(
        fit, base, costs={NAMES[0]: 300.0, NAMES[6]: 500.0}, budget=900.0, customer="customer_id", left="left", margin="margin",
        reliability=truth.reliability, scale=(1, 10), n=5, seed=1, discount=0.01,
    )  # fmt: skip


@cache
def drivers() -> Any:
    """Drivers with hostile names."""
    rng = np.random.default_rng(2)
    x = np.clip(np.round(rng.normal(3, 1, (200, 5)) + rng.normal(0, 0.7, (200, 1))), 1, 5)
    names = [NAMES[k] for k in (0, 1, 9, 10, 13)]
    data = pd.DataFrame(x, columns=names).assign(**{NAMES[4]: x.mean(1) + rng.normal(0, 0.3, 200)})
    data["segment"] = np.resize(NAMES[:2], 200)
    return cx.Drivers(NAMES[4], names).fit(data)


def curves() -> Any:
    """Survival of groups with hostile names."""
    data = cx.datasets.load("telco").head(900)
    kinds = dict(zip(data["contract"].unique(), (NAMES[0], NAMES[6], NAMES[10]), strict=True))
    return churn.KaplanMeier().fit(data.assign(contract=data["contract"].map(kinds)), "churn", duration="tenure", group="contract")  # fmt: skip


def frames() -> dict[str, pd.DataFrame]:
    """What charts of metrics take, under hostile names."""
    n = len(NAMES)
    k = np.arange(n)
    effects = pd.DataFrame({"est": 1.0 + k, "ci_lower": k - 1.0, "ci_upper": k + 2.5}, index=list(NAMES))
    return {
        "profile": pd.DataFrame(
            {"ours": 3 + k / 20, "theirs": 3.1 + k / 30, "gap": k / 60 - 0.1, "ci_lower": k / 60 - 0.2, "ci_upper": k / 60}, index=list(NAMES),
        ),
        "segments": effects.assign(share=0.1, effect=effects["est"] / 100),
        "balance": pd.DataFrame({"column": list(NAMES), "treated": 1.0, "control": 1.1, "difference": 0.1 - k / 50, "variance_ratio": 1.0}),
        "journey": pd.DataFrame({"touchpoint": list(NAMES), "value": 50.0 + k, "ci_lower": 45.0 + k, "ci_upper": 55.0 + k, "n": 100}),
        "indicators": pd.DataFrame({"actual": 50.0 + k, "target": 60.0, "lost": 1.0}, index=list(NAMES)),
        "control": pd.DataFrame(
            {"unit": np.repeat(NAMES[:6], 3), "period": [*NAMES[8:11]] * 6, "n": 30, "mean": 7.0, "centre": 7.1, "limit_lower": 6.0, "limit_upper": 8.0}
        ),
        "by segment": pd.DataFrame(
            [(a, b, 0.1 + j / 90) for a in NAMES[:3] for j, b in enumerate(NAMES[3:])], columns=["segment", "attribute", "importance"]
        ).assign(ci_lower=0.05, ci_upper=0.4),
    }  # fmt: skip


PATHS = pd.DataFrame(
    [(a, b, 0.3 + k / 50, 0.01 * k) for k, (a, b) in enumerate(zip("ABCDEFGHIJ", "BCDEFGHIJK", strict=True))],
    columns=["predictor", "outcome", "est", "pvalue"],
)


def constructs() -> dict[str, str]:
    """Labels of a path model of eleven constructs."""
    return dict(zip("ABCDEFGHIJK", NAMES, strict=False))


def survey() -> cx.Survey:
    """A survey whose columns and labels are hostile."""
    data = cx.datasets.load("mobi").iloc[:, : len(NAMES)]
    data.columns = list(NAMES)
    items = {n: {"label": m, "scale": [1, 10]} for n, m in zip(NAMES, NAMES[::-1], strict=True)}
    return cx.Survey(data, {"items": items})


PAGES: dict[str, Callable[[], str]] = {
    "study": lambda: report.study_html(study("pls")),
    "study by SEM": lambda: report.study_html(study("sem")),
    "study in a notebook": lambda: study("pls")._repr_html_(),
    "churn card": lambda: card().html,
    "uplift": uplift,
    "linkage": lambda: report.linkage_html(linked(), title=NAMES[3]),
    "linkage in a notebook": lambda: linked()._repr_html_(),
    "worth": lambda: report.worth_html(worth(), title=NAMES[1]),
    "worth in a notebook": lambda: worth()._repr_html_(),
    "drivers": lambda: report.drivers_html(drivers().deliverable(n=5, seed=1, scale=(1, 5)), title=NAMES[3]),
    "worth in Ukrainian": lambda: report.worth_html(worth(), language="uk"),
    "linkage in Bulgarian": lambda: report.linkage_html(linked(), language="bg"),
    "drivers in Russian": lambda: report.drivers_html(drivers().deliverable(n=5, seed=1, scale=(1, 5)), language="ru"),
    "drivers by labels": lambda: report.drivers_html(
        cx.Drivers(NAMES[0], list(NAMES[1:4])).fit(survey()).deliverable(n=5, seed=1), language="uk"
    ),
    "drivers in a notebook": lambda: drivers()._repr_html_(),
    "table of SEM": lambda: report.table(sem(True), labels=labels()).to("html"),
    "table of SEM by model": lambda: report.table({NAMES[0]: sem(), NAMES[10]: sem()}, labels=labels()).to("html"),
    "table of PLS": lambda: report.table(pls(), labels=labels()).to("html"),
    "table of drivers": lambda: report.table(drivers()).to("html"),
    "SEM in a notebook": lambda: sem(True)._repr_html_(),
    "PLS in a notebook": lambda: named(cx.PLS)._repr_html_(),
    "SEM with names in a notebook": lambda: named(cx.SEM)._repr_html_(),
    "table of named PLS": lambda: report.table(named(cx.PLS)).to("html"),
    "survey in a notebook": lambda: survey()._repr_html_(),
    "metrics in a notebook": lambda: metrics.csi(np.full((9, 3), 4.0), np.full((9, 3), 3.0), names=NAMES[:3])._repr_html_(),
    "survival": lambda: report.survival_chart(curves().curve, time=NAMES[10]),
    "survival in a notebook": lambda: curves()._repr_html_(),
    "triangle": lambda: report.triangle_chart(
        pd.DataFrame({"customers": 9, 0: 1.0, 1: 0.5}, index=list(NAMES)), title=NAMES[1]
    ),
    "tracking": lambda: report.tracking_chart(
        pd.DataFrame({"time": range(5), "observed": range(5), "expected": range(5)}), time=NAMES[10], title=NAMES[0]
    ),
    "path diagram": lambda: report.path_diagram(constructs(), PATHS, title=NAMES[0], index=dict.fromkeys("ABC", 50.0), id=NAMES[1]),
    "diagram of SEM": lambda: str(sem(True).diagram(labels=labels(), title=NAMES[3])),
    "diagram of PLS": lambda: str(pls().diagram(title=NAMES[3])),
    "profile": lambda: report.profile_chart(frames()["profile"], ours=NAMES[10], theirs=NAMES[0]),
    "segments": lambda: report.segments_chart(frames()["segments"]),
    "balance": lambda: report.balance_chart(frames()["balance"], groups=(NAMES[10], NAMES[0])),
    "linkage chart": lambda: report.linkage_chart(linked().effects, outcome=NAMES[10]),
    "journey": lambda: report.journey_chart(frames()["journey"], axis_label=NAMES[10], title=NAMES[0]),
    "indicators": lambda: report.indicator_chart(frames()["indicators"], title=NAMES[0]),
    "control": lambda: report.control_chart(frames()["control"], axis_label=NAMES[10], note=NAMES[11], title=NAMES[0]),
    "segments of drivers": lambda: report.segment_dots(frames()["by segment"], title=NAMES[0]),
    "driver map": lambda: report.driver_map(drivers().map(scale=(1, 5)), outcome=NAMES[10], title=NAMES[0]),
    "tables on their own": lambda: own_tables().to("html"),
}  # fmt: skip


def own_tables() -> Tables:
    """A table whose every text is hostile, its notes above all."""
    frame = pd.DataFrame({"name": list(NAMES), "value": np.arange(len(NAMES)) / 7})
    columns = [Column("name", NAMES[0]), Column("value", NAMES[10], span=NAMES[3])]
    return Tables((Table(NAMES[1], frame, [Column("name", NAMES[0], "text"), *columns[1:]], notes=[f"p < .05 for {n}" for n in NAMES], name=NAMES[4]),))  # fmt: skip


def drift(path: Path) -> None:
    """What `cxmodels churn monitor --out` writes."""
    x, _ = churning()
    neutral(model().monitor(x).columns).to_csv(path, index=False)


def frames_of_study(path: Path) -> None:
    """The indices of units, as a study on disk holds them."""
    with tempfile.TemporaryDirectory() as place:
        folder = report.write_study(study("pls"), place)
        path.write_bytes((folder / "tables" / "unit_indices.csv").read_bytes())


FILES: dict[str, Callable[[Path], Any]] = {
    "sem.xlsx": lambda path: report.table(sem(True), labels=labels()).write(path),
    "pls.xlsx": lambda path: report.table(pls(), labels=labels()).write(path),
    "models.xlsx": lambda path: report.table({NAMES[4]: sem(), NAMES[10]: sem()}, labels=labels()).write(path),
    "own.xlsx": lambda path: own_tables().write(path),
    "own.md": lambda path: own_tables().write(path),
    "own.tex": lambda path: own_tables().write(path),
    "own.html": lambda path: own_tables().write(path),
    "sem.md": lambda path: report.table(sem(True), labels=labels(), what="measurement").write(path),
    "card.html": lambda path: card().write(path),
    "card.md": lambda path: path.write_text(card().markdown.split("## For whom")[1].split("##")[0]),
    "diagram.svg": lambda path: sem(True).diagram(labels=labels()).write(path),
    "worth.svg": lambda path: worth().plot("tornado").write(path),
    "paths.mmd": lambda path: path.write_text(report.to_mermaid(PATHS, constructs()), encoding="utf-8"),
    "targets.csv": lambda path: churn.deliver(targets(), str(path)),
    "drift.csv": drift,
    "unit_indices.csv": frames_of_study,
}
