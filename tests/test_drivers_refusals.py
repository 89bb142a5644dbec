"""Every refusal of driver analysis in its own words, and its rarer paths against brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.drivers import stack
from cxmodels.errors import CxError, SpecWarning
from tests.driver_surveys import CX

THREE = ["a1", "a2", "a3"]
EARLY = CX.index < 20
ODD = CX.assign(
    grade=pd.Categorical(np.resize(["b", "a", "c"], 600), ordered=True),
    same=pd.Categorical(["a"] * 600, ordered=True),
    id=[f"c{i}" for i in range(600)],
    one="x",
    number=np.arange(600.0),
    top=(CX["nps"] >= 9).astype(int),
)


def drivers(attributes=THREE, outcome="nps", **spec):
    return cx.Drivers(outcome, attributes, **spec)


RESULT = drivers().fit(CX)


def where_known(column, rows, other):
    """CX with a column as it is in some rows, and another value in the rest."""
    return CX.assign(**{column: np.where(rows, CX[column], other)})


SPECS = {
    "clash": (
        lambda: drivers(["a1", "a2", "G"], groups={"a3": ["a1"], "G": ["a3"]}),
        "Group 'a3' has the name of an attribute outside it; rename the group.",
    ),
    "control": (
        lambda: drivers(controls=["nps"]),
        "The outcome 'nps' is among the controls; leave it out.",
    ),
    "controls": (lambda: drivers(controls=3), "controls must be names of columns, not 3."),
    "groups": (
        lambda: drivers(groups=["G"]),
        'groups must map a name to its attributes, such as {"Staff": ["q1", "q2"]}.',
    ),
    "pairs": (lambda: drivers(pairs=1), "pairs must be at least 2, not 1."),
    "exact": (lambda: drivers(exact=0), "exact must be at least 2, not 0."),
    "imputations": (
        lambda: drivers().fit(CX, missing="multiple", imputations=1),
        "missing='multiple' needs at least 2 imputations, not 1.",
    ),
    "flags": (
        lambda: drivers(["a1", "a7"], method="johnson").fit(CX, missing="indicator"),
        "method='johnson' cannot take an attribute and its flag as one; use another missing=.",
    ),
}
DATA = {
    "many values": (
        lambda: drivers(outcome="number", family="ordered").fit(ODD),
        "The outcome 'number' has 600 values, too many for family='ordered'; choose 'gaussian', or cut it.",
    ),
    "categorical": (
        lambda: drivers(outcome="grade").fit(ODD),
        "The outcome 'grade' is categorical; choose family='ordered' or 'logit', or give numbers.",
    ),
    "one category": (
        lambda: drivers(outcome="same", family="ordered").fit(ODD),
        "The outcome 'same' has one category only ('a'); there is nothing to explain.",
    ),
    "three categories": (
        lambda: drivers(outcome="grade", family="logit").fit(ODD),
        "The outcome 'grade' has 3 categories, and family='logit' needs two.",
    ),
    "promoters": (
        lambda: drivers(family="promoter").fit(CX.assign(nps=CX["nps"].clip(9, 10))),
        "All 600 answers to 'nps' are promoters; there is nothing to explain.",
    ),
    "no detractors": (
        lambda: drivers(family="detractor").fit(CX.assign(nps=CX["nps"].clip(7, 10))),
        "All 600 answers to 'nps' are no detractors; there is nothing to explain.",
    ),
    "some text": (
        lambda: drivers().fit(CX.assign(a1=["x", "2"] * 300)),
        "Item 'a1' holds text in 300 of 600 rows, such as 'x': code the answers as numbers, or declare texts that mean "
        "no answer as missing codes.",
    ),
    "no such category": (
        lambda: drivers(["a1", "segmnt"], categorical=["segmnt"]).fit(CX),
        "Attribute 'segmnt' is not in the data. Did you mean 'segment'?",
    ),
    "constant category": (
        lambda: drivers(["a1", "one"], categorical=["one"]).fit(ODD),
        "Categorical attribute 'one' has 1 category in 600 rows; leave it out.",
    ),
    "identifier": (
        lambda: drivers(["a1", "id"], categorical=["id"]).fit(ODD),
        "Categorical attribute 'id' has 600 categories in 600 rows; join some or leave it out.",
    ),
    "strata": (
        lambda: drivers().fit(CX, strata=np.ones(3)),
        "strata must be one label for each of the 600 rows, not (3,).",
    ),
    "no answers": (
        lambda: drivers().fit(where_known("a1", EARLY, np.nan).assign(nps=CX["nps"].mask(EARLY)), missing="pairwise"),
        "'a1' has no answers in the 580 rows used; leave it out.",
    ),
    "constant": (
        lambda: drivers().fit(where_known("a1", EARLY, 3).assign(nps=CX["nps"].mask(EARLY))),
        "'a1' has the same answer in all 580 rows used; leave it out.",
    ),
    "constant outcome": (
        lambda: drivers().fit(where_known("nps", EARLY, 3).assign(a1=CX["a1"].mask(EARLY))),
        "The outcome 'nps' has one value in the 580 rows used; there is nothing to explain.",
    ),
}
QUESTIONS = {
    "dominance": (
        lambda: RESULT.dominance["generel"],
        "Unknown dominance='generel'; choose from 'general', 'conditional', 'complete', 'levels'. "
        "Did you mean 'general'?",
    ),
    "cut": (
        lambda: RESULT.map(cut="meen"),
        "Unknown cut='meen'; choose from 'mean', 'median', 'midpoint', 'target'.",
    ),
    "importance cut": (
        lambda: RESULT.map(importance_cut="target"),
        "Unknown importance_cut='target'; choose from 'mean', 'median'.",
    ),
    "no performance": (
        lambda: drivers(["segment"], categorical=["segment"]).fit(CX).map(),
        "No player has a performance: means exist for numeric attributes and groups of them.",
    ),
    "scales": (
        lambda: RESULT.map(cut="midpoint", scale={"a1": (1, 5), "a2": (1, 7), "a3": (1, 5)}),
        "cut='midpoint' needs one scale for all attributes; choose 'mean', 'median' or 'target'.",
    ),
    "stated cut": (
        lambda: RESULT.stated_map(dict.fromkeys(THREE, 1), cut="midpoint"),
        "Unknown cut='midpoint'; choose from 'mean', 'median'.",
    ),
    "stated unknown": (
        lambda: RESULT.stated_map({**dict.fromkeys(THREE, 1), "a9": 4}),
        "'a9' is not an attribute of the analysis.",
    ),
    "stated text": (
        lambda: RESULT.stated_map({"a1": 1, "a2": 2, "a3": "x"}),
        "stated must give a number, or the column of the rating, for each attribute.",
    ),
    "competitor": (
        lambda: RESULT.profile(CX[THREE].assign(a2=CX["a2"].where(CX.index == 0))),
        "The competitor has 1 answers to 'a2'; at least 2 are needed.",
    ),
    "no costs": (
        lambda: RESULT.plan({}, 5),
        "costs names no attribute; give the cost of one point of each that may be raised.",
    ),
    **{
        f"cost {cost}": (
            lambda cost=cost: RESULT.plan({"a1": cost}, 5),
            "The cost of one point of 'a1' must be a number above 0.",
        )
        for cost in (0, -1, "x", float("nan"))
    },
    "budget": (lambda: RESULT.plan({"a1": 1}, "5"), "The budget must be positive, not '5'."),
    "cost of": (
        lambda: RESULT.plan({"a11": 1}, 5),
        "'a11' is not an attribute of the analysis. Did you mean 'a1'?",
    ),
    "segment": (
        lambda: RESULT.segments("segmnt", n=20),
        "Column 'segmnt' is not in the data. Did you mean 'segment'?",
    ),
    "small segment": (
        lambda: (
            drivers()
            .fit(CX.assign(part=np.where(EARLY, "x", "y"), a1=where_known("a1", ~EARLY, 3)["a1"]))
            .segments("part", n=20)
        ),
        "Segment 'x' of 'part': Item 'a1' is 3 in all 20 rows that have it: leave it out.",
    ),
    "nothing to stack": (lambda: stack(CX, [], ["a"]), "Stacking needs at least one brand and one column."),
    "pattern": (
        lambda: stack(CX, ["A"], ["a"], pattern="{brand}"),
        "The pattern must hold {column} and {brand}, as '{column}_{brand}'; it is '{brand}'.",
    ),
    "bounds": (
        lambda: RESULT.penalty_reward(low=5, high=2),
        "The low bound 5 must lie below the high bound 2.",
    ),
    "nobody so low": (
        lambda: RESULT.shapley_kano(low=2, high=5, outcome_low=-1, outcome_high=9),
        "0 of 600 rows have an outcome of -1 or less; move that bound.",
    ),
    "imputed intervals": (
        lambda: (
            drivers(["a1", "a7"]).fit(CX, missing="multiple", imputations=2).bootstrap(20, seed=1, interval="bca")
        ),
        "Multiple imputation combines replicates by Rubin's rules; leave out interval and indices.",
    ),
    "too few replicates": (
        lambda: RESULT.random_test(3, seed=1, draws=2),
        "The test needs at least 2 replicates for each of 2 random attributes, not 3 in all.",
    ),
}
CASES = {
    f"{part}: {k}": v for part, of in (("spec", SPECS), ("data", DATA), ("result", QUESTIONS)) for k, v in of.items()
}


@pytest.mark.parametrize("case", CASES)
def test_drivers_refuse_in_one_sentence(case):
    call, said = CASES[case]
    with pytest.raises(CxError) as caught:
        call()
    assert str(caught.value) == said


def worth_of_sets():
    """McFadden's R² of every set of the three attributes, each fitted by itself."""
    found = {frozenset(): 0.0}
    for size in (1, 2, 3):
        for names in itertools.combinations(THREE, size):
            found[frozenset(names)] = drivers(list(names), "top", family="logit").fit(ODD).r_squared
    return found


def steps_of(order, worth):
    """What each attribute adds in one order."""
    return {a: worth[frozenset(order[: i + 1])] - worth[frozenset(order[:i])] for i, a in enumerate(order)}


def test_methods_of_a_logit_are_those_of_separately_fitted_models():
    worth, orders = worth_of_sets(), list(itertools.permutations(THREE))
    full = worth[frozenset(THREE)]
    # Feldman (2005): an order counts by the product of what is left to explain after each of its first players.
    chance = np.array([np.prod([1 / (full - worth[frozenset(o[:i])]) for i in (1, 2)]) for o in orders])
    by_hand = {
        "last": {a: full - worth[frozenset(THREE) - {a}] for a in THREE},
        "first": {a: worth[frozenset([a])] for a in THREE},
        "shapley": {a: np.mean([steps_of(o, worth)[a] for o in orders]) for a in THREE},
        "pmvd": {a: np.average([steps_of(o, worth)[a] for o in orders], weights=chance) for a in THREE},
    }
    for method, expected in by_hand.items():
        found = drivers(outcome="top", family="logit", method=method).fit(ODD).importance["importance"]
        assert found.to_dict() == pytest.approx(expected, abs=1e-6), method
    with pytest.warns(SpecWarning, match="200 orders were sampled"):
        sampled = drivers(outcome="top", family="logit", exact=2, pairs=100).fit(ODD)
    frame = sampled.importance
    assert frame["importance"].sum() == pytest.approx(full, abs=1e-6)
    assert frame["importance"].to_numpy() == pytest.approx([*by_hand["shapley"].values()], abs=0.015)


def test_means_under_a_design_are_those_of_the_metrics():
    clusters = np.arange(600) // 5
    ours = drivers().fit(CX, clusters=clusters).profile(CX[THREE])
    for name in THREE:
        e = cx.metrics.csat(name, data=CX, clusters=clusters, measure="mean", scale=(1, 5))
        assert ours.loc[name, ["ours", "ours_se"]].tolist() == pytest.approx([e.value, e.se], rel=1e-10)
        assert ours.loc[name, "gap"] == pytest.approx(0, abs=1e-12)


def test_dominance_of_many_players_says_what_it_cannot_table():
    rng = np.random.default_rng(1)
    names = [f"q{i}" for i in range(21)]
    wide = pd.DataFrame(rng.normal(size=(60, 21)), columns=names)
    wide["y"] = wide.sum(axis=1) + rng.normal(size=60)
    with pytest.warns(SpecWarning, match="400 orders were sampled"):
        found = cx.Drivers("y", names, pairs=200, exact=2).fit(wide).dominance
    with pytest.raises(CxError, match="takes at most 20 players, not 21; put some into groups"):
        _ = found.complete
    assert list(found.tables()) == ["Increment by number of other attributes"]
    assert set(found["levels"]["level"]) <= {"general", "conditional"}
    assert found["general"].sum() == pytest.approx(found.result.r_squared, abs=0.02)
    few = RESULT.dominance
    assert list(few.tables()) == ["Increment by number of other attributes", "Complete dominance"]
    assert few.headline()[0] == ("Dominance analysis", "3 attributes")


def test_words_of_the_outcome_and_its_scale():
    nps = drivers(family="nps").fit(CX)
    assert nps.unit == "NPS (nps)"
    assert nps.baseline == pytest.approx(100 * ((CX["nps"] >= 9).mean() - (CX["nps"] <= 6).mean()))
    weights = drivers(outcome="top", family="logit", method="johnson").fit(ODD)
    assert "R² (squared correlation with the predicted chance)" in dict(weights.headline())
    other = RESULT.simulate({"a1": 1}, scale={"a1": (1, 5), "a2": (1, 5)})
    assert other.effects.equals(RESULT.simulate({"a1": 1}, scale=(1, 5)).effects)
    assert RESULT.converged
