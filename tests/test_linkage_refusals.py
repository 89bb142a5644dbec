"""What the linkage of answers and behaviour refuses, and estimation under weightings that leave no estimate."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.errors import CxError, DataWarning, EstimationError, NotIdentifiedError
from cxmodels.fieldwork.propensity import chance_to_answer
from cxmodels.linkage import Linkage, growth, join
from cxmodels.linkage.families import FAMILIES, Failed, calibrate, scoring
from cxmodels.linkage.measurement import composite_reliability

SCALE = (0, 100)


@cache
def tables():
    """60 customers, all of whom answered, and what they did."""
    rng = np.random.default_rng(3)
    true = rng.normal(50, 12, 60)
    said = pd.DataFrame({f"q{k}": np.clip(true + rng.normal(0, 8, 60), 0, 100) for k in (1, 2, 3)})
    said = said.assign(customer_id=np.arange(60), date="2025-01-10")
    gone = (rng.random(60) < 1 / (1 + np.exp((true - 50) / 10))).astype(int)
    return pd.DataFrame({"customer_id": np.arange(60), "churned": gone, "age": rng.normal(40, 9, 60)}), said


def joined(said=None, **base):
    own, answers = tables()
    return join(own.assign(**base), answers if said is None else said, as_of="2025-02-01")


def fit(table=None, **options):
    given = {"outcome": "churned", "index": ["q1", "q2", "q3"], "scale": SCALE} | options
    return Linkage(**given).fit(joined() if table is None else table, bootstrap=4, seed=1)


@cache
def pls(text="Quality =~ q1 + q2\nLoyalty =~ q3\nLoyalty ~ Quality"):
    return cx.PLS(text).fit(tables()[1])


@cache
def sem():
    return cx.SEM("Quality =~ q1 + q2 + q3").fit(tables()[1])


def said(**columns):
    return tables()[1].assign(**columns)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: fit(index="q1", construct="Quality", reliability=0.8), "with a column as the index leave it out"),
        (lambda: fit(construct="Quality"), "with items as the index leave it out"),
        (lambda: fit(index=["q1", "q1"]), "one or more different columns"),
        (lambda: fit(index=[]), "one or more different columns"),
        (lambda: fit(reliability="beta"), "reliability must be a share, 'omega' or 'alpha', not 'beta'"),
        (lambda: fit(index=pls()), "Say which construct acts: construct='Loyalty'; the model has Quality, Loyalty"),
        (lambda: fit(index=pls(), construct="Qualty"), "no construct 'Qualty'; it has Quality, Loyalty. Did you mean 'Quality'"),
        (lambda: fit(index=pls(), construct="Quality", reliability="omega"), "leave reliability out"),
        (lambda: fit(index=pls(), construct="Loyalty"), "takes 'Loyalty' as measured without error; give reliability=0.85"),
        (lambda: fit(joined(said(q3=50.0))), "1 items of 'q1 . q2 . q3' have one answer only in 60 rows; leave them out"),
        (lambda: fit(index="depth", reliability=0.9, table=joined(depth=[np.inf] + [1.0] * 59)), "'depth' is infinite in 1 of 60 rows; correct these"),
        (lambda: fit(index="same", reliability=0.9, table=joined(same=0.1)), "All 60 respondents have the same index"),
        (lambda: fit(joined(churned=np.nan)), "'churned' is blank in all rows; there is no outcome to explain"),
        (lambda: fit(index="most", reliability=0.9, table=joined(most=[1.0] * 20 + [np.nan] * 40)), "Only 20 of 60 outcomes have an answer to 'most' before them, fewer than 30"),
        (lambda: join(tables()[0].assign(day=[None, *["2025-02-01"] * 59]), tables()[1], as_of="day"), "'day' of table 'outcomes' is blank in 1 of 60 rows; fill it"),
        (lambda: join(tables()[0], tables()[1], as_of="day"), "'outcomes'.*'day'"),
        (lambda: join(tables()[0], tables()[1], as_of=["2025-02-01", "2025-03-01"]), "a column of the outcomes or one date, not 2 dates"),
        (lambda: join(tables()[0].assign(answered=1), tables()[1], as_of="2025-02-01"), "The column 'answered' is made by join; rename yours"),
        (lambda: growth(pd.DataFrame(), "sales", controls="age"), r"controls must be a list of columns, \['age'\], not a text"),
    ],
)  # fmt: skip
def test_what_is_refused_is_one_sentence(call, text):
    with pytest.raises(CxError, match=text) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("index", ["items", "pls", "sem"])
def test_a_reliability_that_is_given_counts_before_that_of_the_model(index):
    """Ordinary least squares divided by the share, with the index as the mean of its items or as the model weighs it."""
    options = {
        "items": {},
        "pls": {"index": pls(), "construct": "Quality"},
        "sem": {"index": sem(), "construct": "Quality"},
    }
    found = fit(
        joined(spend=tables()[1]["q1"] + 3), outcome="spend", family="gaussian", reliability=0.8, **options[index]
    )
    naive, corrected = found.effects.loc["naive", "est"], found.effects.loc["corrected", "est"]
    assert corrected == pytest.approx(naive / 0.8, rel=1e-9)
    assert found.measurement.how == "as given"


def test_reliability_of_one_item_or_of_none_that_varies_is_none():
    assert np.isnan(composite_reliability(np.eye(1)))
    assert np.isnan(composite_reliability(np.zeros((3, 3))))
    assert composite_reliability(np.array([[1, 0.5], [0.5, 1]])) == pytest.approx(2 * (1 - 2 / 3))  # alpha, by hand


def test_everybody_answered_and_nothing_is_weighted():
    with pytest.warns(DataWarning, match="Everybody in the base answered"):
        found = fit(response=["age"])
    assert found.effects["est"].to_numpy() == pytest.approx(fit().effects["est"].to_numpy())


def test_terms_and_weightings_without_an_estimate():
    """Sums to zero, an error larger than the variance, an outcome that a term tells."""
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=50), np.ones(50)
    with pytest.raises(Failed, match="leaves no variance of the index"):
        calibrate(x, np.empty((50, 0)), w, 2.0)
    with pytest.raises(Failed, match="repeat each other"):
        calibrate(np.zeros(50), np.zeros((50, 1)), w, 0.0)
    design = np.column_stack([np.ones(50), x])
    with pytest.raises(Failed):
        scoring(design, (x > 0).astype(float), w, FAMILIES["logit"])
    with pytest.raises(EstimationError, match="Everybody or nobody answered"):
        chance_to_answer(design, w, w)


def test_an_error_that_leaves_no_variance_beside_the_controls():
    """The control is the index but for a noise that is smaller than the error it is said to have."""
    base, answers = tables()
    index = answers[["q1", "q2", "q3"]].mean(axis=1)
    twin = index + np.random.default_rng(5).normal(0, 2, 60)
    with pytest.raises(
        NotIdentifiedError, match=r"'q1 . q2 . q3' .as given. leaves no variance of the index beside the controls"
    ):
        fit(joined(twin=twin), controls=["twin"], reliability=0.5)
    assert len(base) == 60


def test_replicates_without_an_estimate_are_counted_and_left_out():
    """Two of 60 are lost, so that one replicate in seven has none of them."""
    rare = np.zeros(60)
    rare[[4, 40]] = 1
    with pytest.warns(cx.CxWarning) as caught:
        found = Linkage("churned", ["q1", "q2", "q3"], scale=SCALE).fit(joined(churned=rare), bootstrap=40, seed=2)
    lost = [
        str(c.message) for c in caught if "bootstrap replicates have no estimate and are left out" in str(c.message)
    ]
    assert lost == [t for t in found.warnings if "replicates" in t]
    assert lost[0].startswith(f"{found.replicates.failed} of 40")
    assert 0 < found.replicates.failed < 20


def panel(noise):
    rng = np.random.default_rng(2)
    true = rng.normal(70, 4, (40, 1)) + rng.normal(0, 2, (40, 6))
    rows = [
        (c, t, true[c, t] + rng.normal(0, noise), noise, 0.5 * true[c, t - 1] + rng.normal())
        for c in range(40)
        for t in range(6)
    ]
    return pd.DataFrame(rows, columns=["company", "wave", "index", "se", "sales"])


def test_growth_of_an_index_that_is_mostly_sampling_error_is_said():
    with pytest.warns(DataWarning, match="of what the index varies within units and waves is not sampling error"):
        found = growth(panel(3.5), "sales")
    assert 0 < found.reliability < 0.3
    assert any("is fragile" in text for text in found.warnings)
    assert found.effects.loc["corrected", "est"] == pytest.approx(
        found.effects.loc["naive", "est"] / found.reliability
    )
