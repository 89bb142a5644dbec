"""Every public name is documented: what it does, each argument, what it returns or raises, and an example that runs."""

import ast
import builtins
import doctest
import inspect
import re
from pathlib import Path

import cxmodels
from tests import public_names

NAMES = dict(public_names.everything())
CLASSES = {n: v for n, v in NAMES.items() if inspect.isclass(v)}
FUNCTIONS = {n: v for n, v in NAMES.items() if inspect.isroutine(v)}
# Results are made by `fit` and the like, so that their fields are attributes, not arguments of a user's.
MADE = re.compile(r"; made by|Result of|made by :", re.IGNORECASE)
# Every result has these, and the base of results shows them.
SHOWN = {"headline", "tables", "summary", "diagram", "to_mermaid", "to_dot"}
DRAWS = re.compile(r"(plot|write)(_\w+)?$|diagram$|to_(mermaid|dot|table)$|\w+_html$")
# What the parts of the package ask of one another: arrays for the resampling, the index and the value of customers.
INNER = {
    *("conclude", "engine_model", "ends", "index_parts", "item_answers", "item_means", "options", "statistic"),
    *("column", "refit_rows", "scale_ends", "scale_notes", "slopes_by_attribute", "unknown", "shown", "with_errors"),
    *("discounted", "histories", "interval_of", "rates", "slopes_of", "slopes_of_spend", "terms", "weighted"),
    *("effects_and_errors", "index_errors", "remarks", "counts", "to_dict"),
}
# scikit-learn's own contract.
BORROWED = {"get_n_splits", "set_fit_request", "set_score_request"}
SECTIONS = (
    "Parameters",
    "Attributes",
    "Other Parameters",
    "Returns",
    "Yields",
    "Raises",
    "Examples",
    "Notes",
    "References",
)


def sections(doc: str) -> dict[str, str]:
    """A numpydoc text by section; the text before the first is ''."""
    parts = re.split(rf"^({'|'.join(SECTIONS)})\n-+\n", doc, flags=re.MULTILINE)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def documented(doc: str) -> set[str]:
    """Names of arguments and attributes that a text explains."""
    found = sections(doc)
    heads = [
        line.split(":")[0]
        for section in ("Parameters", "Attributes", "Other Parameters")
        for line in found.get(section, "").splitlines()
        if line and not line.startswith(" ")
    ]
    return {name.strip().lstrip("*") for head in heads for name in head.split(",")}


def arguments(value: object) -> list[str]:
    """Names of the arguments of a function, or of a class that is called."""
    try:
        return [p for p in inspect.signature(value).parameters if p not in ("self", "cls")]  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return []


def returns(value: object) -> bool:
    """Whether a function says that it gives something back."""
    return inspect.signature(value).return_annotation not in (None, "None", inspect.Signature.empty)  # type: ignore[arg-type]


def runs(parts: dict[str, str]) -> bool:
    """Whether a text has a section of examples with something to run."""
    return ">>>" in parts.get("Examples", "")


def methods() -> dict[str, object]:
    """Public methods and properties of public classes, by dotted name."""
    return {f"{n}.{m}": v for n, c in CLASSES.items() for m, v in public_names.members(c)}


def faults(name: str, value: object, *, example: bool) -> list[str]:
    """What the text of a function lacks."""
    doc = inspect.getdoc(value)
    if not doc:
        return [f"{name} has no docstring"]
    parts = sections(doc)
    missing = [a for a in arguments(value) if a not in documented(doc)]
    return [
        *([f"{name} does not explain {', '.join(missing)}"] if missing else []),
        *(
            [f"{name} does not say what it returns"]
            if returns(value) and not {"Returns", "Yields"} & set(parts)
            else []
        ),
        *([f"{name} has no example"] if example and not runs(parts) else []),
    ]


def unbound(doc: str) -> list[str]:
    """Names that the examples of a text use and nothing in them brings."""
    trees = [ast.parse(e.source) for e in doctest.DocTestParser().get_examples(doc)]
    nodes = [n for tree in trees for n in ast.walk(tree)]
    known = {*dir(builtins), *(n.arg for n in nodes if isinstance(n, ast.arg))}
    known |= {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    known |= {n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef | ast.ExceptHandler) and n.name}
    brought = [a for n in nodes if isinstance(n, ast.Import | ast.ImportFrom) for a in n.names]
    known |= {(a.asname or a.name).split(".")[0] for a in brought}
    return sorted({n.id for n in nodes if isinstance(n, ast.Name)} - known)


def test_functions_explain_arguments_and_answers_by_example():
    wrong = [f for n, v in FUNCTIONS.items() for f in faults(n, v, example=True)]
    assert not wrong, "\n".join(wrong)


def test_classes_explain_what_they_are_made_of_and_have_an_example():
    wrong = []
    for name, cls in CLASSES.items():
        doc = inspect.getdoc(cls) or ""
        if not doc:
            wrong.append(f"{name} has no docstring")
        elif issubclass(cls, BaseException):
            continue
        elif not runs(sections(doc)):
            wrong.append(f"{name} has no example")
        elif hasattr(cls, "headline") or MADE.search(doc):
            continue
        elif missing := [a for a in arguments(cls) if a not in documented(doc)]:
            wrong.append(f"{name} does not explain {', '.join(missing)}")
    assert not wrong, "\n".join(wrong)


def test_an_example_brings_all_that_it_uses():
    """What a reader pastes runs as it stands."""
    texts = {n: inspect.getdoc(v) or "" for n, v in {**FUNCTIONS, **CLASSES, **methods()}.items()}
    wrong = [f"{name} uses {', '.join(found)}" for name, doc in texts.items() if (found := unbound(doc))]
    assert not wrong, "\n".join(wrong)


def test_the_roots_of_errors_and_warnings_have_an_example():
    for name in ("cxmodels.CxError", "cxmodels.CxWarning"):
        assert runs(sections(inspect.getdoc(CLASSES[name]) or "")), name


def test_methods_are_called_in_an_example_and_those_that_draw_or_write_have_their_own():
    package = Path(cxmodels.__file__).parent
    texts = (path.read_text(encoding="utf-8") for path in package.rglob("*.py"))
    called = set(
        re.findall(r"\.(\w+)\(", "\n".join(re.findall(r"^\s*(?:>>>|\.\.\.) (.*)$", "\n".join(texts), re.MULTILINE)))
    )
    wrong = []
    for name, value in methods().items():
        method = name.rsplit(".", 1)[1]
        function = inspect.unwrap(getattr(value, "__func__", value))
        if not inspect.isfunction(function) or method in INNER | BORROWED:
            continue
        own = runs(sections(inspect.getdoc(function) or ""))
        if DRAWS.match(method) and not own and (method not in SHOWN or function.__module__ == "cxmodels.results"):
            wrong.append(f"{name} has no example of its own")
        elif not own and method not in called | SHOWN:
            wrong.append(f"no example calls {name}")
    assert not wrong, "\n".join(wrong)


def test_methods_and_properties_are_explained():
    wrong = []
    for name, value in methods().items():
        called = getattr(value, "__func__", value)
        if inspect.isfunction(called):
            wrong += faults(name, called, example=False)
        elif not inspect.getdoc(value):
            wrong.append(f"{name} has no docstring")
    assert not wrong, "\n".join(wrong)


def test_results_name_their_maker_or_their_attributes():
    for name, cls in CLASSES.items():
        if hasattr(cls, "headline"):
            doc = inspect.getdoc(cls) or ""
            assert "Attributes" in sections(doc) or re.search(r":(meth|func|class):", doc), name


STATISTICAL = {"pls", "sem", "acsi", "drivers", "metrics", "churn", "fieldwork"}
# Definitions, counts and the handling of files and tables: no method that somebody published.
PLAIN = {
    *("acsi.rolling", "acsi.satisfaction", "churn.saved", "churn.scoring", "churn.parts"),
    *("drivers.deliverable", "drivers.scenario", "drivers.structure"),
    *("metrics.checklist", "metrics.customers", "metrics.journey", "metrics.monitor_groups", "metrics.tree"),
}
YEAR = re.compile(r"\b(1[89]|20)\d\d\b")


def test_files_of_methods_name_a_source():
    without = set()
    for value in NAMES.values():
        home = public_names.home_of(value)
        part = home.__name__.removeprefix("cxmodels.") if home else ""
        if part.split(".")[0] in STATISTICAL and home is not None and home.__file__:
            texts = re.findall(r'"""(.*?)"""', Path(home.__file__).read_text(encoding="utf-8"), re.DOTALL)
            if not YEAR.search("\n".join(texts)):
                without.add(part)
    assert without <= PLAIN, sorted(without - PLAIN)
