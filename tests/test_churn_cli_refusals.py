"""What the churn commands refuse before anything is fitted, and the workbooks they read."""

import contextlib
import io
import sys

import pandas as pd
import pytest

from cxmodels.cli import main

TABLE = pd.DataFrame({"id": [f"c{i}" for i in range(40)], "months": range(40), "churn": [0, 1] * 20})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    home = tmp_path_factory.mktemp("cli")
    TABLE.to_csv(home / "past.csv", index=False)
    TABLE.to_excel(home / "past.xlsx", index=False)
    TABLE.head(0).to_csv(home / "empty.csv", index=False)
    TABLE.assign(id=TABLE["id"].where(TABLE.index > 2)).to_csv(home / "blank.csv", index=False)
    (home / "past.sav").write_bytes(b"$FL2")
    return home


def run(folder, monkeypatch, *arguments):
    """What the command says: exit code, output and errors."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["cxmodels", "churn", *map(str, arguments)])
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as end:
        main()
    return end.value.code or 0, out.getvalue(), err.getvalue()


TRAIN = ("--label", "churn", "--out", "m.json")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("past.csv", *TRAIN, "--card", "card.pdf"), "A model card is written as .html or .md, not '.pdf'."),
        (("past.csv", *TRAIN, "--holdout", 1), "--holdout must be a share between 0 and 1, not 1.0."),
        (("past.sav", *TRAIN), "Cannot read '.sav' files; give .parquet, .csv or .xlsx."),
        (("empty.csv", *TRAIN), "'empty.csv' has no rows; nothing was written."),
        (("blank.csv", *TRAIN, "--id", "id"), "3 of 40 rows have no 'id'; give each one."),
        (("past.csv", *TRAIN, "--drop", "month"), "There is no column 'month'. Did you mean 'months'?"),
    ],
)
def test_training_refuses_and_writes_nothing(arguments, said, folder, monkeypatch):
    code, _, err = run(folder, monkeypatch, "train", *arguments)
    assert (code, err.strip()) == (2, f"Error: {said}")
    assert not (folder / "m.json").exists()


def test_a_workbook_is_read_as_its_text_is(folder, monkeypatch):
    text, book = (run(folder, monkeypatch, "audit", f"past.{kind}", "--label", "churn") for kind in ("csv", "xlsx"))
    assert text == book
    assert text[0] == 0
