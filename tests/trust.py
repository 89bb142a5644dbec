"""The pages on trust, made from tests and benchmarks: ``python -m tests.trust [parity|coverage|speed|bad-input|all]``."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from tests import bad_input, parity
from tests.benchmarks import saved

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "notebooks" / "docs" / "trust"
SHOWN = 20  # of each module, on the page of bad input
FAMILIES = {
    "pls": "Path models",
    "bad": "Path models and the index",
    "sem": "Covariance-based SEM",
    "acsi": "Satisfaction index and benchmark studies",
    "index": "Satisfaction index and benchmark studies",
    "satisfaction": "Satisfaction index and benchmark studies",
    "history": "Satisfaction index and benchmark studies",
    "drivers": "Drivers",
    "metrics": "Metrics",
    "churn": "Churn",
    "survey": "Surveys and fieldwork",
    "fieldwork": "Surveys and fieldwork",
    "datasets": "Surveys and fieldwork",
    "study": "Studies and reports",
    "report": "Studies and reports",
    "publication": "Studies and reports",
    "cli": "Studies and reports",
    "model": "Model language",
    "resampling": "Resampling",
}


def table(head: list[str], rows: list[list[Any]]) -> str:
    """Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def together(parts: list[str]) -> str:
    """Parts of a page."""
    return "\n\n".join(parts)


def parity_page() -> str:
    """Method, reference, version, largest difference."""
    return f"""# Parity with reference implementations

Largest differences between this package and the program that is the reference for each method, over all cases and
quantities of the tests (`tests/reference/` holds them, with the script, the version and the options). Differences are
absolute up to 1 and relative above.

## Path models, index, drivers, metrics, churn

{parity.markdown(parity.others())}

PLS references stop at weight changes of 1e-12. lifetimes stops its optimiser early; the values of BG/NBD, Pareto/NBD and
Gamma-Gamma are those of the maximum, and the published ones to their digits.

## Covariance-based SEM

Estimates absolute, standard errors and test statistic relative, fit indices absolute. lavaan stops where gradients fall
below 1e-5, so that a few of its own digits are open.

{parity.markdown(parity.parity())}
"""


def made(of: dict[str, Any]) -> str:
    """Where and with what a run was made."""
    return ", ".join([of["machine"], *(f"{k} {v}" for k, v in of.items() if k != "machine")])


def covered(name: str, run: dict[str, Any]) -> str:
    """One kept run of coverage."""
    rows = [
        [r["method"], r["design"], f"{r['n']:,}", f"{r['runs']:,}" if r["runs"] else "all", f"{r['coverage']:.1%}", error(r["se"])]
        for r in run["rows"]
    ]  # fmt: skip
    head = ["Method", "Design", "n", "Samples", "Coverage", "± (Monte Carlo)"]
    return f"## {COVERED.get(name, name)}\n\n{table(head, rows)}\n\n*{made(run['made'])}*"


def coverage_page() -> str:
    """Method, design, coverage with its Monte-Carlo error."""
    parts = [covered(name, run) for name, run in saved.load("coverage").items()]
    return f"""# Do intervals hold what they promise?

How often 95 % intervals contain the true value, in populations in which it is known. *All* samples means that every sample
was enumerated, so that the number is exact. The Monte-Carlo error is one standard error of the coverage; a method is in
order where 95 % lies within two of them. `python -m tests.benchmarks coverage` renews the files in
`tests/benchmarks/results/`.

{together(parts)}

## Where it falls short

{short()}

Intervals of shares and net scores jump about 95 % with n and the share, as those of every discrete number do (Brown, Cai and
DasGupta 2001, Statistical Science 16(2)); they are right on average, not for each. Percentile and BCa intervals of path models
are a little short in samples of 250, and more so for what rests on complaints, which one customer in thirteen makes.
"""


def short() -> str:
    """What lies half a point below 95 % beyond twice its Monte-Carlo error."""
    rows = [
        [r["method"], r["design"], f"{r['n']:,}", f"{r['coverage']:.1%}"]
        for run in saved.load("coverage").values()
        for r in run["rows"]
        if r["se"] and r["coverage"] + 2 * r["se"] < 0.945
    ]
    lead = "More than half a point below 95 %, beyond twice the Monte-Carlo error:"
    return (
        f"{lead}\n\n{table(['Method', 'Design', 'n', 'Coverage'], rows)}"
        if rows
        else "Nothing lies below 95 % by more than that."
    )


def error(se: float) -> str:
    """A Monte-Carlo error in percent."""
    return f"{100 * se:.1f} %" if se else "0"


COVERED = {
    "pls": "Path models: bootstrap intervals",
    "sem": "SEM: intervals of loadings and correlations",
    "metrics": "Metrics",
    "nation": "Benchmark studies",
    "value": "Customer value",
    "worth": "The value of satisfaction",
    "linkage": "Satisfaction and money: linkage",
}


def timed(run: dict[str, Any]) -> str:
    """One kept run beside a peer."""
    rows = [
        [r["job"], r["peer"], seconds(r["seconds"]), seconds(r["peer_seconds"]), f"{r['peer_seconds'] / r['seconds']:.1f}"]
        for r in run["rows"]
    ]  # fmt: skip
    return f"{table(['Job', 'Peer', 'cxmodels', 'Peer needs', 'Times faster'], rows)}\n\n*{made(run['made'])}*"


def speed_page() -> str:
    """Job, peer, ratio."""
    parts = [timed(run) for run in saved.load("speed").values()]
    return f"""# Speed beside peers

Both programs do the same job on the same data in one run, with one BLAS thread each; their answers are compared before the
clock starts, and a job whose answers differ is not timed. Times are processor seconds, medians of several runs. A ratio
below 1 means that the peer is faster.

{together(parts)}

{costs()}

`make bench` installs the peers into an environment of their own and writes the files behind this page.
"""


def costs() -> str:
    """How cost grows, by the smallest and the largest size and the exponent of the upper decade."""
    parts = []
    for run in saved.load("cost").values():
        rows = [
            [r["job"], r["what"], f"{r['sizes'][0]:,}", seconds(r["seconds"][0]), f"{r['sizes'][-1]:,}", seconds(r["seconds"][-1]), f"{r['exponent']:.2f}"]
            for r in run["rows"]
        ]  # fmt: skip
        head = ["Job", "What grows", "From", "Takes", "To", "Takes", "Exponent"]
        parts.append(f"{table(head, rows)}\n\n*{made(run['made'])}*")
    lead = "Processor time over two decades of size; an exponent of 1, fitted to the upper decade, means twice the time for twice the size."
    return f"## How cost grows\n\n{lead}\n\n{together(parts)}"


def seconds(value: float) -> str:
    """A time for a reader."""
    return f"{1000 * value:.1f} ms" if value < 1 else f"{value:.1f} s"


def bad_input_page() -> str:
    """What was tried, what was said."""
    modules = [
        p.stem for p in sorted((ROOT / "tests").glob("test_*.py")) if not p.stem.startswith("test_documentation")
    ]
    found = pd.DataFrame(bad_input.collect(modules), columns=["module", "test", "case", "kind", "said"])
    found["family"] = [FAMILIES.get(m.split("_")[1], "Studies and reports") for m in found["module"]]
    counts = found.groupby("family")["said"].agg(["size", "nunique"])
    parts = [table(["Family", "Tried", "Different messages"], [[f, a, b] for f, a, b in counts.itertuples()])]
    for family, rows in found.groupby("family"):
        shown = rows.drop_duplicates("said").groupby("module").head(SHOWN)
        lines = [[tried(r.test, r.case), clean(r.said)] for r in shown.itertuples()]
        parts.append(f"## {family}\n\n{table(['Tried', 'Said'], lines)}")
    return f"""# Bad input: what was tried, what was said

Every mistake below is made by a test, and answered by one error of the package (a subclass of `cx.CxError`) that names the
column, construct or equation and says what to do. The first {SHOWN} different messages of each test file are shown.

{together(parts)}

{damaged()}
"""


def damaged() -> str:
    """The kept run of damaged inputs."""
    run = saved.load("fuzz")["fuzz"]
    rows = [[r["reader"], f"{r['inputs']:,}", f"{r['taken']:,}", f"{r['refused']:,}"] for r in run["rows"]]
    return f"""## Damaged files and texts

Studies, codebooks, models and saved churn models with something cut, doubled, moved or replaced, by chance: half of the files
broken as text, half whole files that say strange things, saved models with a checksum that fits. Each was either taken or
refused by an error of the package in words; none raised anything else, warned, or took longer than five seconds.
`python -m tests.fuzz` runs it again.

{table(["Reader", "Inputs", "Taken", "Refused"], rows)}

*{made(run["made"])}*"""


def tried(test: str, case: str) -> str:
    """The case in words, if its identifier has any, else those of the test."""
    words = re.fullmatch(r"[A-Za-z][A-Za-z ,'-]*", case) and " " in case
    return clean(case if words else test.removeprefix("test_").replace("_", " "))


def clean(text: str) -> str:
    """Text for a cell: one line, no folders of the machine, nothing that markdown would read."""
    text = re.sub(r"(?<![\w.])/(?:[^/'\s]+/)+(?=[^/'\s]+)", "", text)
    text = " ".join(text.split())
    return re.sub(r"([\\`*_|<>\[\]{}$])", r"\\\1", text)


MAKERS: dict[str, Callable[[], str]] = {
    "parity": parity_page,
    "coverage": coverage_page,
    "speed": speed_page,
    "bad-input": bad_input_page,
}


def main(what: str = "all") -> None:
    """Write one page or all."""
    if what != "all" and what not in MAKERS:
        sys.exit(f"Choose one of {', '.join(MAKERS)}, all.")
    for name in MAKERS if what == "all" else (what,):
        path = PAGES / f"{name.replace('-', '_')}.md"
        path.write_text(MAKERS[name](), encoding="utf-8")
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main(*sys.argv[1:2])
