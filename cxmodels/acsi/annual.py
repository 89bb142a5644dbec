"""`Benchmark`: the annual study of many companies, from respondents to the nation, wave after wave."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from zlib import crc32

import numpy as np
import pandas as pd

from ..errors import CxError, CxWarning, DataError, SpecError, check_kind, listed
from ..inference import ADJUSTMENTS, choose
from ..provenance import fingerprint
from ..resampling import Interval, entropy
from ..survey import Survey, as_survey
from .benchmark import BenchmarkResult
from .comparison import INTERVIEWS
from .hierarchy import WHOLE
from .result import IndexResult
from .roster import WAVE, Roster, counted, make_roster
from .satisfaction import REPLICATES, SatisfactionIndex
from .small import Pooling, check_rules

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Benchmark:
    """An annual benchmark study: the same index for every company, industry and sector, and for the nation.

    Parameters
    ----------
    index : SatisfactionIndex
        The model, and how it is estimated.
    by : str, default "company"
        Column that names a unit.
    levels : sequence of str, optional
        Columns of the levels above the units, from the lowest up; ``"nation"`` is everything together and need be no
        column. By default the survey's hierarchy above `by`, and the nation.
    weights : str or mapping of level to str, optional
        Column with what is averaged weighs, as for :meth:`IndexResult.aggregate`:
        ``{"industry": "revenue", "sector": "revenue", "nation": "gdp_share"}``; "interviews" are the case weights of a
        unit's rows, added up. Without it units count alike.
    minimum_n : int, default 0
        A unit with fewer rows in a wave is small.
    small : str or sequence of str, default "skip"
        What becomes of small units: "skip" leaves them out; "pool" takes index weights and impacts from the model of
        the lowest level that has at least `minimum_n` rows and can be estimated, and the index from the unit's own
        answers; "shrink" shows estimates drawn to the mean of the lowest level (empirical Bayes). A list such as
        ``["pool", "shrink"]`` does one after the other. With "pool" also a larger unit whose own model cannot be
        estimated borrows one. What was done to whom stands in ``result.rules``.
    others : str, optional
        Label, such as "All others", of the unit that takes the place of the small units of a group of the lowest level:
        "All others: Banks". Its weight is the sum of theirs. A unit that is small in one of the waves compared is
        among the others in all of them, so that changes compare the same companies. Units that the data already
        call by the label are those of their group. If they are few together, `small` applies to them.
    exclude : sequence, optional
        Units to leave out.
    wave : str, optional
        Column of the wave; by default the survey's. Without one all rows are one wave, "all".
    waves : sequence, optional
        Waves to measure, in order; each is compared with the one before it. By default all.
    respondent : str, optional
        Column of the respondents' identifiers, which must not repeat within a wave.
    panel : bool, default False
        Whether an identifier names the same person in every wave, so that changes have the smaller standard errors
        of samples that overlap.
    adjust : {"holm", "bh", "none"}, default "holm"
        Adjustment of p-values of changes, within level and construct.

    Examples
    --------
    >>> import cxmodels as cx
    >>> data, truth = cx.datasets.simulate_study(companies=14, respondents=120, seed=3)
    >>> weights = {"industry": "revenue", "sector": "revenue", "nation": "gdp_share"}
    >>> plan = cx.acsi.Benchmark(levels=["industry", "sector", "nation"], weights=weights, wave="year")
    >>> result = plan.fit(cx.Survey(data, weights="weight"), bootstrap=0)
    >>> result.aggregates.query("level == 'nation' and construct == 'Satisfaction'")[["wave", "index", "se"]].round(1)
        wave  index   se
    21  2024   78.1  0.6
    45  2025   79.8  0.6
    """

    index: SatisfactionIndex = field(default_factory=SatisfactionIndex)
    by: str = field(default="company", kw_only=True)
    levels: Sequence[str] | None = field(default=None, kw_only=True)
    weights: str | Mapping[str, str] | None = field(default=None, kw_only=True)
    minimum_n: int = field(default=0, kw_only=True)
    small: str | Sequence[str] = field(default="skip", kw_only=True)
    others: str | None = field(default=None, kw_only=True)
    exclude: Sequence[Any] = field(default=(), kw_only=True)
    wave: str | None = field(default=None, kw_only=True)
    waves: Sequence[Any] | None = field(default=None, kw_only=True)
    respondent: str | None = field(default=None, kw_only=True)
    panel: bool = field(default=False, kw_only=True)
    adjust: Literal["holm", "bh", "none"] = field(default="holm", kw_only=True)

    def __post_init__(self) -> None:
        check_kind(self.index, SatisfactionIndex, "Benchmark()", "SatisfactionIndex(model)")
        choose("adjust", self.adjust, ADJUSTMENTS)
        rules = check_rules(self.small, self.minimum_n)
        if not self.minimum_n and (self.others is not None or rules != ("skip",)):
            raise SpecError("small and others are rules for units below minimum_n; say which number that is.")
        named = list(self.weights.values()) if isinstance(self.weights, Mapping) else [self.weights]
        if not all(isinstance(w, str | None) for w in named):
            raise SpecError(f"weights is a column, or a table of level to column, by name; it is {self.weights!r}.")
        if self.panel and self.respondent is None:
            raise SpecError("A panel needs respondent, the column that names a person in every wave.")
        if self.levels is not None:
            levels = (self.levels,) if isinstance(self.levels, str) else tuple(self.levels)
            if self.by in levels or len({*levels}) < len(levels):
                raise SpecError(f"levels lists the different columns above '{self.by}'; it is {listed(levels)}.")
            object.__setattr__(self, "levels", levels)
            if isinstance(self.weights, Mapping) and (odd := [k for k in self.weights if k not in levels]):
                raise SpecError(f"weights names {listed(odd)}, which is none of the levels {listed(levels)}.")

    @property
    def above(self) -> tuple[str, ...]:
        """Levels above the units; none until a survey has told."""
        return tuple(self.levels or ())

    @property
    def rules(self) -> tuple[str, ...]:
        """Rules for small units."""
        return (self.small,) if isinstance(self.small, str) else tuple(self.small)

    @property
    def by_level(self) -> dict[str, str | None]:
        """Weight of each level."""
        if isinstance(self.weights, Mapping):
            return {level: self.weights.get(level) for level in self.above}
        return dict.fromkeys(self.above, self.weights)

    def options(self) -> dict[str, Any]:
        """Everything that was asked for, as plain values for the provenance.

        Returns
        -------
        dict
        """
        index = self.index
        own = {"engine": index.engine, "model": index.model.name}
        own |= {"estimator": index.estimator} if index.engine == "sem" else {"scheme": index.scheme, "consistent": index.consistent}  # fmt: skip
        plan = {
            "by": self.by,
            "levels": list(self.above),
            "weights": self.by_level,
            "minimum_n": self.minimum_n,
        }
        plan |= {"small": list(self.rules), "others": self.others, "exclude": [str(u) for u in self.exclude]}
        return own | plan | {"wave": self.wave, "panel": self.panel, "adjust": self.adjust}

    def fit(
        self,
        data: Any,
        facts: Any = None,
        *,
        weights: Any = None,
        missing: str | None = None,
        bootstrap: int | None = None,
        seed: int | None = None,
        interval: Interval = "percentile",
        level: float = 0.95,
        n_jobs: int = 1,
        progress: Progress | None = None,
    ) -> BenchmarkResult:
        """Check everything, then measure all units of all waves.

        Parameters
        ----------
        data : Survey or DataFrame
            One row per respondent.
        facts : DataFrame or sequence of DataFrame, optional
            What is known of units or of the groups of a level, a line each: levels and weights that are not in the data,
            or take the place of those there. A column of the wave makes them facts of that wave.
        weights : str or array-like of shape (n,), optional
            Case weights; by default those of the survey.
        missing, bootstrap, interval, level
            As for :meth:`SatisfactionIndex.fit`.
        seed : int, optional
            Same seed, same numbers, whatever `n_jobs`, and whichever waves are run together.
        n_jobs : int, default 1
            Workers, by joblib and whichever backend the caller has configured.
        progress : callable, optional
            ``progress(stage, done, total)``.

        Returns
        -------
        BenchmarkResult

        Raises
        ------
        DataError
            If anything is wrong with the data: one error that says all of it, before any estimation.
        SpecError
            If the plan asks for what does not exist.
        """
        plan, roster = self.prepare(data, facts, weights=weights)
        root = entropy(seed)
        draws = REPLICATES[plan.index.engine] if bootstrap is None else bootstrap
        treated = _excluded(plan, roster)
        treated = _with_others(plan, treated)
        waves, rules, skipped = {}, [treated.rules], []
        for wave in roster.waves:
            own = (treated.survey.frame[WAVE] == wave).to_numpy()
            tell = None if progress is None else lambda done, total, wave=wave: progress(str(wave), done, total)
            part = _Wave(
                plan=plan,
                wave=wave,
                survey=treated.survey.subset(own),
                case=None if treated.case is None else treated.case[own],
                options={"missing": missing, "interval": interval, "level": level},
                bootstrap=draws,
                root=[*np.atleast_1d(root).tolist(), crc32(str(wave).encode())],
                n_jobs=n_jobs,
            )
            waves[wave], found = part.measure(tell)
            rules.append(found)
            skipped.append(waves[wave].skipped.assign(wave=wave)[[WAVE, plan.by, "rows", "reason"]])
        kept = [r for r in rules if len(r)] or rules[:1]
        survey = as_survey(data)
        return BenchmarkResult(
            plan=plan,
            waves=waves,
            facts=_facts(plan, waves),
            rules=pd.concat(kept, ignore_index=True),
            skipped=pd.concat([s for s in skipped if len(s)] or skipped[:1], ignore_index=True),
            fieldwork=_fieldwork(plan, waves),
            left_out=pd.concat([t for t in (roster.left_out, treated.left_out) if len(t)] or [roster.left_out]),
            seed=root,
            notes=roster.notes,
            sources={"data_sha256": fingerprint(survey.frame), "rows": len(survey)},
        )

    def prepare(self, data: Any, facts: Any = None, *, weights: Any = None) -> tuple[Benchmark, Roster]:
        """Check everything that a run needs, and fit nothing.

        Parameters
        ----------
        data, facts, weights
            As for :meth:`fit`.

        Returns
        -------
        plan : Benchmark
            With levels and wave as the survey has them where the plan named none.
        roster : Roster
            The respondents that are used, facts beside them.

        Raises
        ------
        DataError
            One error that says all that is wrong.

        Examples
        --------
        >>> import cxmodels as cx
        >>> data, _ = cx.datasets.simulate_study(companies=6, respondents=80, seed=3)
        >>> plan = cx.acsi.Benchmark(levels=["industry", "nation"], wave="year")
        >>> checked, roster = plan.prepare(cx.Survey(data, weights="weight"))
        >>> checked.levels, len(roster.survey)
        (('industry', 'nation'), 960)
        """
        survey = as_survey(data)
        plan = replace(self, wave=self.wave or survey.wave, levels=self._levels(survey), exclude=tuple(self.exclude))
        tables = [] if facts is None else [facts] if not isinstance(facts, list | tuple) else list(facts)
        case, problems = None, []
        try:
            case = survey.case_weights(weights)
        except CxError as error:
            problems.append(str(error))
        roster = make_roster(plan, _with_interviews(plan, survey, case), case, [_table(t) for t in tables], problems)
        return plan, roster

    def _levels(self, survey: Survey) -> tuple[str, ...]:
        """Levels above the units."""
        if self.levels is not None:
            return tuple(self.levels)
        chain = [k for k in survey.hierarchy if k != self.by]
        if self.by in survey.hierarchy:
            chain = list(survey.hierarchy[survey.hierarchy.index(self.by) + 1 :])
        return (*chain, *([WHOLE] if WHOLE not in chain else []))


def _table(facts: Any) -> pd.DataFrame:
    """A table of facts as a frame, its name kept."""
    from ..survey.frames import to_pandas

    frame = to_pandas(facts)
    frame.attrs.update(getattr(facts, "attrs", {}))
    return frame


# --- rules that act on rows ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Treated:
    """Rows after a rule, and what the rule did."""

    survey: Survey
    case: Any
    rules: pd.DataFrame
    left_out: pd.DataFrame


def _rules(plan: Benchmark, lines: list[tuple[Any, ...]]) -> pd.DataFrame:
    """The frame of rules."""
    place = [k for k in plan.above if k != WHOLE][:1]
    return pd.DataFrame(lines, columns=[WAVE, plan.by, *place, "rows", "rule", "detail"])


def _place(plan: Benchmark, frame: pd.DataFrame) -> list[Any]:
    """Group of the lowest level that some rows of one unit belong to."""
    return [frame[k].iloc[0] for k in plan.above[:1] if k in frame]


def _excluded(plan: Benchmark, roster: Roster) -> _Treated:
    """Leave out the units that the plan excludes."""
    frame = roster.survey.frame
    gone = frame[plan.by].isin(plan.exclude).to_numpy()
    lines = [
        (w, u, *_place(plan, part), len(part), "exclude", "left out by name")
        for (w, u), part in frame[gone].groupby([WAVE, plan.by], observed=True)
    ]
    left = frame[gone].groupby(WAVE).size().rename("rows").reset_index().assign(reason=f"{plan.by} excluded")
    case = None if roster.case is None else roster.case[~gone]
    survey = roster.survey.subset(~gone) if gone.any() else roster.survey
    return _Treated(survey, case, _rules(plan, lines), left[[WAVE, "reason", "rows"]])


def _with_others(plan: Benchmark, treated: _Treated) -> _Treated:
    """Put the small units of each group together."""
    if plan.others is None:
        return treated
    frame = treated.survey.frame.reset_index(drop=True)
    size = frame.groupby([WAVE, plan.by], observed=True)[plan.by].transform("size")
    named = frame[plan.by] == plan.others  # one by that name in every group
    low = set(frame.loc[(size < plan.minimum_n) & ~named, plan.by])
    moved = (frame[plan.by].isin(low) | named).to_numpy()
    home = next((k for k in plan.above if k in frame), None)
    label = [plan.others] * len(frame) if home is None else plan.others + ": " + frame[home].astype(str)
    unit = frame[plan.by].astype(object).where(~moved, label)
    if moved.any():
        unit = unit.map(str)  # numbers and labels together have no order
    lines = []
    for (w, u), part in frame[moved & ~named.to_numpy()].groupby([WAVE, plan.by], observed=True):
        into, own = unit[part.index[0]], len(part)
        said = (
            f"fewer than {plan.minimum_n}" if own < plan.minimum_n else f"fewer than {plan.minimum_n} in another wave"
        )
        lines.append((w, str(u), *_place(plan, part), len(part), "others", f"{own} rows, {said}; part of '{into}'"))
    new: dict[str, Any] = {plan.by: unit.to_numpy()}
    if (weight := _unit_weight(plan)) and moved.any():
        once = frame[[WAVE, plan.by, weight]].assign(_unit=unit).drop_duplicates([WAVE, plan.by, "_unit"])
        total = once.groupby([WAVE, "_unit"], observed=True)[weight].sum().rename("_w")
        new[weight] = frame[[WAVE]].assign(_unit=unit).join(total, on=[WAVE, "_unit"])["_w"].to_numpy()
    rules = [r for r in (treated.rules, _rules(plan, lines)) if len(r)] or [treated.rules]
    return replace(treated, survey=treated.survey.assign(**new), rules=pd.concat(rules, ignore_index=True))


def _unit_weight(plan: Benchmark) -> str | None:
    """Weight that belongs to the units and adds up."""
    return next(iter(plan.by_level.values()), None)


# --- one wave -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Wave:
    """One wave, to be measured."""

    plan: Benchmark
    wave: Any
    survey: Survey
    case: Any
    options: Mapping[str, Any]
    bootstrap: int
    root: Sequence[int]
    n_jobs: int

    def measure(self, progress: Callable[[int, int], None] | None) -> tuple[IndexResult, pd.DataFrame]:
        """Measure every unit by its own model or by that of its group; say which rule touched which unit."""
        plan, by = self.plan, self.plan.by
        sizes = self.survey.frame.groupby(by, observed=True).size()
        low = sizes[sizes < plan.minimum_n]
        away = low.index if "pool" in plan.rules or plan.rules == ("skip",) else low.index[:0]
        result, lost = self._own(away, progress)
        lines: list[tuple[Any, ...]] = []
        if "pool" in plan.rules:
            result, lost = self._pooled(result, lost, low, lines)
        elif plan.rules == ("skip",):
            lost |= {u: f"{n} rows, fewer than {plan.minimum_n}" for u, n in low.items()}
            lines += [self._line(u, n, "skip", f"{n} rows, fewer than {plan.minimum_n}") for u, n in low.items()]
        if "shrink" in plan.rules:
            shown = [u for u in low.index if (u,) in result.measured]
            home = next((k for k in plan.above if k != WHOLE), "all units")
            said = f"rows, fewer than {plan.minimum_n}; drawn to the mean of its {home}"
            lines += [self._line(u, sizes[u], "shrink", f"{sizes[u]} {said}") for u in shown]
        skipped = pd.DataFrame([(u, sizes[u], why) for u, why in lost.items()], columns=[by, "rows", "reason"])
        return replace(result, survey=self.survey, skipped=skipped), _rules(plan, lines)

    def _own(self, away: pd.Index, progress: Any) -> tuple[IndexResult, dict[Any, str]]:
        """Units measured by their own models, and why the others were not."""
        place = self.survey.frame[self.plan.by]
        keep = ~place.isin(away).to_numpy()
        borrow = "pool" in self.plan.rules
        if not keep.any() and not borrow:
            raise DataError(
                f"All {counted(place.nunique(), self.plan.by)} of wave {self.wave} have fewer than {self.plan.minimum_n} rows; "
                "lower minimum_n, or let small = 'pool'."
            )
        if not keep.any():
            return self._nothing(), {}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", CxWarning)  # stands in rules, skipped and warnings
                result = self.plan.index.fit(
                    self.survey.subset(keep),
                    self.plan.by,
                    weights=None if self.case is None else self.case[keep],
                    bootstrap=self.bootstrap,
                    seed=self.root,
                    n_jobs=self.n_jobs,
                    progress=progress,
                    **self.options,
                )
        except DataError as error:  # not one unit could be estimated by itself
            if not borrow:
                raise DataError(f"Wave {self.wave}: {error}") from None
            return self._nothing(), dict.fromkeys(place[keep].unique(), str(error))
        return result, dict(zip(result.skipped[self.plan.by], result.skipped["reason"], strict=True))

    def _nothing(self) -> IndexResult:
        """A result without units, for those that borrow to be added to."""
        return IndexResult(
            spec=self.plan.index,
            survey=self.survey,
            keys=(self.plan.by,),
            fits={},
            replicates={},
            skipped=pd.DataFrame(columns=[self.plan.by, "rows", "reason"]),
            unnamed=0,
            level=self.options["level"],
            interval=self.options["interval"],
            seed=self.root,
            messages=(),
        )

    def _pooled(
        self, result: IndexResult, lost: dict[Any, str], low: pd.Series, lines: list[tuple[Any, ...]]
    ) -> tuple[IndexResult, dict[Any, str]]:
        """Let small units, and those whose own model failed, borrow the model of their group."""
        pooling = Pooling(
            spec=self.plan.index,
            survey=self.survey,
            case=self.case,
            by=self.plan.by,
            levels=self.plan.above,
            minimum_n=self.plan.minimum_n,
            options=self.options,
            bootstrap=self.bootstrap,
            root=self.root,
            n_jobs=self.n_jobs,
        )
        adopted, replicates, failed = pooling.measure([*low.index, *(u for u in lost if u not in low.index)])
        for unit, found in adopted.items():
            n = int((self.survey.frame[self.plan.by] == unit).sum())
            why = f"{n} rows, fewer than {self.plan.minimum_n}" if unit in low.index else lost[unit]
            lines.append(self._line(unit, n, "pool", f"{why}; index weights and impacts of {found.group}"))
        result = replace(
            result,
            adopted={(u,): a for u, a in adopted.items()},
            replicates=result.replicates | {(u,): r for u, r in replicates.items()},
        )
        if not result.measured:
            first = next(iter(failed.values()), "there is no unit")
            raise DataError(
                f"Wave {self.wave}: none of the {counted(len(failed), self.plan.by)} can be measured; {first}"
            )
        return result, failed

    def _line(self, unit: Any, rows: Any, rule: str, detail: str) -> tuple[Any, ...]:
        """A line of the frame of rules."""
        frame = self.survey.frame
        return (self.wave, unit, *_place(self.plan, frame[frame[self.plan.by] == unit]), int(rows), rule, detail)


# --- what is known of units ---------------------------------------------------------------------------------


def _facts(plan: Benchmark, waves: Mapping[Any, IndexResult]) -> pd.DataFrame:
    """Place, weights, rows and source of every unit measured."""
    columns = dict.fromkeys([*plan.above, *(w for w in plan.by_level.values() if w)])
    parts = []
    for wave, result in waves.items():
        frame = result.survey.frame
        groups = frame.groupby(plan.by, observed=True)
        out = groups[[c for c in columns if c in frame]].first()
        out["rows"] = groups.size()
        used = {u[0]: len(m.rows) for u, m in result.measured.items()}
        out = out.loc[list(used)].assign(n=list(used.values()))
        out["source"] = ["pooled" if (u,) in result.adopted else "own" for u in used]
        out = out.rename_axis(plan.by).reset_index()
        out.insert(0, WAVE, [wave] * len(out))
        parts.append(out)
    return pd.concat(parts, ignore_index=True)


def _fieldwork(plan: Benchmark, waves: Mapping[Any, IndexResult]) -> pd.DataFrame:
    """Interviews of every unit and of the whole: rows, use, what weights leave of them, blanks."""
    items = list(plan.index.model.items)
    lines = []
    for wave, result in waves.items():
        place = result.survey.frame[plan.by].to_numpy(dtype=object)
        blank = np.isnan(result.survey.numeric(items)).mean(axis=1)
        case = {u[0]: m.case for u, m in result.measured.items()}
        per = pd.Series(blank).groupby(place).agg(["size", "mean"])
        for unit, row in per.iterrows():
            lines.append((wave, plan.by, unit, int(row["size"]), *_worth(case.get(unit, np.empty(0))), row["mean"]))
        every = np.concatenate([*case.values()]) if case else np.empty(0)
        lines.append((wave, WHOLE, WHOLE, len(place), *_worth(every), blank.mean()))
    names = [WAVE, "level", "name", "rows", "used", "effective_n", "design_effect", "blank"]
    return pd.DataFrame(lines, columns=names)


def _worth(case: np.ndarray) -> tuple[int, float, float]:
    """Rows used, Kish's effective number, and the design effect of their weights."""
    if not len(case):
        return 0, 0.0, np.nan
    effective = float(case.sum() ** 2 / (case**2).sum())
    return len(case), effective, len(case) / effective


def _with_interviews(plan: Benchmark, survey: Survey, case: Any) -> Survey:
    """The survey with the interviews of each unit and wave beside it, where they are its weight."""
    frame, keys = survey.frame, [c for c in (plan.by, plan.wave) if c]
    if INTERVIEWS not in plan.by_level.values() or INTERVIEWS in frame or not set(keys) <= set(frame):
        return survey
    g = pd.Series(1.0 if case is None else case, frame.index)
    total = g.groupby([frame[k] for k in keys], observed=True).transform("sum")
    return survey.assign(**{INTERVIEWS: total.to_numpy()})
