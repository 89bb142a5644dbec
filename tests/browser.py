"""A page in headless Chromium; tests that need it are skipped where there is none, as pages are made without it."""

import shutil
import subprocess
from pathlib import Path

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome on this machine")


def browse(tmp_path: Path, page: str, *options: str) -> str:
    """Open a page and return what the browser prints."""
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic"]
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", *quiet, *options]
    command += [f"--user-data-dir={tmp_path / 'profile'}", (tmp_path / "page.html").as_uri()]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120, check=True).stdout
