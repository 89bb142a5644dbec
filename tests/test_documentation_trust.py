"""The pages on trust say what tests and benchmarks found."""

import json
import math
import re
from collections import Counter

from tests import parity, trust
from tests.bad_input import collect
from tests.benchmarks import saved
from tests.site import faults


def rows(text: str) -> dict[str, list[str]]:
    """Cells of all tables of a text by their first."""
    lines = [line.strip("| \n") for line in text.splitlines() if line.startswith("| ")]
    cells = [[c.strip() for c in re.split(r"(?<!\\)\|", line)] for line in lines]
    return {c[0]: c[1:] for c in cells if set(c[0]) - set("- ")}


def page(name: str) -> str:
    return (trust.PAGES / f"{name}.md").read_text(encoding="utf-8")


def near(shown: str, found: float, noise: float = 1e-9) -> bool:
    """Whether a difference is as the page shows it: of its size, or nothing but where iterations stopped."""
    if not math.isfinite(found):
        return shown == "nan"
    return max(float(shown), found) < noise or 0.1 < float(shown) / found < 10


def test_parity_page_is_what_the_tests_compute():
    shown = rows(page("parity"))
    for method, source, numbers, largest in parity.others().itertuples():
        assert shown[method][:2] == [source, str(numbers)], method
        assert near(shown[method][2], largest), f"{method}: {shown[method][2]} on the page, {largest:.0e} found"
        assert largest < 1e-4, method


def test_parity_page_agrees_with_the_notebook_that_computes_it():
    notebook = json.loads((trust.ROOT / "notebooks" / "03_covariance_sem.ipynb").read_text(encoding="utf-8"))
    outputs = [o for c in notebook["cells"] for o in c.get("outputs", []) if "text/markdown" in o.get("data", {})]
    wanted = rows(
        "".join(next(o for o in outputs if "lavaan" in "".join(o["data"]["text/markdown"]))["data"]["text/markdown"])
    )
    shown = rows(page("parity"))
    assert len(wanted) > 15
    for method, cells in wanted.items():
        if method != "method":
            assert shown[method][:2] == cells[:2], method
            assert all(
                a == b or near(a, float(b), 1e-6) for a, b in zip(shown[method][2:], cells[2:], strict=True)
            ), method


def test_pages_of_benchmarks_are_those_of_the_kept_runs():
    """Every run whose title stands on a page stands there as it was kept; the families with peers do stand there."""
    coverage, speed, shown = page("coverage"), page("speed"), set()
    for name, run in saved.load("coverage").items():
        if f"## {trust.COVERED.get(name, name)}\n" in coverage:
            assert trust.covered(name, run) in coverage, "run python -m tests.trust coverage"
            shown.add(name)
    for name, run in saved.load("speed").items():
        if f"| {run['rows'][0]['job']} |" in speed:
            assert trust.timed(run) in speed, "run python -m tests.trust speed"
            shown.add(name)
    assert {"pls", "sem", "metrics", "pls_speed", "sem_speed", "drivers_speed"} <= shown
    assert trust.costs() in speed


def test_kept_runs_are_sound():
    for run in saved.load("coverage").values():
        for row in run["rows"]:
            assert 0.5 < row["coverage"] <= 1, row
            assert 0 <= row["se"] < 0.05, row
    for run in saved.load("speed").values():
        assert all(row["seconds"] > 0 and row["peer_seconds"] > 0 and row["peer"] for row in run["rows"])


def test_bad_input_is_answered_as_the_page_says():
    found = collect(["test_index", "test_churn_labels"])
    text = page("bad_input")
    assert len(found) > 20
    missing = [said for *_, said in found[: trust.SHOWN] if trust.clean(said) not in text]
    assert not missing, f"run python -m tests.trust bad-input: {missing[:2]}"


def test_damaged_inputs_stand_on_the_page_as_they_were_run():
    run = saved.load("fuzz")["fuzz"]
    assert trust.damaged() in page("bad_input"), "run python -m tests.trust bad-input"
    for row in run["rows"]:
        assert row["taken"] + row["refused"] == row["inputs"] > 1000
        assert min(row["taken"], row["refused"]) > row["inputs"] / 50, row
    inputs: Counter[str] = Counter()
    for row in run["rows"]:
        inputs[row["reader"].split(" (")[0]] += row["inputs"]
    assert inputs == dict.fromkeys(("model language", "study file", "codebook", "saved model"), 100_000)


def test_broken_links_and_foreign_files_are_found(tmp_path):
    (tmp_path / "a.html").write_text(
        '<a href="b.html#x">b</a><a href="c.html">c</a><script src="https://e.org/s.js"></script>'
    )
    (tmp_path / "b.html").write_text('<p id="y">b</p><a href="a.html">a</a><a href="https://e.org">e</a>')
    assert faults(tmp_path) == [
        "a.html links to b.html#x, where there is no such place.",
        "a.html links to c.html, which does not exist.",
        "a.html loads https://e.org/s.js from elsewhere.",
    ]
    (tmp_path / "a.html").write_text('<a href="b.html#y">b</a>')
    assert faults(tmp_path) == []
