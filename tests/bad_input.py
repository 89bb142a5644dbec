"""What was tried with bad input, and what was said: a pytest plugin that notes every error of ours that a test expects."""

import contextlib
import io
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from cxmodels.errors import CxError

HERE = Path(__file__).parent
# Tests of bad input say so in their names.
WORDS = ("bad", "refused", "at_fault", "unknown", "wrong", "one_sentence", "one_clear_sentence")


class Collector:
    """Rows of (module, test, case, error class, message)."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, str, str, str]] = []
        self._at = ("", "", "")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Any:
        """Watch one test."""
        real, case = pytest.raises, re.search(r"\[(.*)\]$", item.name)
        self._at = (Path(item.fspath).stem, item.name.split("[")[0], case[1] if case else "")

        def raises(*args: Any, **how: Any) -> Any:
            if len(args) > 1:
                return real(*args, **how)
            return self._noted(real(*args, **how))

        pytest.raises = raises  # type: ignore[assignment]
        try:
            return (yield)
        finally:
            pytest.raises = real  # type: ignore[assignment]

    @contextlib.contextmanager
    def _noted(self, context: Any) -> Any:
        with context as caught:
            yield caught
        if isinstance(caught.value, CxError):
            self.rows.append((*self._at, type(caught.value).__name__, str(caught.value)))


def collect(modules: Iterable[str]) -> list[tuple[str, str, str, str, str]]:
    """Run the tests of bad input in some modules, and note what they were told."""
    watcher = Collector()
    wanted = " or ".join(WORDS)
    options = ["-q", "-p", "no:cacheprovider", "-k", wanted, *(str(HERE / f"{m}.py") for m in modules)]
    with contextlib.redirect_stdout(io.StringIO()):
        pytest.main(options, plugins=[watcher])
    return watcher.rows
