"""A PostgreSQL of its own for a test, where the server programs are installed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def programs() -> Path | None:
    """Folder of initdb and postgres, on the path or where Debian puts them."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((f for f in folders if (f / "postgres").exists()), None)


@contextmanager
def server() -> Iterator[str]:
    """Start a server on a free loopback port and give its SQLAlchemy URL; skip where there is none."""
    folder = programs()
    if folder is None:
        pytest.skip("PostgreSQL is not installed")
    # PostgreSQL refuses to run as root; the packages make a user for it.
    user = "postgres" if os.geteuid() == 0 else None
    home = Path(tempfile.mkdtemp(prefix="cxmodels-pg-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    try:
        if user:
            shutil.chown(home, user)
        quiet = {"user": user, "cwd": home, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(
            [
                folder / "initdb",
                "-D",
                home / "data",
                "-U",
                "tester",
                "--auth=trust",
                "-N",
                "-E",
                "UTF8",
                "--locale=C",
            ],
            check=True,
            **quiet,
        )
        options = [f"-p{port}", "-h127.0.0.1", f"-k{home}", "-F"]
        process = subprocess.Popen([folder / "postgres", "-D", home / "data", *options], **quiet)
        try:
            _wait(port, process)
            yield f"postgresql+pg8000://tester@127.0.0.1:{port}/postgres"
        finally:
            process.terminate()
            process.wait(30)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until the server answers a query."""
    import pg8000.native

    until = time.monotonic() + 60
    while time.monotonic() < until:
        assert process.poll() is None, "the server did not start"
        try:
            pg8000.native.Connection("tester", host="127.0.0.1", port=port, database="postgres").close()
            return
        except (pg8000.exceptions.InterfaceError, pg8000.exceptions.DatabaseError):
            time.sleep(0.1)
    raise AssertionError("the server did not answer")
