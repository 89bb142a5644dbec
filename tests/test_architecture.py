"""The shape of the package: imports point one way, loading is lazy, and nothing of this machine is written down."""

import ast
import importlib
import re
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

import cxmodels

ROOT = Path(__file__).parents[1]
PACKAGE = Path(cxmodels.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

# Each part may import parts that stand before it, and itself.
ORDER = [
    ("errors",),
    ("files", "provenance"),
    ("store",),
    ("history",),
    ("survey", "model"),
    ("moments", "intervals", "resampling", "index", "inference"),
    ("results",),
    ("pls", "sem"),
    ("comparison",),
    ("acsi", "drivers", "metrics", "churn", "fieldwork"),
    ("linkage",),
    ("worth",),
    ("datasets",),
    ("studyfile",),
    ("studybenchmark", "studyresult"),
    ("study",),
    ("report",),
    ("cli_churn",),
    ("cli",),
]
LEVEL = {part: level for level, parts in enumerate(ORDER) for part in parts}
# A result asks the report for its pictures when a notebook shows it; nothing else looks ahead.
AHEAD = {("results", "report")}

HEAVY = {
    *("scipy", "sklearn", "matplotlib", "statsmodels", "semopy", "pyreadstat", "openpyxl", "narwhals", "jinja2"),
    *("rich", "joblib", "numpy", "pandas", "typer", "polars", "pyarrow", "threadpoolctl"),
    *("duckdb", "sqlalchemy", "pptx", "distributed", "dask"),
}
AT_TOP = {"numpy", "pandas"}  # may stand at the top of a module, but not of the package or the command line
# A classifier of scikit-learn's inherits from its base class; the module loads when the classifier is asked for.
ESTIMATORS = {"churn/estimator.py", "churn/uplift.py"}


def part_of(module: Path) -> str:
    """The first name below the package: ``pls`` for cxmodels/pls/kernel.py."""
    return module.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(module: Path, *, top_only: bool = False):
    """Absolute names that a module imports, with the line; not those for the type checker only."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    package = ["cxmodels", *module.relative_to(PACKAGE).parts[:-1]]

    def walk(body):
        for node in body:
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                yield from walk(node.orelse)
                continue
            if isinstance(node, ast.Import):
                yield from ((alias.name, node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = package[: len(package) - node.level + 1] if node.level else []
                stem = [*base, *((node.module or "").split(".") if node.module else [])]
                if stem == ["cxmodels"]:
                    yield from ((f"cxmodels.{alias.name}", node.lineno) for alias in node.names)
                else:
                    yield ".".join(stem), node.lineno
            elif top_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            else:
                for field in ("body", "orelse", "finalbody", "handlers"):
                    yield from walk(getattr(node, field, []))

    yield from walk(tree.body)


def test_imports_point_one_way():
    wrong, seen = [], 0
    for module in MODULES:
        own = part_of(module)
        if own in ("__init__", "__main__"):
            continue
        assert own in LEVEL, f"say in ORDER where '{own}' stands"
        for name, line in imports(module):
            parts = name.split(".")
            if parts[0] != "cxmodels" or len(parts) < 2 or parts[1] not in LEVEL:
                continue
            seen += 1
            other = parts[1]
            if LEVEL[other] > LEVEL[own] and (own, other) not in AHEAD:
                wrong.append(f"{module.relative_to(ROOT)}:{line} imports {name}")
    assert seen > 50
    assert not wrong, "\n".join(wrong)


def test_what_looks_ahead_does_so_inside_a_function():
    for own, other in AHEAD:
        top = {name.split(".")[1] for name, _ in imports(PACKAGE / f"{own}.py", top_only=True) if "cxmodels." in name}
        assert other not in top


def test_kernels_know_no_frames():
    """Numerical cores are functions on arrays."""
    for name in ("pls/kernel.py", "pls/assessment.py", "moments.py", "index.py"):
        used = {n.split(".")[0] for n, _ in imports(PACKAGE / name)}
        assert used <= {"__future__", "collections", "dataclasses", "math", "typing", "numpy", "cxmodels", "scipy"}, (
            name
        )


def test_heavy_libraries_are_imported_where_they_are_used():
    wrong = []
    for module in MODULES:
        lazy = part_of(module) in ("__init__", "cli", "cli_churn")
        for name, line in imports(module, top_only=True):
            library = name.split(".")[0]
            if name.startswith("sklearn.base") and module.relative_to(PACKAGE).as_posix() in ESTIMATORS:
                continue
            if library in HEAVY and (lazy or library not in AT_TOP) and not (lazy and library == "typer"):
                wrong.append(f"{module.relative_to(ROOT)}:{line} imports {name}")
    assert not wrong, "\n".join(wrong)


def loaded_by(code: str) -> set[str]:
    """Top-level modules in sys.modules after some code in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*{{m.split('.')[0] for m in sys.modules}})"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return set(done.stdout.split())


def test_import_of_the_package_loads_nothing_heavy():
    loaded = loaded_by("import cxmodels")
    assert "cxmodels" in loaded
    assert not loaded & HEAVY


def test_a_path_model_loads_only_what_it_needs():
    loaded = loaded_by("import cxmodels; cxmodels.PLS('A =~ a\\nB =~ b\\nB ~ A')")
    assert not loaded & {"sklearn", "statsmodels", "semopy", "matplotlib", "scipy", "joblib", "jinja2", "rich"}


def test_public_names_exist():
    for name in cxmodels.__all__:
        assert isinstance(getattr(cxmodels, name), str | type | types.ModuleType | types.FunctionType), name
    assert set(cxmodels.__all__) <= set(dir(cxmodels))
    with pytest.raises(AttributeError, match=r"no attribute 'PSL'.*Did you mean 'PLS'"):
        cxmodels.PSL


def tracked_text() -> list[tuple[str, str]]:
    """Name and content of the project's own text files: as git lists them, or the tree where there is no git."""
    try:
        done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
        names = [n for n in done.stdout.decode().split("\0") if n]
    except (OSError, subprocess.CalledProcessError):
        names = [str(p.relative_to(ROOT)) for p in ROOT.rglob("*") if p.is_file() and ".venv" not in p.parts]
    out = []
    for name in names:
        path = ROOT / name
        if path.is_file() and path.stat().st_size < 2_000_000:
            try:
                out.append((name, path.read_text(encoding="utf-8")))
            except UnicodeDecodeError:
                continue
    return out


def test_no_path_of_a_machine_and_no_package_registry_in_the_tree():
    home = re.compile(r"(?<![\w.<{$/])/(home|Users|root|work|tmp|opt|mnt|private)/\w")
    registry = re.compile(r"https?://[^\s\"')]*(pypi|files\.pythonhosted|/simple\b|artifactory|nexus)", re.IGNORECASE)
    index_option = re.compile(r"^\s*--(extra-)?index[-]url", re.MULTILINE)
    wrong, files = [], tracked_text()
    assert len(files) > 40
    for name, text in files:
        if name == "tests/test_architecture.py":
            continue
        for pattern in (home, registry, index_option):
            if hit := pattern.search(text):
                wrong.append(f"{name}: {text[max(0, hit.start() - 30) : hit.end() + 30]!r}")
    assert not wrong, "\n".join(wrong)


def results(base: type) -> Iterator[type]:
    """Every result there is."""
    for cls in base.__subclasses__():
        yield cls
        yield from results(cls)


def test_every_result_says_rows_used_and_excluded():
    from cxmodels.results import Result

    for module in MODULES:
        name = ".".join(module.relative_to(PACKAGE.parent).with_suffix("").parts)
        if "__" not in name and part_of(module) not in ("cli", "cli_churn"):
            importlib.import_module(name)
    found = list(results(Result))
    assert len(found) > 50
    for cls in found:
        told = {*dir(cls), *getattr(cls, "__dataclass_fields__", {})}
        assert {"n_obs", "excluded", "warnings"} <= told, cls


def test_modules_stay_readable():
    """About 500 lines is what a reader takes in; a longer module becomes a folder."""
    long = {str(m.relative_to(PACKAGE)): n for m in MODULES if (n := len(m.read_text().splitlines())) > 600}
    assert not long, long
