"""Damaged input against every reader: ``python -m tests.fuzz [inputs [reader]]`` counts what is taken and what is refused.

Whatever a text says, a reader takes it or raises a `CxError` in words, within seconds and without filling the memory. Anything
else, a warning of NumPy included, ends the run and shows the input. Runs of 100,000 are kept for the page on bad input.
"""

import contextlib
import copy
import json
import pickle
import signal
import sys
import tempfile
import time
import tomllib
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

import cxmodels as cx
from cxmodels.churn import selection
from cxmodels.churn.saved import checksum
from cxmodels.errors import CxError, CxWarning
from cxmodels.model import parse_model
from cxmodels.study import Study
from cxmodels.survey.codebook import Codebook
from tests.benchmarks import saved

ROOT = Path(__file__).parents[1]
KEPT = 100_000  # inputs of a run that stands on the page
KINDS = ("linear", "additive", "pairwise", "boosted", "deep")  # of saved models, which share the inputs
SECONDS = 5  # for one input
TREES = 3  # of a saved model
MEMORY = 4 << 30  # bytes of the whole run
Reader = Callable[[Any], Any]

MODELS = (
    "Image =~ I1 + I2\nLoyalty =~ L1 + L2 + L3\nLoyalty ~ b*Image + Image:Quality\nQuality <~ q1 + q2\ntwice := 2*b",
    "f =~ c(a, NA)*x1 + start(.5)*x2 + equal(\"f=~x2\")*x3\nx1 ~~ 0*x2; f ~ 1\na == 1 # note\nb > 0.1",
    "group: A\nf =~ x1 + x2 + x3\ngroup: B\nf =~ x1 + x2 + x3\nx1 | t1 + t2\nx1 ~*~ 1*x1",
    "level: 1\nw =~ y1 + y2 + y3\nlevel: 2\nb =~ y1 + y2 + y3\nb ~ `strange name`",
)  # fmt: skip
PIECES = (
    "=~", "<~", "~~", "~", ":=", "==", "<", ">", "|", "~*~", "+", "*", ":", ";", "\n", "(", ")", "c(", "NA", "start(", "equal(",
    "#", "!", "1e308", "-0", "0x1F", "1_000", "9" * 5000, "0x" + "F" * 5000, "[" * 2000, "(" * 2000, "nan", "inf", "''", '"', "`", "\\", "\0", "\ufeff", "\u202e", "é", "Ж", "😀", "=", "[",
    "]", "{", "}", "[[", "]]", "true", "1979-05-27T07:32:00Z", '"""', ",", ".", "..", "/", "%", "%s", "{0}", "${x}", "<script>",
)  # fmt: skip
STUDY = """
title = "t"
subtitle = ""
[data]
file = "answers.csv"
codebook = "book.toml"
encoding = "utf-8"
weights = "w"
wave = "year"
hierarchy = ["company", "industry"]
[model]
text = '''
A =~ a1 + a2
B =~ b1 + b2
B ~ A
'''
target = "B"
items = {a1 = "x", b1 = "y"}
scale = [1, 10]
by = ["company"]
[options]
engine = "sem"
scheme = "path"
modes = {A = "B"}
standardize = true
consistent = false
estimator = "MLR"
missing = "fiml"
[bootstrap]
replicates = 20
interval = "bca"
workers = -1
[labels]
A = {en = "First", uk = "Перше"}
"""
BOOK = """
weights = "w"
wave = "year"
hierarchy = ["company", "industry"]
missing = [98, [-9, -1], "refused"]
[items.IMAG1]
label = {en = "Trust", de = "Vertrauen"}
scale = [1, 10]
reversed = true
values = {1 = "Poor", 10 = {en = "Excellent", de = "Hervorragend"}}
[items."CUEX1"]
label = "Expected"
missing = []
"""
ODD: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 2**63, 10**400, -1e308, 1e-320, 0.5, "", "x", "\0", "é" * 50, [], {}, [[]], [None], {"a": {}},
    list(range(300)), ["x", "x"], "__class__", "../../x", -0.0,
)  # fmt: skip


def damaged_text(rng: np.random.Generator, seeds: tuple[str, ...]) -> str:
    """A text with a few edits: cut, doubled, moved, replaced, strange pieces put in."""
    text = seeds[rng.integers(len(seeds))]
    for _ in range(rng.integers(1, 5)):
        a, b = sorted(int(k) for k in rng.integers(0, len(text) + 1, 2))
        b = min(b, a + int(rng.integers(1, 40)))
        kind = rng.integers(6)
        if kind == 0:
            text = text[:a] + text[b:]
        elif kind == 1:
            text = text[:b] + text[a:b] * int(rng.integers(1, 4)) + text[b:]
        elif kind == 2:
            other = seeds[rng.integers(len(seeds))]
            at = int(rng.integers(len(other)))
            text = text[:a] + other[at : at + 30] + text[a:]
        elif kind == 3:
            text = text[:a] + chr(int(rng.integers(1, 0x250))) + text[a + 1 :]
        else:
            text = text[:a] + PIECES[rng.integers(len(PIECES))] + text[a:]
    return text


def damaged_tree(rng: np.random.Generator, tree: Any) -> Any:
    """A nested description with a few values replaced, dropped, doubled or moved."""
    tree = pickle.loads(pickle.dumps(tree))  # a copy, much faster than copy.deepcopy
    for _ in range(rng.integers(1, 4)):
        holder, key = tree, None
        while isinstance(holder, dict | list) and len(holder):
            key = (
                list(holder)[rng.integers(len(holder))]
                if isinstance(holder, dict)
                else int(rng.integers(len(holder)))
            )
            if not isinstance(holder[key], dict | list) or not len(holder[key]) or rng.random() < 0.25:
                break
            holder = holder[key]
        if key is None or not len(holder):
            continue
        kind = rng.integers(4)
        if kind == 0:
            del holder[key]
        elif kind == 1 and isinstance(holder, list):
            holder.insert(int(key), copy.deepcopy(holder[key]))
        elif kind == 2 and isinstance(holder[key], int | float) and not isinstance(holder[key], bool):
            holder[key] = -holder[key] if rng.random() < 0.5 else holder[key] * 10**6
        else:
            holder[key] = copy.deepcopy(ODD[rng.integers(len(ODD))])
    return tree


def toml_of(tree: dict[str, Any]) -> str:
    """A nested description as TOML, as far as TOML can say it."""
    lines: list[str] = []

    def write(path: tuple[str, ...], table: dict[str, Any]) -> None:
        if path:
            lines.append(f"[{'.'.join(json.dumps(k) for k in path)}]")
        deeper = {k: v for k, v in table.items() if isinstance(v, dict) and v}
        for key, value in table.items():
            if key not in deeper and value is not None:
                lines.append(f"{json.dumps(key)} = {'{}' if value == {} else json.dumps(value)}")
        for key, value in deeper.items():
            write((*path, key), value)

    write((), tree)
    return "\n".join(lines)


def readers(folder: Path) -> Iterator[tuple[str, Callable[[np.random.Generator], Any], Reader]]:
    """Name, how to damage, and reader."""
    yield "model language", lambda rng: damaged_text(rng, MODELS), read_model
    studies = tuple(
        (ROOT / "datasets" / name / "study.toml").read_text("utf-8") for name in ("mobi", "simulated_nation")
    )
    yield (
        "study file",
        lambda rng: damaged_toml(rng, (*studies, STUDY)),
        lambda text: read_toml(folder / "study.toml", text, read_study),
    )
    book = (ROOT / "datasets" / "mobi" / "codebook.toml").read_text("utf-8")
    answers = cx.datasets.load("mobi").head(20).assign(w=1.0, year=2024, company="a", industry="b")
    yield (
        "codebook",
        lambda rng: damaged_toml(rng, (book, BOOK)),
        lambda text: read_toml(folder / "book.toml", text, lambda path: read_book(path, answers)),
    )
    for kind in KINDS:
        yield (f"saved model ({kind})", *saved_model(kind, folder / f"{kind}.json"))


def saved_model(kind: str, path: Path) -> tuple[Callable[[np.random.Generator], Any], Reader]:
    """A small model of a kind, with totals, categories and blanks, damaged and read."""
    frame = cx.datasets.load("telco").head(900)
    x, y = frame[["contract", "tenure", "monthly_charges", "total_charges", "internet_service"]], frame["churn"]
    few = {k: replace(shape, trees=TREES) for k, shape in selection.SHAPES.items()}
    with patch.dict(selection.SHAPES, few):
        cx.Churn(candidates=[kind], folds=2, drop_noise=False).fit(x, y).save(path)
    whole = json.loads(path.read_text("utf-8"))
    return lambda rng: damaged_model(rng, whole), SavedModel(path, x.head(20))


def damaged_toml(rng: np.random.Generator, seeds: tuple[str, ...]) -> str:
    """Half of them broken as text, half whole TOML that says strange things."""
    if rng.random() < 0.5:
        return damaged_text(rng, seeds)
    return toml_of(damaged_tree(rng, tomllib.loads(seeds[rng.integers(len(seeds))])))


def damaged_model(rng: np.random.Generator, whole: dict[str, Any]) -> str:
    """A file cut or edited, or a changed description whose checksum fits, as who means harm would write it."""
    if rng.random() < 0.2:
        return damaged_text(rng, (json.dumps(whole),))
    body = damaged_tree(rng, whole["model"])
    try:
        fits = checksum(body)
    except ValueError:  # a number grew beyond all floats
        fits = whole["checksum"]
    return json.dumps(whole | {"model": body, "checksum": fits})


def read_model(text: str) -> None:
    """Parse, write out, read back, and make both kinds of specification of it."""
    model = parse_model(text)
    if parse_model(str(model)) != model:
        raise AssertionError("the model's text reads back to another model")
    for spec in (cx.SEM, cx.PLS):
        with contextlib.suppress(CxError):
            spec(text)


def read_toml(path: Path, text: str, read: Reader) -> None:
    """Read a text as a file."""
    path.write_text(text, "utf-8", errors="surrogatepass")
    read(path)


def read_study(path: Path) -> None:
    """Read a study, its model, and, where its data come with the package, those: all that comes before an estimation."""
    study = Study.from_toml(path)
    study.spec()
    if study.data.get("dataset") == "mobi" and not study.units:
        study.check()


def read_book(path: Path, answers: Any) -> None:
    """Read a codebook, write it, read it back, and put it to a survey."""
    book = Codebook.from_toml(path)
    again = path.with_name("again.toml")
    book.to_toml(again)
    if Codebook.from_toml(again) != book:
        raise AssertionError("the codebook's text reads back to another one")
    survey = cx.Survey(answers, book)
    survey.numeric([c for c in book if c in answers])
    repr(survey)


class SavedModel:
    """Load what is written, and if it loads, score rows with it."""

    def __init__(self, path: Path, rows: Any) -> None:
        self.path, self.rows = path, rows

    def __call__(self, text: str) -> None:
        self.path.write_text(text, "utf-8", errors="surrogatepass")
        model = cx.churn.load(self.path)
        p = model.predict_proba(self.rows)
        model.reasons(self.rows.head(2), top=2)
        repr(model)
        if not (np.isfinite(p).all() and (p >= 0).all() and (p <= 1).all()):
            raise AssertionError("scores are no probabilities")


@contextlib.contextmanager
def timely(seconds: float) -> Iterator[None]:
    """End with an AssertionError what takes more processor time, so that a busy machine ends nothing."""

    def late(*_: object) -> None:
        raise AssertionError(f"no answer within {seconds} s")

    if not hasattr(signal, "setitimer"):
        yield
        return
    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def refused(read: Reader, given: Any) -> bool:
    """Whether a reader refused an input; with warnings other than our own as errors."""
    try:
        with timely(SECONDS):
            read(given)
    except CxError as error:
        if not str(error).strip():
            raise AssertionError("refused without a word") from error
        return True
    return False


def run(count: int, seed: int = 1, only: str | None = None) -> dict[str, Counter[str]]:
    """Counts by reader: taken, refused.

    Raises
    ------
    AssertionError
        With the input, where a reader raised anything but a `CxError`.
    """
    out = {}
    with tempfile.TemporaryDirectory() as place, warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", CxWarning)
        for name, damage, read in readers(Path(place)):
            if only is not None and not name.startswith(only):
                continue
            rng, counts = np.random.default_rng([seed, len(name)]), Counter[str]()
            for _ in range(count // len(KINDS) if name.startswith("saved model") else count):
                given = damage(rng)
                try:
                    counts["refused" if refused(read, given) else "taken"] += 1
                except Exception as error:
                    culprit = Path(tempfile.gettempdir(), "cxmodels_fuzz_culprit.txt")
                    culprit.write_text(given, "utf-8", errors="surrogatepass")
                    trace = "".join(traceback.format_exception(error)[-6:])
                    raise AssertionError(
                        f"{name}: {type(error).__name__} for {culprit}\n{given[:400]!r}\n{trace}"
                    ) from error
            out[name] = counts
    return out


def keep(found: dict[str, Counter[str]]) -> None:
    """Keep counts of long runs, beside those of other readers."""
    rows = [{"reader": name, "inputs": c.total(), "taken": c["taken"], "refused": c["refused"]} for name, c in found.items()]  # fmt: skip
    earlier = saved.load("fuzz").get("fuzz", {"rows": []})["rows"]
    new = [*(r for r in earlier if r["reader"] not in found), *rows]
    saved.keep("fuzz", "fuzz", sorted(new, key=lambda r: str(r["reader"])))


def main() -> None:
    """Print the counts, and keep those of long runs."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else KEPT
    only = sys.argv[2] if len(sys.argv) > 2 else None
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    start = time.perf_counter()
    found = run(count, only=only)
    for name, counts in found.items():
        print(
            f"{name:22} {counts.total():8,} inputs: {counts['taken']:7,} taken, {counts['refused']:7,} refused, nothing else"
        )
    print(f"{time.perf_counter() - start:.0f} s")
    if count >= KEPT:
        keep(found)


if __name__ == "__main__":
    main()
