"""The code on pages: every python block runs, and a text block after it is what it prints.

``python -m tests.pages PAGE.md ...`` writes the text blocks anew; test_documentation_pages.py compares them.
"""

import contextlib
import io
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "notebooks" / "docs"
BLOCK = re.compile(r"^```python\n(?P<code>.*?)^```\n(?:\n```text\n(?P<text>.*?)^```\n)?", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A python block of a page, the line it begins on, what the page says it prints, and what it does print."""

    line: int
    said: str | None
    printed: str


def run(page: Path) -> Iterator[Block]:
    """Run the blocks of a page one after another in one namespace, in a folder of their own."""
    text = page.read_text(encoding="utf-8")
    names: dict[str, object] = {"__name__": "__page__"}
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            for found in BLOCK.finditer(text):
                line = text.count("\n", 0, found.start()) + 1
                code = compile("\n" * line + found["code"], str(page), "exec")
                out = io.StringIO()
                with contextlib.redirect_stdout(out):
                    exec(code, names)
                yield Block(line, found["text"], plain(out.getvalue()))
        finally:
            os.chdir(before)


def plain(printed: str) -> str:
    """Without blanks at the ends of lines."""
    return "".join(f"{line.rstrip()}\n" for line in printed.rstrip().splitlines())


def renew(page: Path) -> None:
    """Write what the blocks print into the page, where it shows it."""
    text, blocks = page.read_text(encoding="utf-8"), list(run(page))

    def shown(found: re.Match[str]) -> str:
        block = blocks.pop(0)
        code = f"```python\n{found['code']}```\n"
        return code if found["text"] is None else f"{code}\n```text\n{block.printed}```\n"

    page.write_text(BLOCK.sub(shown, text), encoding="utf-8")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        renew(Path(name))
