"""Customers who answered joined to what they did later, with nobody dropped in silence.

An answer counts for an outcome if it was given at or before the instant at which the window of the outcome opens, and
not too long before. What a customer says afterwards may be the outcome talking.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..churn.timeline import DAY, customers, dates, day_text, days, instants, span, table
from ..errors import DataError, SpecError, listed
from ..inference import choose
from ..results import Result
from ..survey import Survey, as_survey

LATER = ("refuse", "leave_out")
OWN = ("answered", "answer_date", "answer_age")


@dataclass(frozen=True, eq=False, repr=False)
class Joined(Result):
    """Outcomes with the answers before them; made by :func:`join`.

    Attributes
    ----------
    frame : DataFrame
        One row per outcome, in the order given: its columns, those of the survey (blank for who did not answer in
        time), and answered (True or False), answer_date, answer_age (days before the window opened).
    counts : DataFrame
        Index what: [rows]. First what became of the outcomes, then what became of the answers.
    customer : str
        Column of the customer.
    survey : Survey
        The answers, for their codebook.

    Examples
    --------
    >>> import pandas as pd
    >>> import cxmodels as cx
    >>> base = pd.DataFrame({"customer_id": [1, 2, 3], "left": [0, 1, 0]})
    >>> said = pd.DataFrame({"customer_id": [1, 2], "date": ["2025-05-01", "2025-06-01"], "score": [80, 40]})
    >>> joined = cx.linkage.join(base, said, as_of="2025-06-30")
    >>> joined.counts["rows"].to_dict()
    {'outcomes': 3, 'with an answer in time': 2, 'without': 1, 'answers': 2, 'used': 2}
    """

    frame: pd.DataFrame
    counts: pd.DataFrame
    customer: str
    survey: Survey
    warnings: tuple[str, ...] = ()

    @property
    def n_obs(self) -> int:
        """Outcomes with an answer before them."""
        return int(self.frame["answered"].sum())

    @property
    def excluded(self) -> pd.DataFrame:
        """Outcomes without an answer in time, [reason, rows]; they still tell who answers."""
        gone = int((~self.frame["answered"]).sum())
        return pd.DataFrame([("no answer in time", gone)] if gone else [], columns=["reason", "rows"])

    @property
    def response(self) -> float:
        """Share of the outcomes that have an answer, on 0-1."""
        return float(self.frame["answered"].mean())

    def headline(self) -> list[tuple[str, str]]:
        """Say how many outcomes have an answer, and how old the answers are.

        Returns
        -------
        list of (label, value)
        """
        age = self.frame["answer_age"].dropna()
        return [
            (
                "Joined",
                f"{self.n_obs} of {len(self.frame)} outcomes with an answer before them ({self.response:.1%})",
            ),
            ("Answers", f"{age.min():.0f} to {age.max():.0f} days old, half of them up to {age.median():.0f}"),
        ]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Give the counts.

        Returns
        -------
        dict of DataFrame
        """
        return {"Rows": self.counts}


def join(
    outcomes: Any,
    survey: Any,
    *,
    customer: str = "customer_id",
    date: str = "date",
    as_of: Any = "as_of_date",
    within: float = 365,
    later: str = "refuse",
) -> Joined:
    """Join answers to what their customers did later.

    Parameters
    ----------
    outcomes : frame or Labels
        The base: one row per customer (and per instant, where customers are followed over several windows), with what
        they did, and what is known of everybody. :class:`cxmodels.churn.Labels` are taken as they are.
    survey : frame or Survey
        One row per answer; of several the last one in time counts.
    customer : str, default "customer_id"
        Column of the customer in both.
    date : str, default "date"
        Column of the survey's date.
    as_of : str or date, default "as_of_date"
        Column of the outcomes with the instant at which the window of the outcome opens; or that instant.
    within : float, default 365
        Days before the window beyond which an answer is too old.
    later : {"refuse", "leave_out"}, default "refuse"
        What to do with answers dated after the last window of their customer has opened.

    Returns
    -------
    Joined

    Raises
    ------
    DataError
        For customers that are blank or stand twice, dates that are blank, answers after the outcome, columns in both
        tables, or no match at all.
    SpecError
        For an option that makes no sense.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodels.linkage import join
    >>> base = pd.DataFrame({"customer_id": [1, 2, 3], "left": [0, 1, 0]})
    >>> said = pd.DataFrame({"customer_id": [1, 2], "date": ["2025-05-01", "2025-06-01"], "score": [80, 40]})
    >>> join(base, said, as_of="2025-06-30").counts["rows"].to_dict()
    {'outcomes': 3, 'with an answer in time': 2, 'without': 1, 'answers': 2, 'used': 2}
    """
    choose("later", later, LATER)
    oldest = span(days(within, "within"))
    answers = as_survey(survey)
    said = table(answers.frame, "survey", [customer, date])
    base = table(getattr(outcomes, "frame", outcomes), "outcomes", [customer])
    opens = _opens(base, as_of)
    who, asked = customers(base, customer, "outcomes"), customers(said, customer, "survey")
    _check_base(who, opens, customer)
    day = dates(said, date, "survey")
    if blank := int(np.isnat(day).sum()):
        raise DataError(
            f"Column '{date}' of table 'survey' is blank in {blank} of {len(day)} rows; date every answer."
        )
    _check_columns(base, said, customer, date)
    if (twice := pd.DataFrame({"who": asked.to_numpy(), "day": day}).duplicated()).any():
        raise DataError(
            f"{int(twice.sum())} answers are second ones of the same customer and date, such as "
            f"{listed(asked[twice.to_numpy()].unique()[:3])}; keep one of each."
        )
    known = asked.isin(set(who)).to_numpy()
    if not known.any():
        raise DataError(
            f"None of the {asked.nunique()} customers of the survey (such as {_seen(asked)}) is among the "
            f"{who.nunique()} of the outcomes (such as {_seen(who)}); bring the identifiers to one form."
            if len(asked)
            else "The survey has no rows; there is nothing to join."
        )
    last = pd.Series(opens, index=pd.Index(who)).groupby(level=0).max()
    after = known & (day > last.reindex(pd.Index(asked)).to_numpy(dtype=day.dtype))
    if after.any() and later == "refuse":
        raise DataError(
            f"{int(after.sum())} of {int(known.sum())} answers are dated after the window of the outcome opened (the first "
            f"on {day_text(day[after].min())}), so the outcome may have made the answer: move the window, or leave them out "
            'by later="leave_out".'
        )
    place, gap = _last_before(who, opens, asked, day)
    in_time = (place >= 0) & (gap <= oldest)
    if not in_time.any():
        raise DataError(
            f"No answer lies within {within:g} days before its outcome ({int(after.sum())} of {int(known.sum())} come "
            "after it); give earlier answers, or a larger within=."
        )
    frame = _together(base, said.drop(columns=[customer, date]), place, in_time)
    frame["answered"] = in_time
    frame["answer_date"] = np.where(in_time, day[np.maximum(place, 0)], np.datetime64("NaT", "us"))
    frame["answer_age"] = np.where(in_time, gap / DAY, np.nan)
    used = len(np.unique(place[in_time]))
    rows = {
        "outcomes": len(base),
        "with an answer in time": int(in_time.sum()),
        "without": int((~in_time).sum()),
        "answers": len(said),
        "used": used,
        "of customers not in the base": int((~known).sum()),
        "after the outcome": int(after.sum()),
        "replaced by a later one, or too old": int(known.sum()) - int(after.sum()) - used,
    }
    kept = {
        k: v
        for k, v in rows.items()
        if v or k in ("outcomes", "with an answer in time", "without", "answers", "used")
    }
    counts = pd.DataFrame({"rows": kept}).rename_axis("what")
    return Joined(frame, counts, customer, answers)


def _seen(ids: pd.Series) -> str:
    """The first identifier, and whether it is a number or a text."""
    return f"'{ids.iloc[0]}', a {'text' if isinstance(ids.iloc[0], str) else 'number'}"


def _opens(base: pd.DataFrame, as_of: Any) -> Any:
    """When the window of each outcome opens."""
    if isinstance(as_of, str) and as_of in base:
        found = dates(base, as_of, "outcomes")
        if blank := int(np.isnat(found).sum()):
            raise DataError(f"Column '{as_of}' of table 'outcomes' is blank in {blank} of {len(base)} rows; fill it.")
        return found
    if isinstance(as_of, str) and not any(c.isdigit() for c in as_of):
        table(base, "outcomes", [as_of])  # names the column that is missing
    found = instants(as_of, "as_of")
    if len(found) != 1:
        raise SpecError(f"`as_of` must be a column of the outcomes or one date, not {len(found)} dates.")
    return np.repeat(found, len(base))


def _check_base(who: pd.Series, opens: Any, customer: str) -> None:
    """Refuse outcomes that stand twice, and an empty base."""
    if not len(who):
        raise DataError("The outcomes have no rows; there is nothing to join.")
    twice = pd.DataFrame({"who": who.to_numpy(), "opens": opens}).duplicated().to_numpy()
    if twice.any():
        raise DataError(
            f"{int(twice.sum())} outcomes repeat a '{customer}' at the same date, such as {listed(who[twice].unique()[:3])}; "
            "give one row per customer and window."
        )


def _check_columns(base: pd.DataFrame, said: pd.DataFrame, customer: str, date: str) -> None:
    """Refuse columns that stand in both tables or have a name of ours."""
    both = [c for c in said.columns if c in base.columns and c not in (customer, date)]
    if both:
        raise DataError(f"Both tables have the column {listed(both)}; rename it in one of them.")
    if taken := [c for c in OWN if c in base.columns or c in said.columns]:
        raise DataError(f"The column {listed(taken)} is made by join; rename yours.")


def _last_before(who: pd.Series, opens: Any, asked: pd.Series, day: Any) -> tuple[Any, Any]:
    """Position of the last answer at or before each instant, -1 for none, and how long before."""
    codes, _ = pd.factorize(pd.concat([who, asked], ignore_index=True))
    left = pd.DataFrame({"who": codes[: len(who)], "at": opens, "row": np.arange(len(who))}).sort_values(
        "at", kind="stable"
    )
    right = pd.DataFrame({"who": codes[len(who) :], "at": day, "answer": np.arange(len(asked))})
    right["said"] = right["at"]
    found = pd.merge_asof(left, right.sort_values("at", kind="stable"), on="at", by="who").sort_values("row")
    place = found["answer"].fillna(-1).to_numpy(dtype=np.intp)
    return place, (found["at"] - found["said"]).to_numpy()


def _together(base: pd.DataFrame, said: pd.DataFrame, place: Any, in_time: Any) -> pd.DataFrame:
    """The base with the answers beside it, blank where there is none."""
    taken = said.reset_index(drop=True).reindex(np.where(in_time, place, -1))
    taken.index = base.index
    return pd.concat([base, taken], axis=1)


def check_columns(frame: pd.DataFrame, names: Sequence[str], role: str) -> None:
    """Refuse columns that the joined table does not have.

    Parameters
    ----------
    frame : DataFrame
    names : sequence of str
    role : str
        What they are for.

    Raises
    ------
    DataError
        Naming the first one that is missing.
    """
    from ..errors import near

    for name in names:
        if name not in frame:
            raise DataError(
                f"The {role} '{name}' is no column of the joined table.{near(str(name), map(str, frame.columns))}"
            )
