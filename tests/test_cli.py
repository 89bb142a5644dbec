"""The command line: what it prints, where, with which exit code, and how little it loads."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings

import pytest

import cxmodels as cx
from cxmodels import cli

STUDY = """
title = "Phones"
name = "phones"
[data]
dataset = "mobi"
[model]
name = "ECSI"
[bootstrap]
replicates = 20
"""


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Run the command line in an empty folder; return exit code, what it printed, and what it complained of."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["cxmodels", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        said = capsys.readouterr()
        return left.value.code or 0, said.out, said.err

    return call


def test_a_study_prints_its_headline_and_where_the_report_is(run, tmp_path):
    (tmp_path / "s.toml").write_text(STUDY)
    code, out, err = run("study", "s.toml")
    assert code == 0
    assert "72.5 on 0-100" in out
    assert "250 used, 0 excluded" in out
    assert (tmp_path / "reports" / "phones" / "report.html").is_file()
    assert os.path.join("reports", "phones", "report.html") in out
    assert err == ""  # no terminal, no progress


def test_out_names_the_folder(run, tmp_path):
    (tmp_path / "s.toml").write_text(STUDY)
    assert run("study", "s.toml", "--out", tmp_path / "elsewhere", "--quiet")[0] == 0
    assert {p.name for p in tmp_path.iterdir()} == {"s.toml", "elsewhere"}
    assert {p.name for p in (tmp_path / "elsewhere").iterdir()} == {"phones"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "There is no study file 's.toml'"),
        ("title = ", "not valid TOML"),
        (STUDY + "replicas = 2\n", "unknown key 'replicas' in [bootstrap]"),
        (STUDY.replace("mobi", "moby"), "Did you mean 'mobi'?"),
        (STUDY.replace('dataset = "mobi"', 'file = "none.csv"'), "File 'none.csv' does not exist"),
        (STUDY.replace('name = "ECSI"', 'text = "A =~ CUSA1 +"'), "Line 1, column 12"),
        (STUDY.replace("[data]", "[options]\nmissing = 'never'\n[data]"), "missing = 'never'"),
    ],
)
def test_a_mistake_is_one_sentence_exit_code_2_and_nothing_on_disk(text, said, run, tmp_path):
    if text is not None:
        (tmp_path / "s.toml").write_text(text)
    code, out, err = run("study", "s.toml")
    assert code == 2
    assert out == ""
    assert err.startswith("Error: ")
    assert said in err
    assert "Traceback" not in err
    assert {p.name for p in tmp_path.iterdir()} <= {"s.toml"}


def test_a_place_that_cannot_be_written_is_refused_before_the_run(run, tmp_path, monkeypatch):
    (tmp_path / "s.toml").write_text(STUDY)
    (tmp_path / "out").write_text("a file")
    monkeypatch.setattr(cx.Study, "run", lambda *_: pytest.fail("ran"))
    code, _, err = run("study", "s.toml", "--out", "out")
    assert code == 2
    assert "cannot be written to" in err


def test_an_interrupt_is_exit_code_130(run, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    (tmp_path / "s.toml").write_text(STUDY)
    monkeypatch.setattr(cx.Study, "run", interrupted)
    code, out, err = run("study", "s.toml")
    assert (code, out) == (130, "")
    assert err.startswith("Interrupted; ")
    assert {p.name for p in tmp_path.iterdir()} == {"s.toml"}


def test_data_are_listed_and_shown(run):
    code, out, _ = run("data", "list")
    assert code == 0
    for name in cx.datasets.catalog()["name"]:
        assert name in out
    assert run("data", "show", "mobi")[1].startswith(cx.datasets.card("mobi")[:40])
    code, _, err = run("data", "show", "mobbi")
    assert code == 2
    assert "Did you mean 'mobi'?" in err


def test_the_version_is_a_command_and_an_option(run):
    assert run("--version") == run("version") == (0, f"{cx.__version__}\n", "")


def test_help_tells_commands_and_options(run):
    assert "study" in run("--help")[1]
    out = run("study", "run", "--help")[1]
    assert "STUDY.toml" in out
    assert "--out" in out
    assert "--quiet" in out


@pytest.mark.parametrize("words", [("studdy",), ("data", "lst")])
def test_an_unknown_command_is_named(words, run):
    code, _, err = run(*words)
    assert code == 2
    assert f"No such command '{words[-1]}'" in err


def test_progress_bars_are_for_terminals(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with cli._Bars(quiet=False) as bars:
        bars.show("path model", 1, 4)
        bars.show("path model", 4, 4)
        (task,) = bars.progress.tasks
        assert (task.description, task.completed, task.total) == ("Path model", 4, 4)
    assert cli._Bars(quiet=True).show is None
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    assert cli._Bars(quiet=False).show is None


@pytest.mark.parametrize("words", ["['--help']", "['study', '--help']", "['--version']"])
def test_help_loads_nothing_heavy(words):
    code = (
        f"import sys; sys.argv = ['cxmodels', *{words}]\n"
        "from cxmodels.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = 'numpy pandas scipy sklearn matplotlib statsmodels semopy jinja2 joblib narwhals'.split()\n"
        "print('HEAVY', [m for m in heavy if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True)
    assert "HEAVY []" in run.stdout
