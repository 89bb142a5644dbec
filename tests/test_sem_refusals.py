"""What a covariance-based model refuses: one sentence that names the culprit and says what to do."""

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.errors import DataError, EstimationError, SpecError

DATA = cx.datasets.load("holzinger")
N = len(DATA)
ITEMS = [f"x{k}" for k in range(1, 10)]
HS = "visual =~ x1 + x2 + x3; textual =~ x4 + x5 + x6; speed =~ x7 + x8 + x9"
ONE = "f =~ x1 + x2 + x3 + x4"
MODERATED = "f =~ x1 + x2 + x3; g =~ x4 + x5 + x6; h =~ x7 + x8 + x9; h ~ f + g + f:g"
POPULATION = "f =~ 1*x1 + 0.5*x2 + 0.5*x3; f ~~ 1*f"
LEVELS = "level: 1\nf =~ x1 + x2 + x3\nlevel: 2\ng =~ x1 + x2 + x3"
COV, MEANS = DATA[ITEMS].cov(), DATA[ITEMS].mean()
ORDINAL = DATA[ITEMS].apply(lambda c: pd.qcut(c, 3, labels=False)).assign(school=DATA["school"])
CLUSTERED = DATA.assign(c=np.arange(N) % 60)
RNG, HUNDRED = np.random.default_rng(0), np.arange(200)
X, Z = RNG.standard_normal((2, 200))
PROBIT = "y1 ~ x; y2 ~ x; y1 ~~ y2"
ANSWERS = pd.DataFrame({
    "x": X, "k": 2 * X,
    "y1": (X + RNG.standard_normal(200) > 0) * 1 + (X + Z > 1.2), "y2": (X + RNG.standard_normal(200) > 0) * 1,
})  # fmt: skip
CALLED = ("group", "equal", "partial", "missing", "weights", "cluster", "strata")


def fitted(model=ONE, data=DATA, **options):
    call = {k: options.pop(k) for k in CALLED if k in options}
    return cx.SEM(model, **options).fit(data, **call)


def moments(cov=COV, means=None, model=ONE, **options):
    return cx.SEM(model, **options).fit_moments(cov, N, means)


REFUSED = {
    # invariance and comparison
    "options twice": (
        lambda: cx.invariance(cx.SEM(HS), DATA, group="school", fixed_x=False), SpecError,
        "Give options to SEM or to invariance(), not to both.",
    ),
    "level misspelt": (
        lambda: cx.invariance(HS, DATA, group="school", levels=["metrik"]), SpecError,
        "levels names 'metrik'; known are 'configural', 'metric', 'scalar', 'strict', 'means'. Did you mean 'metric'?",
    ),
    "levels downwards": (
        lambda: cx.invariance(HS, DATA, group="school", levels=["scalar", "metric"]), SpecError,
        "levels must go up: 'metric', 'scalar'.",
    ),
    "one group": (
        lambda: cx.invariance(HS, DATA.assign(g="a"), group="g", levels=["configural"]), SpecError,
        "'g' has one group only, 'a'; invariance compares groups.",
    ),
    "compare two estimators": (
        lambda: cx.compare(fitted(), fitted(estimator="MLR")), SpecError,
        "Model 1 was fitted by ML, model 2 by MLR; use one estimator.",
    ),
    "compare other rows": (
        lambda: cx.compare(fitted(), fitted(data=DATA[:200])), DataError,
        "Model 1 used 301 rows, model 2 200; fit both to the same rows.",
    ),
    "compare one": (
        lambda: cx.sem.compare(fitted()), SpecError, "compare() takes two or more fitted SEM results.",
    ),
    # sample size by RMSEA
    "nothing to detect": (
        lambda: cx.sem.rmsea_power(10, 100, 0.05, 0.05), SpecError,
        "rmsea0 and rmsea1 are both 0.05, so there is nothing to detect; change one.",
    ),
    "RMSEA too near": (
        lambda: cx.sem.rmsea_sample_size(1, 0.8, 0.05, 0.0501), SpecError,
        "No sample of a million rows tells RMSEA 0.0501 from 0.05 with 1 degrees of freedom.",
    ),
    "alpha of a sample size": (
        lambda: cx.sem.rmsea_sample_size(10, 0.8, alpha=1.5), SpecError,
        "alpha is a probability between 0 and 1, not 1.5.",
    ),
    # blocks
    "three levels": (
        lambda: fitted(LEVELS + "\nlevel: 3\nh =~ x1 + x2 + x3", cluster="school"), SpecError,
        "two levels, level: 1 and level: 2; this one has '1', '2', '3'.",
    ),
    "level 1 alone": (
        lambda: fitted("level: 1\nf =~ x1 + x2 + x3", cluster="school"), SpecError, "this one has '1'.",
    ),
    "other groups": (
        lambda: fitted("group: A\nf =~ x1 + x2 + x3\ngroup: B\nf =~ x1 + x2 + x3", group="school"), SpecError,
        "blocks for the groups 'A', 'B', the data have 'Pasteur', 'Grant-White'; write one group: block for each",
    ),
    "no item on both levels": (
        lambda: fitted("level: 1\nf =~ x1 + x2 + x3\nlevel: 2\ng =~ x4 + x5 + x6", cluster="school"), SpecError,
        "The two levels have no item in common; write the same items in both blocks.",
    ),
    "level 2 differs within": (
        lambda: fitted(LEVELS + "\ng ~ x4", CLUSTERED, cluster="c"), DataError,
        "'x4' is a variable of level 2, but differs within clusters.",
    ),
    "index of two levels": (
        lambda: fitted(LEVELS, CLUSTERED, cluster="c").index(), SpecError,
        "The 0-100 index is offered for models with one level.",
    ),
    # composites
    "composite of a construct": (
        lambda: fitted("a =~ x1 + x2 + x3; c <~ a + x4 + x5; x9 ~ c"), SpecError,
        "Composite 'c' is formed of the construct 'a'; form it of items.",
    ),
    "composite in blocks": (
        lambda: fitted("group: 1\nc <~ x1 + x2 + x3\nx4 ~ c\ngroup: 2\nc <~ x1 + x2 + x3\nx4 ~ c", group="school"),
        SpecError, "Composites (<~) cannot be combined with group: or level: blocks; use composites='factor'.",
    ),
    "labelled weight": (
        lambda: fitted("c <~ a*x1 + x2 + x3; x4 ~ c"), SpecError,
        "leave numbers and labels out ('c <~ x1 + x2 + x3')",
    ),
    # options of the fit
    "information": (
        lambda: fitted(information="expectd"), SpecError, "information is 'expected' or 'observed', not 'expectd'.",
    ),
    "ordered is a number": (lambda: fitted(ordered=3, data=ORDINAL), SpecError, "ordered takes names, not 3."),
    "equal holds a number": (
        lambda: fitted(group="school", equal=[3]), SpecError, "equal takes names, not [3].",
    ),
    "no items": (lambda: fitted("f =~ 0"), SpecError, "Construct 'f' has no items."),
    "no answer in a group": (
        lambda: fitted(
            missing="fiml", group="school", data=DATA.assign(x1=DATA["x1"].where(DATA["school"] == "Pasteur"))
        ), DataError, "'x1' has no answer in the rows used in group 'Grant-White'.",
    ),
    "circle of fixed paths": (
        lambda: fitted("x1 ~ 1*x2; x2 ~ 1*x1; x3 ~ x1"), EstimationError,
        "The fixed paths between 'x1', 'x2', 'x3' form a circle without a solution; free or drop one.",
    ),
    # moments in place of rows
    "cov names an item twice": (
        lambda: moments(pd.concat([COV, COV.loc[["x1"]]])), DataError, "The rows of cov name an item twice.",
    ),
    "means name an item twice": (
        lambda: moments(means=pd.concat([MEANS, MEANS[["x1"]]])), DataError, "means name an item twice.",
    ),
    "standard errors of an index of moments": (
        lambda: moments(means=MEANS).index_se(scale=(0, 10)), DataError,
        "Standard errors of an index need the rows of the data; the model was fitted to moments.",
    ),
    "bootstrap of moments": (
        lambda: moments().bootstrap(20), DataError,
        "The bootstrap needs the rows of the data; the model was fitted to moments.",
    ),
    # what is asked of a fitted model
    "kind of residuals": (
        lambda: fitted().residuals("rawr"), SpecError,
        "'standardized', 'normalized', not 'rawr'. Did you mean 'raw'?",
    ),
    "confidence level": (
        lambda: fitted().parameters("0.9"), SpecError, "The confidence level must lie between 0 and 1, not '0.9'.",
    ),
    "kind of bootstrap": (
        lambda: fitted().bootstrap(20, kind="parametric"), SpecError,
        "kind is 'nonparametric' or 'bollen.stine', not 'parametric'.",
    ),
    "studentised": (
        lambda: fitted().bootstrap(20, interval="studentized"), SpecError,
        "Studentised intervals are not offered for SEM; choose percentile, basic, normal or bca.",
    ),
    "Bollen-Stine with gaps": (
        lambda: fitted(missing="fiml").bootstrap(20, kind="bollen.stine"), SpecError,
        "The Bollen-Stine bootstrap is for maximum likelihood with complete numerical items.",
    ),
    "Bollen-Stine p of others": (
        lambda: fitted().bootstrap(20, seed=1).chisq_pvalue, SpecError,
        "Ask for bootstrap(kind='bollen.stine'): other replicates are not drawn under the model.",
    ),
    "slopes of no outcome": (
        lambda: fitted(MODERATED).plot_slopes("f", outcome="x"), SpecError,
        "'f' has no moderator for 'x'; choose from 'h'.",
    ),
    "scores of other rows, products": (
        lambda: fitted(MODERATED).scores(data=DATA), SpecError,
        "Scores of other rows are not offered with interactions, whose products are centred in the data.",
    ),
    "scores of ordinal items in a chain": (
        lambda: fitted(ONE + "; x2 ~ x1", ORDINAL, ordered=True).scores(), SpecError,
        "Scores are not offered where an ordinal item ('x2') depends on another.",
    ),
    # ordinal items given predictors
    "outcome that is its predictor": (
        lambda: fitted("y1 ~ x; k ~ x; y1 ~~ k", ANSWERS, ordered=["y1"]), DataError,
        "Variable 'k' does not vary given the predictors; leave it out of the model.",
    ),
    "never answered together": (
        lambda: fitted(
            PROBIT, ANSWERS.assign(y1=ANSWERS["y1"].where(HUNDRED < 100), y2=ANSWERS["y2"].where(HUNDRED >= 99)),
            ordered=["y1", "y2"], missing="pairwise",
        ), DataError, "'y2' and 'y1' are never both answered by two rows or more; leave one of them out of the model.",
    ),
    "the same answers twice": (
        lambda: fitted(PROBIT, ANSWERS.assign(y2=(ANSWERS["y1"] > 0) * 1), ordered=["y1", "y2"]), DataError,
        "'y2' and 'y1' put all rows in the same or the opposite order, so their latent correlation has no standard",
    ),
    "a predictor that gives the answer": (
        lambda: fitted(PROBIT, ANSWERS.assign(y1=(X > 0) * 1), ordered=["y1", "y2"]), DataError,
        "The predictors separate the categories of 'y1' perfectly, or nearly so",
    ),
    # simulation
    "missing in words": (
        lambda: cx.SEM(POPULATION).simulate(100, missing="a lot"), SpecError,
        "missing is a number, or a number by variable, not 'a lot'.",
    ),
    "empirical with heavy tails": (
        lambda: cx.SEM(POPULATION).simulate(100, empirical=True, df=5), SpecError,
        "empirical=True is for normal data of one level without interactions.",
    ),
    "empty clusters": (
        lambda: cx.SEM("level: 1\nf =~ 1*x1 + .5*x2; f ~~ 1*f\nlevel: 2\ng =~ 1*x1 + .5*x2; g ~~ 1*g").simulate(
            100, cluster_size=[5, 0]
        ), SpecError, "cluster_size is a whole number of 1 or more, or several, not [5, 0].",
    ),
    "standardised twice": (
        lambda: cx.SEM(ONE).power(fitted(), 200, standardized=True), SpecError,
        "standardized=True is for populations written as text; a fitted model has its own scale.",
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::cxmodels.errors.ImproperSolutionWarning")  # made-up clusters
@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    call, kind, sentence = REFUSED[name]
    with pytest.raises(kind) as caught:
        call()
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
