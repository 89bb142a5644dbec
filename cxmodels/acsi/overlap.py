"""Change between waves that share respondents: panels, windows that overlap, people who rate several companies.

An index moves by e_r when respondent r comes in (its linearised contribution at fixed index weights),

    e_r = g_r (s_r - I) / sum g,   scaled so that sum e_r² = se²,

with s the respondent's score on 0-100 and g the case weight. What the same person says twice hangs together, so that

    var(I_t - I_0) = se_t² + se_0² - 2 sum over people in both of e_t,r e_0,r

which is the paired test where everybody answered twice, and the usual sum where nobody did (Kish 1965, *Survey
Sampling*, sec. 12.4; Wolter 2007, *Introduction to Variance Estimation*, ch. 6). An aggregate sum p_u I_u moves by
sum p_u e_u,r, summed over all units that a person rates.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .. import index as ix
from ..errors import DataError, DataWarning, SpecError, listed, near
from .hierarchy import Step

if TYPE_CHECKING:
    from .engines import Measured
    from .result import IndexResult

PERSON = "_person"


def contributions(result: IndexResult, people: str | None = None) -> pd.DataFrame:
    """What each respondent adds to the indices of the unit rated.

    Parameters
    ----------
    result : IndexResult
    people : str, optional
        Column that names a respondent; by default every row is another one, named by its label in the data.

    Returns
    -------
    DataFrame
        [unit..., _person, constructs...]: points by which each index moves with the respondent; the squares of a
        column add up to se² in every unit. A construct that a unit lacks is 0.

    Raises
    ------
    DataError
        If the data have no such column.

    Examples
    --------
    >>> import cxmodels as cx
    >>> mobi = cx.SatisfactionIndex(cx.acsi.ECSI).fit(cx.datasets.load("mobi"), bootstrap=0)
    >>> moved = contributions(mobi)
    >>> bool(np.isclose((moved["Satisfaction"] ** 2).sum() ** 0.5, mobi.scores["se"][4]))
    True
    """
    names = result.scores["construct"].unique().tolist()
    sizes = [len(m.rows) for m in result.measured.values()]
    moved, person = np.zeros((sum(sizes), len(names))), np.empty(sum(sizes), dtype=object)
    end, line, errors = 0, 0, result.scores["se"].to_numpy()
    for unit, m in result.measured.items():
        start, end = end, end + len(m.rows)
        se, line = errors[line : line + len(m.constructs)], line + len(m.constructs)
        survey = result.fits[unit].survey if unit in result.fits else result.survey
        assert survey is not None
        moved[start:end, [names.index(c) for c in m.constructs]] = _moved(m, se)
        person[start:end] = _people(survey.frame, people)[m.rows]
    keys = pd.DataFrame(list(result.measured), columns=list(result.keys), index=range(len(sizes)))
    keys = keys.loc[np.repeat(np.arange(len(sizes)), sizes)].reset_index(drop=True)
    return pd.concat([keys.assign(**{PERSON: person}), pd.DataFrame(moved, columns=names)], axis=1)


def _people(frame: pd.DataFrame, people: str | None) -> np.ndarray:
    """Who each row of the data is."""
    if people is not None and not isinstance(people, str):
        raise SpecError(f"respondent names one column, not {people!r}.")
    if people is not None and people not in frame:
        raise DataError(f"Column '{people}' (respondents) is not in the data.{near(people, map(str, frame.columns))}")
    return (frame.index if people is None else frame[people]).to_numpy()


def _moved(m: Measured, se: np.ndarray) -> np.ndarray:
    """Contribution of each row to each index of a unit, the squares adding up to those of its standard errors."""
    scores = ix.index(m.answers, m.weights, m.lo, m.hi)
    moved = m.case[:, None] * (scores - np.average(scores, axis=0, weights=m.case))
    size = np.sqrt((moved**2).sum(axis=0))
    return moved * np.divide(se, size, out=np.zeros_like(size), where=size > 0)


def both_waves(
    result: IndexResult, previous: IndexResult, people: str, *, once: bool = True
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Contributions of two waves, respondents numbered alike.

    Parameters
    ----------
    result, previous : IndexResult
    people : str
        Column that names a respondent, in the data of both.
    once : bool, default True
        Whether a respondent may rate a unit only once in a wave.

    Returns
    -------
    now, before : DataFrame
        As :func:`contributions`. Rows that name nobody are people of their own.

    Raises
    ------
    DataError
        If a respondent occurs twice in a unit, with `once`.

    Warns
    -----
    DataWarning
        If rows name nobody, or with `once` nobody is in both waves.
    """
    frames = [contributions(result, people), contributions(previous, people)]
    if unknown := sum(int(f[PERSON].isna().sum()) for f in frames):
        warnings.warn(
            f"{unknown} rows have no '{people}' and count as people of their own.", DataWarning, stacklevel=4
        )
    codes = number_people(frames)
    for frame, own in zip(frames, codes, strict=True):
        if once:
            _check_once(frame, [*result.keys], own, people)
        frame[PERSON] = own
    if once and not set(codes[0]) & set(codes[1]):
        warnings.warn(
            f"Nobody in '{people}' is in both waves, so they are compared as independent samples; if that is not so, "
            "write the identifiers alike.",
            DataWarning,
            stacklevel=4,
        )
    return frames[0], frames[1]


def number_people(frames: Sequence[pd.DataFrame]) -> list[np.ndarray]:
    """Number the people of several frames alike; rows that name nobody are people of their own.

    Parameters
    ----------
    frames : sequence of DataFrame
        As :func:`contributions`.

    Returns
    -------
    list of ndarray of int
        One number per row, frame by frame.
    """
    codes, known = pd.factorize(np.concatenate([f[PERSON].to_numpy() for f in frames]))
    nobody = codes < 0
    codes[nobody] = len(known) + np.arange(int(nobody.sum()))
    return np.split(codes, np.cumsum([len(f) for f in frames])[:-1])


def _check_once(frame: pd.DataFrame, keys: list[str], codes: np.ndarray, people: str) -> None:
    """Refuse respondents who stand twice in one unit of one wave."""
    again = frame[keys].assign(**{PERSON: codes}).duplicated().to_numpy()
    if not again.any():
        return
    said = frame.loc[again, PERSON].drop_duplicates()
    where = f" of one {', '.join(keys)}" if keys else ""
    raise DataError(
        f"{len(said)} values of '{people}' stand more than once among the rows{where} in one wave: {listed(said, 5)}; "
        "a respondent rates a unit once a wave, so drop the repeats or name another column."
    )


def joint_variances(now: pd.DataFrame, before: pd.DataFrame, groups: Sequence[str]) -> pd.DataFrame:
    """Variances and covariances of indices in two waves.

    Parameters
    ----------
    now, before : DataFrame
        [groups..., _person, constructs...], respondents numbered alike; a person may have several lines in a group.
    groups : sequence of str

    Returns
    -------
    DataFrame
        [groups..., construct, var, var_before, covariance, overlap], overlap being the people in both.
    """
    by = [*groups, PERSON]
    constructs = [c for c in now.columns if c not in by and c in before.columns]
    sums = [f.groupby(by, sort=False, observed=True)[constructs].sum().reset_index() for f in (now, before)]
    pairs = sums[0].merge(sums[1], on=by, suffixes=("", " before"))
    table = {
        "var": sums[0][constructs] ** 2,
        "var_before": sums[1][constructs] ** 2,
        "covariance": pairs[constructs] * pairs[[f"{c} before" for c in constructs]].to_numpy(),
    }
    homes = {"var": sums[0], "var_before": sums[1], "covariance": pairs}
    parts = [_long(homes[name], values, groups, constructs, name) for name, values in table.items()]
    out = parts[0]
    for part in parts[1:]:
        out = out.merge(part, on=[*groups, "construct"], how="left")
    shared = _count(pairs, groups)
    out = out.merge(shared, on=list(groups), how="left") if groups else out.assign(overlap=len(pairs))
    return out.fillna({"covariance": 0.0, "overlap": 0}).astype({"overlap": int})


def _long(
    home: pd.DataFrame, values: pd.DataFrame, groups: Sequence[str], constructs: Sequence[str], name: str
) -> pd.DataFrame:
    """Sums by group and construct, one line each."""
    keys = [home[g] for g in groups] or [pd.Series(0, home.index, name="_all")]
    sums = values.groupby(keys, sort=False, observed=True).sum()
    long = sums.reset_index().melt([k.name for k in keys], list(constructs), "construct", name)
    return long if groups else long.drop(columns="_all")


def _count(pairs: pd.DataFrame, groups: Sequence[str]) -> pd.DataFrame:
    """How many people of each group are in both waves."""
    if not groups:
        return pd.DataFrame({"overlap": [len(pairs)]})
    return pairs.groupby(list(groups), sort=False, observed=True).size().rename("overlap").reset_index()


def spread_over(moved: pd.DataFrame, steps: Iterable[Step]) -> pd.DataFrame:
    """Contributions to aggregates, from those to units.

    Parameters
    ----------
    moved : DataFrame
        As :func:`contributions`.
    steps : iterable of Step
        The hierarchy, from :func:`cxmodels.acsi.hierarchy.level_steps`.

    Returns
    -------
    DataFrame
        [level, name, (crossing keys such as year), _person, constructs...].
    """
    units, parts, below = list(moved.columns[: moved.columns.get_loc(PERSON)]), [], moved
    for step in steps:
        share = step.table["_w"] / step.table.groupby(step.groups, observed=True)["_w"].transform("sum")
        members, groups = step.members[:-1], step.groups[:-1]
        homes = list(dict.fromkeys([*groups, *members]))
        wide = (
            step.table[[*homes, "construct"]]
            .assign(share=share)
            .pivot(columns="construct", index=homes, values="share")
        )
        source = moved if members == units else below
        constructs = [c for c in source.columns if c in wide]
        both = source.merge(wide.fillna(0.0).reset_index(), on=members, suffixes=("", " share"))
        both[constructs] *= both[[f"{c} share" for c in constructs]].to_numpy()
        below = both.groupby([*groups, PERSON], sort=False, observed=True)[constructs].sum().reset_index()
        parts.append(
            below.assign(level=step.level, name=below[step.level])[
                ["level", "name", *groups[1:], PERSON, *constructs]
            ]
        )
    return pd.concat(parts, ignore_index=True)
