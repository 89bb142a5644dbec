"""The pages of the documentation: their code runs, prints what they show, and their names and links exist."""

import importlib
import inspect
import re
import warnings
from pathlib import Path

import pytest

import cxmodels as cx
from tests import public_names
from tests.pages import BLOCK, PAGES, ROOT, run

WRITTEN = sorted([*PAGES.rglob("*.md"), ROOT / "notebooks" / "index.md"])
WITH_CODE = [p for p in (*WRITTEN, ROOT / "CONTRIBUTING.md") if "```python" in p.read_text(encoding="utf-8")]
LINKED = [*WRITTEN, ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]


def name(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").as_posix()


@pytest.mark.parametrize("page", WITH_CODE, ids=name)
def test_the_code_of_a_page_prints_what_the_page_shows(page):
    blocks = list(run(page))
    for block in blocks:
        if block.said is not None:
            assert block.printed == block.said, f"{page.name}:{block.line}: run python -m tests.pages {page}"
    assert any(block.said for block in blocks)


@pytest.mark.parametrize("page", LINKED, ids=name)
def test_no_local_link_is_broken(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith(("http://", "https://", "mailto:", "#")):
            assert (page.parent / target.split("#")[0]).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", WRITTEN, ids=name)
def test_pages_stand_in_a_table_of_contents(page):
    if page.name == "index.md" and page.parent.name == "notebooks":
        return
    listing = "\n".join(p.read_text(encoding="utf-8") for p in WRITTEN)
    trees = "\n".join(re.findall(r"```\{toctree\}(.*?)```", listing, flags=re.DOTALL))
    inside = page.stem if page.stem != "index" else f"{page.parent.name}/index"
    assert re.search(rf"^(docs/)?{re.escape(inside)}$", trees, re.MULTILINE), f"{name(page)} stands in no toctree"


def test_examples_of_contributing_stay_short():
    for found in BLOCK.finditer((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")):
        assert found["code"].count("\n") < 60


def test_names_written_on_pages_exist():
    """Dotted names after cx, and methods after the names that the pages give to results."""
    members = {m for _, v in public_names.everything() if inspect.isclass(v) for m, _ in public_names.members(v)}
    fields = {f for _, v in public_names.everything() for f in getattr(v, "__dataclass_fields__", {})}
    seen = 0
    for page in LINKED[:-1]:
        inline = re.findall(r"`([^`\n]+)`", page.read_text(encoding="utf-8"))
        for code in inline:
            for dotted in re.findall(r"\bcx((?:\.[A-Za-z_]\w*)+)", code):
                value: object = cx
                for part in dotted[1:].split("."):
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        try:
                            value = getattr(value, part)
                        except AttributeError:
                            value = importlib.import_module(f"{value.__name__}.{part}")
                seen += 1
            for called in re.findall(
                r"\b(?:res|boot|fit|model|study|now|sem)\.(?!py\b|toml\b|json\b)([a-z_]\w*)", code
            ):
                assert called in members | fields, f"{page.name} names {code}"
                seen += 1
    assert seen > 80
