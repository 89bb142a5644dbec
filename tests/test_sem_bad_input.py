"""Bad input to a covariance-based model gets one sentence that names the culprit, and no raw error ever escapes."""

import html
import os
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cxmodels as cx
from cxmodels.errors import (
    ConvergenceWarning,
    CxError,
    CxWarning,
    DataError,
    DataWarning,
    EstimationError,
    ImproperSolutionWarning,
    NotIdentifiedError,
    SpecError,
)
from cxmodels.sem.diagnose import diagnose

DATA = cx.datasets.load("holzinger")
N = len(DATA)
ITEMS = [f"x{k}" for k in range(1, 10)]
HS = "visual =~ x1 + x2 + x3; textual =~ x4 + x5 + x6; speed =~ x7 + x8 + x9"
FREE = "f =~ x1 + a*x2 + b*x3 + x4"
COV = DATA[ITEMS].cov()
MEANS = DATA[ITEMS].mean()
ORDINAL = DATA[ITEMS].apply(lambda c: pd.qcut(c, 4, labels=False, duplicates="drop")).assign(school=DATA["school"])
FIRST = DATA["school"] == DATA["school"].iloc[0]
LEVELS = "level: 1\nf =~ x1 + x2 + x3\nlevel: 2\ng =~ x1 + x2 + x3"
ROW = np.arange(N)


def fit(data=DATA, model=HS, **options):
    names = ("group", "equal", "partial", "missing", "weights", "cluster", "strata", "engine")
    keywords = {k: options.pop(k) for k in names if k in options}
    return lambda: cx.SEM(model, **options).fit(data, **keywords)


def moments(cov, n=N, means=None, model=HS, **options):
    return lambda: cx.SEM(model, **options).fit_moments(cov, n, means)


def put(a, b, value, both=True):
    cov = COV.copy()
    cov.loc[a, b] = value
    if both:
        cov.loc[b, a] = value
    return cov


def lost(column, where):
    return DATA.assign(**{column: DATA[column].mask(where)})


FAULTS = {
    # what stands in the columns
    "duplicated column": (fit(DATA.assign(x2=DATA["x1"])), DataError, "'x1', 'x2' determine one another exactly"),
    "duplicated column, FIML": (fit(DATA.assign(x2=DATA["x1"]), missing="fiml"), EstimationError, "'x1', 'x2' are exact"),
    "duplicated ordinal column": (fit(ORDINAL.assign(x2=ORDINAL["x1"]), ordered=True), DataError, "'x1' and 'x2'"),
    "linear combination": (fit(DATA.assign(x1=DATA["x2"] + DATA["x3"])), DataError, "'x1', 'x2', 'x3' determine one"),
    "column twice": (fit(pd.concat([DATA, DATA[["x1"]]], axis=1)), DataError, "Item 'x1' is in the data 2 times"),
    "constant": (fit(DATA.assign(x1=3.0)), DataError, "Item 'x1' is 3 in all 301 rows"),
    "constant, FIML": (fit(DATA.assign(x1=3.0), missing="fiml"), DataError, "Item 'x1' is 3 in all 301 rows"),
    "ordinal with one category": (fit(ORDINAL.assign(x1=1), ordered=True), DataError, "Item 'x1' is 1 in all 301"),
    "constant in one group": (
        fit(DATA.assign(x1=DATA["x1"].mask(FIRST, 3.0)), group="school"), DataError,
        "'x1' has the same answer in all 156 rows used in group 'Pasteur'",
    ),
    "text": (fit(DATA.assign(x1="a")), DataError, "Item 'x1' holds text in 301 of 301 rows"),
    "numbers as text": (fit(DATA.assign(x1=DATA["x1"].astype(str))), DataError, "pandas.to_numeric"),
    "dates": (fit(DATA.assign(x1=pd.Timestamp("2024-01-01"))), DataError, "Item 'x1' holds dates"),
    "infinite": (fit(DATA.assign(x1=DATA["x1"].mask(ROW == 3, np.inf))), DataError, "'x1' is infinite in 1 of 301"),
    "huge": (fit(DATA.assign(x1=DATA["x1"] * 1e200)), DataError, "'x1' are too large or too small"),
    "tiny": (fit(DATA.assign(x1=DATA["x1"] * 1e-200)), DataError, "'x1' are too large or too small"),
    "unknown name": (fit(DATA.rename(columns={"x1": "X1"})), DataError, "'x1' is not in the data. Did you mean 'X1'?"),
    "nothing answered": (fit(DATA.assign(x1=np.nan), missing="fiml"), DataError, "Item 'x1' has no answer"),
    "no complete row": (
        fit(DATA.assign(x1=DATA["x1"].mask(ROW % 2 == 0), x2=DATA["x2"].mask(ROW % 2 == 1))), DataError,
        "0 of 301 rows are usable (301 with incomplete answers)",
    ),
    "missing refused": (fit(lost("x1", ROW < 5), missing="error"), DataError, "Answers are missing in 'x1' (5)"),
    "no rows": (fit(DATA.iloc[:0]), DataError, "no rows"),
    "fewer rows than items": (fit(DATA.head(9)), DataError, "9 rows for 9 items"),
    "few rows, FIML": (fit(DATA.head(5), missing="fiml"), EstimationError, "Only 5 rows have"),
    "an array": (fit(DATA.to_numpy()), DataError, "An array has no column names"),
    "nothing": (fit(None), DataError, "NoneType"),
    # designs
    "group of one row": (fit(DATA.assign(g=["a"] * (N - 1) + ["b"]), group="g"), DataError, "Group 'b' of 'g' has one"),
    "small group, FIML": (
        fit(DATA.assign(g=["a"] * (N - 5) + ["B x"] * 5), group="g", missing="fiml"), EstimationError, "In group 'B x':",
    ),
    "empty category in a group": (
        fit(ORDINAL.assign(x1=ORDINAL["x1"].mask(FIRST & (ORDINAL["x1"] == 0), 1)), group="school", ordered=True),
        DataError, "In group 'Pasteur': Ordered variable 'x1' has nobody in category 0",
    ),
    "unknown group": (fit(group="School"), DataError, "group='School' is not a column of the data. Did you mean 'school'?"),
    "no group known": (fit(DATA.assign(g=np.nan), group="g"), DataError, "301 with group 'g' missing"),
    "equal without groups": (fit(DATA.assign(g="a"), group="g", equal="loadings"), SpecError, "compare groups"),
    "equal unknown": (fit(group="school", equal="loading"), SpecError, "Did you mean 'loadings'?"),
    "partial without equal": (fit(group="school", partial="visual=~x2"), SpecError, "name those in equal= too"),
    "partial unknown": (
        fit(group="school", equal="loadings", partial="visual=~x99"), SpecError, "Did you mean 'visual=~x3'?",
    ),
    "weights all zero": (fit(weights=np.zeros(N)), DataError, "The weights are 0 in all 301 rows"),
    "weights negative": (fit(weights=-np.ones(N)), DataError, "301 of 301 rows are negative"),
    "weights missing": (fit(weights=np.r_[np.nan, np.ones(N - 1)]), DataError, "1 of 301 rows are missing"),
    "too few weights": (fit(weights=np.ones(4)), DataError, "one number for each of 301 rows, not 4"),
    "one weight": (fit(weights=np.r_[1.0, np.zeros(N - 1)]), DataError, "300 with weight of zero"),
    "weights that would be ignored": (fit(weights=1.0 + ROW % 2, estimator="GLS"), SpecError, "Weights would be ignored"),
    "weights and naive ordinal": (
        fit(ORDINAL, weights=1.0 + ROW % 2, estimator="DWLS", ordered=True), SpecError, "use estimator WLSMV",
    ),
    "clusters that would be ignored": (
        fit(DATA.assign(c=ROW % 50), cluster="c", estimator="ULS"), SpecError, "Clusters or strata would be ignored",
    ),
    "strata of one row": (fit(DATA.assign(s=ROW == 7), strata="s"), DataError, "1 of 2 strata of 's' hold a single row ('True')"),
    "unknown strata": (fit(strata="shcool"), DataError, "Did you mean 'school'?"),
    "strata that would be ignored": (fit(strata="school", estimator="GLS"), SpecError, "use estimator MLR"),
    "one cluster": (fit(DATA.assign(c=1), cluster="c"), DataError, "belong to one cluster of 'c'"),
    "unknown cluster": (fit(cluster="shcool"), DataError, "Did you mean 'school'?"),
    "levels without cluster": (fit(model=LEVELS), SpecError, "needs cluster="),
    "levels with one cluster": (fit(DATA.assign(c=1), LEVELS, cluster="c"), DataError, "one cluster of 'c'"),
    "levels of single rows": (fit(DATA.assign(c=ROW), LEVELS, cluster="c"), DataError, "too few"),
    # options
    "FIML of ordinal items": (fit(ORDINAL, ordered=True, missing="fiml"), SpecError, "use missing='pairwise'"),
    "FIML by GLS": (fit(estimator="GLS", missing="fiml"), SpecError, "cannot be combined with estimator GLS"),
    "ordinal estimator of numbers": (fit(estimator="WLSMV"), SpecError, "name them with ordered="),
    "pairwise of numbers": (fit(missing="pairwise"), SpecError, "is for ordinal items"),
    "missing misspelt": (fit(missing="fmil"), SpecError, "Did you mean 'fiml'?"),
    "estimator unknown": (fit(estimator="MLRX"), SpecError, "Did you mean 'MLR'?"),
    "ordered unknown": (fit(ordered=["q"]), SpecError, "ordered names 'q'"),
    "switch by word": (fit(std_lv="false"), SpecError, "std_lv is True or False"),
    "engine unknown": (fit(engine="lavaan"), SpecError, "'cxmodels' or 'semopy'"),
    "ADF with few rows": (fit(DATA.head(20), estimator="WLS"), DataError, "20 rows for 45 moments"),
    # the model
    "no equations": (fit(model=""), SpecError, "no equations"),
    "not a model": (fit(model=3), SpecError, "not int"),
    "syntax": (fit(model="f =~ x1 +* x2"), SpecError, "Line 1, column 10"),
    "own cause": (fit(model="x1 ~ x1"), SpecError, "'x1' cannot predict itself"),
    "own indicator": (fit(model="f =~ f + x1 + x2"), SpecError, "'f' cannot measure itself"),
    "two values": (fit(model="f =~ x1 + 2*x2 + 3*x2 + x3"), SpecError, "a value twice"),
    "contradicting equations": (fit(model=f"{FREE}; a == 1; a == 2"), SpecError, "contradict each other"),
    "impossible equation": (fit(model=f"{FREE}; a^2 == -1"), SpecError, "do they contradict each other?"),
    "unknown label in :=": (fit(model=f"{FREE}; q := zz*2"), SpecError, "no parameter has the label 'zz'"),
    "unknown label in ==": (fit(model=f"{FREE}; zz == 1"), SpecError, "no parameter has the label 'zz'"),
    "circle of :=": (fit(model=f"{FREE}; q := r; r := q"), SpecError, "q -> r -> q"),
    "labels for other groups": (
        fit(model="f =~ x1 + c(a, b, d)*x2 + x3", group="school"), SpecError, "3 entries, but there are 2 groups",
    ),
    "interaction of three": (fit(model=f"{HS}; x10 ~ visual:textual:speed"), SpecError, "'visual:textual:speed' has three parts"),
    "ordinal with observed causes": (
        fit(ORDINAL.assign(age=DATA["ageyr"]), f"{HS}; visual ~ age", ordered=[*ITEMS[:3], "age"]), SpecError, "'age ~~ age'",
    ),
    "group is a predictor": (fit(model=f"{HS}; visual ~ grade", group="grade"), DataError, "a variable of the model too"),
    "groups as a list": (fit(group=["school"]), SpecError, "group= is the name of a column, not of type list"),
    "clusters as a column": (fit(cluster=DATA["school"]), SpecError, "cluster= is the name of a column, not of type Series"),
    "level of effects": (
        lambda: fit(model=f"{HS}; speed ~ visual")().unstandardized_effects((0, 10), level=95), SpecError, "between 0 and 1",
    ),
    "threshold of a number": (fit(model=f"{HS}; x1 | t1"), SpecError, "'x1' is not ordinal; name it in ordered="),
    "fixed weight of a composite": (fit(model="f =~ x1 + x2 + x3; c <~ 1*x7 + x8; f ~ c"), SpecError, "('c <~ x7 + x8')"),
    "residuals misspelt": (lambda: fit()().residuals("normalised"), SpecError, "Did you mean 'normalized'?"),
    "scores misspelt": (lambda: fit()().scores("barlett"), SpecError, "Did you mean 'bartlett'?"),
    "group of a fit without groups": (lambda: fit()().implied("Pasteur"), SpecError, "fitted to all rows together"),
    # identification
    "two items": (fit(model="f =~ x1 + x2"), NotIdentifiedError, "degrees of freedom -1). Construct 'f' has fewer"),
    "no scale": (fit(model="f =~ NA*x1 + x2 + x3"), NotIdentifiedError, "Fix one loading ('f =~ 1*x1')"),
    "pairs apart": (fit(model="f =~ x1 + x2; g =~ x3 + x4; f ~~ 0*g"), NotIdentifiedError, "cannot tell 'f =~ x2'"),
    "composite alone": (fit(model="f <~ x1 + x2 + x3"), NotIdentifiedError, "Composite 'f' is linked to no other variable"),
    "composite beside a path": (
        fit(model="f <~ x1 + x2 + x3; x7 ~ x8"), NotIdentifiedError, "Let it predict or covary with one ('y ~ f')"
    ),
    "scale of a composite": (
        fit(model="f <~ x1 + x2 + x3; g =~ x4 + x5 + x6; f ~~ a*g; a == 0"), NotIdentifiedError, "cannot tell 'f <~ x2'"
    ),
    "inequalities": (fit(model=f"{FREE}; a > 2; a < 1"), SpecError, "satisfy 'a > 2', 'a < 1' together"),
    "loop": (fit(model="x1 ~ x2; x2 ~ x1"), NotIdentifiedError, "4 free parameters but only 3 moments"),
    "construct without variance": (
        fit(model="f =~ x1 + x2 + x3; f ~~ 0*f"), NotIdentifiedError, "do not determine 'f =~ x2'",
    ),
    "items without error": (
        fit(model="f =~ x1 + x2 + x3; x1 ~~ 0*x1; x2 ~~ 0*x2"), EstimationError, "makes 'x1', 'x2' determine one another",
    ),
    "negative variance by decree": (fit(model="f =~ x1 + x2 + x3; f ~~ -1*f"), SpecError, "variance of 'f' is fixed at a negative"),
    # moments
    "not positive definite": (moments(put("x1", "x2", 3.0)), DataError, "not positive definite: 'x1', 'x2'"),
    "not symmetric": (moments(put("x1", "x2", 0.9, both=False)), DataError, "the entry of 'x1' and 'x2' differs"),
    "hole in cov": (moments(put("x1", "x2", np.nan)), DataError, "the entry of 'x1' and 'x2'"),
    "negative variance": (moments(put("x1", "x1", -1.0)), DataError, "'x1' has no positive variance"),
    "few rows behind cov": (moments(COV, 5), DataError, "n is 5 for 9 items"),
    "n is a word": (moments(COV, "many"), DataError, "must be numbers"),
    "n is infinite": (moments(COV, np.inf), DataError, "not infinite"),
    "n is unknown": (moments(COV, np.nan), DataError, "n is nan"),
    "cov without names": (moments(COV.to_numpy()), DataError, "must be a DataFrame"),
    "cov lacks an item": (moments(COV.drop(columns="x1").drop("x1")), DataError, "lack 'x1'"),
    "means lack an item": (moments(COV, means=MEANS[1:]), DataError, "means lacks 'x1'"),
    "means missing": (moments(COV, means=MEANS.mask(MEANS.index == "x3")), DataError, "missing or infinite for 'x3'"),
    "means of text": (moments(COV, means=pd.Series("a", index=ITEMS)), DataError, "means must be numbers"),
    "means wanted": (moments(COV, mean_structure=True), DataError, "give means="),
    "n lacks a group": (moments({"a": COV, "b": COV}, {"a": 100}), DataError, "n lacks group 'b'"),
    "no groups": (moments({}, {}), DataError, "no groups"),
    "robust without rows": (moments(COV, estimator="MLR"), SpecError, "needs the rows of the data"),
}  # fmt: skip


@pytest.mark.parametrize("case", FAULTS)
def test_one_sentence_names_the_fault(case):
    action, kind, words = FAULTS[case]
    with pytest.raises(kind) as caught:
        action()
    text = str(caught.value)
    assert words in text
    assert caught.value.__cause__ is None
    assert "\n\n" not in text
    assert text.rstrip("^ \n")[-1] in ".?" or "\n" in text


# --- diagnosis: numbers that exist, and what the reader must know -----------------------------------------------------


def warned(action, kind, words):
    """The result of an action that must warn, everywhere the result is shown."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        res = action()
    assert [w for w in caught if issubclass(w.category, kind) and words in str(w.message)]
    assert {str(w.message) for w in caught} == set(res.warnings)
    for sentence in res.warnings:
        assert sentence in repr(res)
        assert sentence in res.summary()
        assert sentence in html.unescape(res._repr_html_())
    return res


def test_heywood_case_is_flagged_with_its_numbers():
    res = warned(
        fit(model=f"{HS}; visual =~ x9; x7 ~~ x8"), ImproperSolutionWarning, "variance of item 'x8' is negative"
    )
    assert not res.proper
    assert "improper" in repr(res)
    e = res.estimates
    assert e.loc[(e["lhs"] == "x8") & (e["rhs"] == "x8"), "est"].iloc[0] < 0


def test_constructs_that_cannot_be_told_apart_are_named():
    text = "A =~ IMAG1 + IMAG2 + IMAG3; B =~ PERQ1 + PERQ2 + PERQ3; C =~ CUSA1 + CUSA2 + CUSA3"
    mobi = cx.datasets.load("mobi")
    blurred = mobi.assign(PERQ1=mobi["IMAG1"] + mobi["PERQ1"] / 4, PERQ2=mobi["IMAG2"] + mobi["PERQ2"] / 4)
    res = warned(fit(blurred, text), CxWarning, "'A' and 'B' correlate")
    assert not res.proper


def test_latent_collinearity_names_the_predictors():
    measures = [f"{c} =~ {' + '.join(items)}" for c, items in cx.acsi.ECSI.measures.items()]
    structure = [f"{outcome} ~ {predictor}" for predictor, outcome in cx.acsi.ECSI.paths]
    text = "\n".join(measures + structure)
    res = warned(fit(cx.datasets.load("mobi"), text), DataWarning, "'Image' and 'Satisfaction' correlate")
    paths = res.paths.set_index(["outcome", "predictor"])
    assert (
        paths.loc[("Loyalty", "Satisfaction"), "std_all"] > 1 or paths["se"].max() > 1
    )  # what the sentence is about


def test_fewer_clusters_than_parameters():
    warned(fit(DATA.assign(c=ROW % 5), cluster="c"), DataWarning, "5 clusters for 30 free parameters")


def test_pairs_that_nobody_answered_together():
    apart = DATA.assign(x1=DATA["x1"].mask(ROW % 2 == 0), x2=DATA["x2"].mask(ROW % 2 == 1))
    warned(fit(apart, missing="fiml"), DataWarning, "No row has an answer to both 'x1' and 'x2'")


def test_few_rows():
    rng = np.random.default_rng(1)
    small = pd.DataFrame(rng.normal(size=(9, 1)) + 1.2 * rng.normal(size=(9, 5)), columns=list("abcde"))
    warned(fit(small, "f =~ a + b + c + d + e"), DataWarning, "9 rows for 10 free parameters")


def test_definition_without_value():
    warned(fit(model=f"{FREE}; q := log(-a)"), DataWarning, "The defined parameter 'q' has no value")


def test_engine_that_stops_early():
    warned(fit(engine="semopy"), ConvergenceWarning, "semopy stopped before the minimum")


def test_no_minimum_is_said_at_the_top():
    res = cx.SEM(HS).fit(DATA)
    stopped = replace(res, estimate=replace(res.estimate, minimum=replace(res.estimate.minimum, converged=False)))
    assert "NO: read nothing into the numbers" in stopped.summary()
    assert not stopped.proper
    assert [m for _, m in diagnose(stopped.estimate, stopped.rows) if "without reaching a minimum" in m]


def test_rows_left_out_are_counted_by_reason():
    data = lost("x1", ROW < 7).assign(school=DATA["school"].mask(ROW > 297))
    res = cx.SEM(HS).fit(data, group="school", weights=np.where(ROW == 50, 0.0, 1.0))
    assert dict(res.excluded.itertuples(index=False)) == {
        "weight of zero": 1, "group 'school' missing": 3, "incomplete answers": 7,
    }  # fmt: skip
    assert res.n_obs == N - 11 == sum(s.n for s in res.estimate.data.samples)
    assert "11 excluded" in repr(res)


# --- fuzzing ---------------------------------------------------------------------------------------------------------

names = st.sampled_from(["a", "b", "c", "d", "e", "F", "G", "z"])
factor = st.sampled_from(
    ["", "", "", "1*", "0*", "-2*", "NA*", "p*", "q*", "start(0.5)*", "c(1, 2)*", "1e9*", "lower(0)*"]
)
term = st.builds(str.__add__, factor, names)
terms = st.lists(term, min_size=1, max_size=4).map(" + ".join)
measured = st.builds("{} {} {}".format, st.sampled_from(["F", "G"]), st.sampled_from(["=~", "=~", "=~", "<~"]), terms)
relation = st.builds("{} {} {}".format, names, st.sampled_from(["~", "~~", "|"]), terms)
extra = st.sampled_from(
    ["p == q", "p == 2", "p > 0.5", "q < p", "r := p * q", "r := 1 / (p - p)", "r := log(q)", "a ~ 1", "F ~ 1", "a | t1",
     "p^2 == -1", "level: 1", "level: 2", "F ~~ 1*F", "a ~~ 0*a", "a:b =~ c", "c ~ a:b"]
)  # fmt: skip
sane = st.sampled_from(
    ["F =~ a + b + c", "F =~ a + b + c; G =~ d + e; G ~ F", "F =~ a + b + c + d", "F =~ a + p*b + q*c; d ~ F + e",
     "F <~ a + b; G =~ c + d; G ~ F + e"]
)  # fmt: skip
models = st.one_of(
    sane,
    sane,
    st.lists(st.one_of(sane, measured, relation, extra), min_size=1, max_size=4).map("\n".join),
    st.builds("{}\n{}".format, sane, st.one_of(relation, extra)),
    sane,
)
KINDS = ("usual", "usual", "usual", "ordinal", "ordinal", "constant", "twin", "opposite", "gaps", "mostly gaps", "empty",
         "text", "infinite", "huge", "tiny", "far", "binary", "outlier", "absent")  # fmt: skip
kinds = st.one_of(
    st.just(["usual"] * 5),
    st.just(["ordinal"] * 5),
    st.just(["usual"] * 5),
    st.just(["ordinal"] * 5),
    st.just(["gaps"] * 5),
    st.lists(st.sampled_from(["usual", "ordinal", "gaps", "far"]), min_size=5, max_size=5),
    st.lists(st.sampled_from(KINDS), min_size=5, max_size=5),
)
some_options = st.fixed_dictionaries(
    {},
    optional={
        "estimator": st.sampled_from(
            ["ML", "MLR", "MLM", "MLMV", "MLF", "GLS", "ULS", "WLS", "DWLS", "WLSMV", "ULSMV"]
        ),
        "std_lv": st.booleans(),
        "ordered": st.sampled_from([True, ["a"], ["a", "b", "c"], []]),
        "mean_structure": st.booleans(),
        "growth": st.sampled_from([False, False, True]),
        "orthogonal": st.booleans(),
        "fixed_x": st.booleans(),
        "information": st.sampled_from(["expected", "observed"]),
        "likelihood": st.sampled_from(["normal", "wishart"]),
        "parameterization": st.sampled_from(["delta", "theta"]),
        "effect_coding": st.sampled_from([False, "loadings", True]),
    },
)
some_calls = st.fixed_dictionaries(
    {},
    optional={
        "group": st.sampled_from(["g", "g", "lonely", "nowhere"]),
        "equal": st.sampled_from(["loadings", ["loadings", "intercepts"], ["thresholds"], ["means", "residuals"]]),
        "partial": st.sampled_from([(), "F=~b", "b~1"]),
        "missing": st.sampled_from(["listwise", "fiml", "fiml", "pairwise", "error"]),
        "weights": st.sampled_from(["w", "zero", "half"]),
        "cluster": st.sampled_from(["k", "one"]),
    },
)
options = st.one_of(st.just({}), st.just({"ordered": True}), some_options)
calls = st.one_of(st.just({}), st.just({"missing": "fiml"}), some_calls)
COUNT = {"fitted": 0, "refused": 0}


def column(kind, base, rng):
    n = len(base)
    gap = np.nan
    made = {
        "usual": base, "constant": np.full(n, 2.0), "ordinal": np.digitize(base, [-0.7, 0.2, 1.0]) + 1.0,
        "binary": (base > 0) * 1.0, "gaps": np.where(rng.random(n) < 0.25, gap, base),
        "mostly gaps": np.where(rng.random(n) < 0.9, gap, base), "empty": np.full(n, gap),
        "infinite": np.where(np.arange(n) == 2, np.inf, base), "huge": base * 1e180, "tiny": base * 1e-180,
        "far": base + 1e9, "outlier": np.where(np.arange(n) == 2, 1e6, base),
    }  # fmt: skip
    return np.array(["no"] * n, dtype=object) if kind == "text" else made.get(kind, base)


def survey(shapes, rows, seed):
    rng = np.random.default_rng(seed)
    f = rng.normal(size=rows)
    table = {}
    for name, kind in zip("abcde", shapes, strict=True):
        base = 0.8 * f + 0.6 * rng.normal(size=rows)
        table[name] = (
            table.get("a", base) if kind == "twin" else -table.get("a", base) if kind == "opposite" else base
        )
    frame = pd.DataFrame({n: column(k, table[n], rng) for n, k in zip("abcde", shapes, strict=True) if k != "absent"})
    number = np.arange(rows)
    return frame.assign(
        g=np.where(number % 2, "u", "v"), lonely=np.where(number == 0, "u", "v"), w=1.0 + number % 3, zero=0.0,
        half=(number % 2) * 1.0, k=number % 12, one=1,
    )  # fmt: skip


@settings(
    max_examples=int(os.environ.get("SEM_FUZZ", "120")), deadline=None, derandomize="SEM_FUZZ" not in os.environ,
    suppress_health_check=list(HealthCheck), database=None,
)  # fmt: skip
@given(models, kinds, st.sampled_from([4, 12, 60, 60, 60]), st.integers(0, 99), options, calls)
def test_only_our_errors_and_warnings_escape(model, shapes, rows, seed, options, calls):
    data = survey(shapes, rows, seed)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            res = cx.SEM(model, **options).fit(data, **calls)
            res.summary()
            frames = (res.estimates, res.standardized, res.fit_measures, res.r_squared, res.reliability, res.vcov)
            if res.estimate.table.levels == 1:
                frames += (res.scores(), res.residuals(), res.modification_indices(), res.htmt)
            assert all(len(f.index) == len(f) for f in frames)
            if res.converged:
                assert np.isfinite(res.estimates["est"][res.estimates["op"] != ":="]).all()
            COUNT["fitted"] += 1
        except CxError:
            COUNT["refused"] += 1
    assert [w for w in caught if not issubclass(w.category, CxWarning)] == []
