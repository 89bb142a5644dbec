"""From a table to a model, a card, a list and an alarm, by the command line alone."""

from __future__ import annotations

import io
import json
import os
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.churn import read_delivery
from cxmodels.cli import main


@dataclass
class Ran:
    returncode: int
    stdout: str
    stderr: str


def run(folder, *arguments):
    """Run the command in this process: what a new interpreter would say, without the seconds that it takes to start."""
    out, err = io.StringIO(), io.StringIO()
    before, argv = Path.cwd(), sys.argv
    try:
        os.chdir(folder)
        sys.argv = ["cxmodels", "churn", *map(str, arguments)]
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as end, warnings.catch_warnings():
            main()
    finally:
        os.chdir(before)
        sys.argv = argv
    return Ran(end.value.code or 0, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    home = tmp_path_factory.mktemp("churn")
    data = cx.datasets.load("telco").head(1200).assign(id=[f"c{i}" for i in range(1200)])
    data.to_csv(home / "past.csv", index=False)
    data.drop(columns="churn").tail(300).to_parquet(home / "now.parquet")
    data.tail(300).assign(monthly_charges=lambda d: d.monthly_charges + 40).to_parquet(home / "moved.parquet")
    made = run(home, "train", "past.csv", "--label", "churn", "--id", "id", "--out", "m.json", "--card", "card.html",
               "--candidate", "linear", "--group", "contract", "--horizon", 30)  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert "On 300 customers kept out" in made.stdout
    return home


def test_audit_finds_the_identifier(folder):
    found = run(folder, "audit", "past.csv", "--label", "churn")
    assert found.returncode == 0
    assert "identifier" in found.stdout


def test_the_card_stands_alone(folder):
    page = (folder / "card.html").read_text()
    assert page.count("<svg") >= 3
    assert "Month-to-month" in page
    assert "src=" not in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize("target", ["list.csv", "list.parquet", "list.duckdb"])
def test_scoring_hands_over_a_list_and_a_rerun_replaces_it(folder, target):
    order = ("score", "m.json", "now.parquet", target, "--id", "id", "--as-of", "2026-03-31", "--horizon", 30,
             "--value", 250, "--capacity", 40)  # fmt: skip
    for _ in range(2):
        made = run(folder, *order)
        assert made.returncode == 0, made.stderr
    scores = read_delivery(folder / target)
    assert len(scores) == 300
    assert (scores.action == "contact").sum() == 40
    assert "raises the risk" in scores.reason_1[0]
    model = cx.churn.load(folder / "m.json")
    now = pd.read_parquet(folder / "now.parquet")
    p = pd.Series(model.predict_proba(now)[:, 1], now.id)
    assert abs(p[scores.customer_id].to_numpy() - scores.p_churn.to_numpy()).max() < 1e-12


def test_monitoring_says_act_by_its_exit_code(folder):
    calm = run(folder, "monitor", "m.json", "now.parquet")
    assert calm.returncode == 0, calm.stdout
    moved = run(folder, "monitor", "m.json", "moved.parquet", "--out", "drift.csv")
    assert moved.returncode == 3
    assert "monthly_charges" in moved.stdout
    assert pd.read_csv(folder / "drift.csv").column[0] == "monthly_charges"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("train", "gone.csv", "--label", "churn"), "no file"),
        (("train", "past.csv", "--label", "chrn"), "Did you mean 'churn'"),
        (("train", "past.csv", "--label", "churn", "--holdout", 2), "--holdout"),
        (("train", "past.csv", "--label", "id"), "cannot be split"),
        (("score", "past.csv", "now.parquet", "x.csv", "--id", "id", "--as-of", "2026-03-31", "--horizon", 30, "--value", 1), "no usable churn model"),
        (("score", "m.json", "now.parquet", "x.csv", "--id", "id", "--as-of", "soon", "--horizon", 30, "--value", 1), "--as-of"),
        (("score", "m.json", "now.parquet", "x.csv", "--id", "id", "--as-of", "2026-03-31", "--horizon", 30, "--value", "contract"), "holds text"),
        (("monitor", "m.json", "short.parquet"), "tenure"),
        (("audit", "bad.parquet"), "cannot be read"),
    ],
)  # fmt: skip
def test_mistakes_are_one_sentence_and_leave_nothing(folder, arguments, said):
    pd.read_parquet(folder / "now.parquet").drop(columns="tenure").to_parquet(folder / "short.parquet")
    (folder / "bad.parquet").write_text("no table")
    found = run(folder, *arguments)
    assert found.returncode == 2
    assert said in found.stderr
    assert found.stderr.startswith("Error: ")
    assert len(found.stderr.strip().splitlines()) == 1
    assert not (folder / "x.csv").exists()


def test_a_damaged_model_is_refused(folder):
    body = json.loads((folder / "m.json").read_text())
    body["model"]["baseline"]["n"] = "many"
    (folder / "hurt.json").write_text(json.dumps(body))
    found = run(folder, "monitor", "hurt.json", "now.parquet")
    assert found.returncode == 2
    assert "no usable churn model" in found.stderr


def test_customers_who_stand_twice_are_kept_out_whole(folder):
    past = pd.read_csv(folder / "past.csv")
    pd.concat([past, past]).to_csv(folder / "twice.csv", index=False)
    made = run(folder, "train", "twice.csv", "--label", "churn", "--id", "id", "--out", "deep/t.json",
               "--candidate", "linear")  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert "On 600 rows of customers kept out" in made.stdout
    auc = float(made.stdout.split("\nauc")[1].split()[0])
    assert auc < 0.9
    wrong = run(folder, "audit", "past.csv", "--drop", "tenur")
    assert wrong.returncode == 2
    assert "Did you mean 'tenure'" in wrong.stderr
