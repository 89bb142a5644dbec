"""Customers at several snapshots are held out whole, or cross-validation would judge a model by what it remembers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.churn.encoding import Table
from cxmodels.churn.selection import hold_out
from cxmodels.errors import DataError


def snapshots(customers=250, times=4, seed=1):
    """Features of a customer hardly change from snapshot to snapshot, and neither does what becomes of him."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(customers), times)
    traits = rng.normal(size=(customers, 6))
    left = rng.random(customers) < 1 / (1 + np.exp(1 - 0.7 * traits[:, 0]))
    x = pd.DataFrame(traits[who] + rng.normal(0, 0.02, (len(who), 6)), columns=list("abcdef"))
    return x, left[who].astype(int), who


def test_a_customer_lies_in_one_fold_only():
    x, y, who = snapshots()
    marks = pd.util.hash_array(who.astype(str).astype(object), categorize=False)
    table = Table([c.to_numpy() for _, c in x.items()], [])
    fold = hold_out(table, y, np.ones(len(y)), 5, 0, marks)
    assert pd.Series(fold).groupby(who).nunique().eq(1).all()
    assert sorted(np.unique(fold)) == [0, 1, 2, 3, 4]
    rates = pd.Series(y).groupby(fold).mean()
    assert rates.max() - rates.min() < 0.03


def test_named_customers_take_the_flattery_out_of_cross_validation():
    x, y, who = snapshots()
    choice = {"candidates": ["deep"], "folds": 3, "drop_noise": False, "totals": False}
    flattered = cx.Churn(**choice).fit(x, y)
    honest = cx.Churn(**choice).fit(x, y, groups=who)
    new, truth, _ = snapshots(seed=9)
    told = {k: m.candidates_.auc[0] for k, m in {"flattered": flattered, "honest": honest}.items()}
    real = honest.evaluate(new, truth).auc
    assert told["flattered"] - real > 0.1
    assert abs(told["honest"] - real) < 0.08
    turn = np.random.default_rng(2).permutation(len(y))
    again = cx.Churn(**choice).fit(x.iloc[turn], y[turn], groups=who[turn])
    np.testing.assert_allclose(again.predict_proba(new), honest.predict_proba(new), atol=1e-6)


@pytest.mark.parametrize(
    ("groups", "said"),
    [([1, 2], "2 groups for"), ([None] * 1000, "blank in 1000 rows"), (["a"] * 1000, "one customer")],
)
def test_bad_groups_are_refused(groups, said):
    x, y, _ = snapshots()
    with pytest.raises(DataError, match=said):
        cx.Churn(candidates=["linear"]).fit(x, y, groups=groups)
