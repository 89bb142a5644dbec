"""The wheel: what is in it, and that it works without the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from cxmodels import datasets

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return zipfile.ZipFile(*folder.glob("*.whl"))


@pytest.fixture
def run(wheel, tmp_path):
    """Python with the wheel unpacked before all else, away from the checkout."""
    wheel.extractall(tmp_path / "site")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}

    def run(*arguments):
        command = [sys.executable, *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
        ).stdout

    return run


def test_wheel_has_the_free_data_and_not_mobi(wheel):
    inside = {n.removeprefix("cxmodels/_data/") for n in wheel.namelist() if "/_data/" in n}
    cards = datasets._cards()
    free = {
        f"{name}/{facts['file']}" for name, facts in cards.items() if "file" in facts and facts["redistributable"]
    }
    assert inside >= free | {f"{name}/card.toml" for name in cards} | {"mobi/codebook.toml", "NOTICE.md"}
    assert "mobi/mobi.csv" not in inside


def test_wheel_has_the_package_and_nothing_else(wheel):
    found = {n for n in wheel.namelist() if "/_data/" not in n and ".dist-info/" not in n}
    package = (p for p in (ROOT / "cxmodels").rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    assert found == {p.relative_to(ROOT).as_posix() for p in package}
    assert {Path(n).suffix for n in found} == {".py", ".typed", ".toml", ".html", ".css", ".js"}


def test_every_public_name_is_in_the_wheel(run, tmp_path):
    code = (
        "import inspect, cxmodels as cx\n"
        "homes = [cx, *filter(inspect.ismodule, (getattr(cx, n) for n in cx.__all__))]\n"
        "found = [getattr(h, n) for h in homes for n in getattr(h, '__all__', ())]\n"
        "print(cx.__file__, len(found))"
    )
    file, names = run("-c", code).split()
    assert file == str(tmp_path / "site" / "cxmodels" / "__init__.py")
    assert int(names) > 150


def test_the_wheel_runs_a_study(run, tmp_path):
    (tmp_path / "mine.toml").write_text(
        'title = "Mine"\nname = "mine"\nlanguage = "uk"\n[data]\nfile = "mobi.csv"\ncodebook = "codebook.toml"\n'
        '[model]\nname = "ECSI"\n[bootstrap]\nreplicates = 20\nseed = 1\n'
    )
    for name in ("mobi.csv", "codebook.toml"):
        (tmp_path / name).write_bytes((ROOT / "datasets" / "mobi" / name).read_bytes())
    said = run("-m", "cxmodels.cli", "study", "mine.toml", "--out", "out")
    assert "250 used, 0 excluded" in said
    assert "</html>" in (tmp_path / "out" / "mine" / "report.html").read_text()[-20:]
