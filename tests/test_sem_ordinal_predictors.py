"""Ordinal items with predictors: more thresholds than variables, and more categories than rows can carry."""

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.errors import DataError

ITEMS = ["y0", "y1", "y2"]
MODEL = "F =~ y0 + y1 + y2; F ~ z"


def answers(n, seed=1):
    """Answers on 1-10 to three items of a construct that half of z makes; answers given z have the variance 2."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    f = 0.5 * z + rng.normal(size=n)
    latent = {name: 5.5 + 1.8 * (f + rng.normal(size=n)) for name in ITEMS}
    return pd.DataFrame({name: np.clip(np.round(y), 1, 10) for name, y in latent.items()}).assign(z=z)


def test_ten_point_items_with_a_predictor_recover_the_truth():
    res = cx.SEM(MODEL, ordered=ITEMS).fit(answers(3000))
    found = res.estimates.set_index(["lhs", "op", "rhs"])
    for name in ITEMS[1:]:
        assert found.loc[("F", "=~", name), "est"] == pytest.approx(1, abs=3 * found.loc[("F", "=~", name), "se"])
    slope = found.loc[("F", "~", "z")]
    assert slope["est"] == pytest.approx(0.5 / np.sqrt(2), abs=3 * slope["se"])
    edges = (np.arange(1.5, 10) - 5.5) / 1.8 / np.sqrt(2)
    thresholds = [found.loc[("y0", "|", f"t{k}"), "est"] for k in range(1, 10)]
    np.testing.assert_allclose(thresholds, edges, atol=0.12)


def test_as_many_categories_as_rows_are_refused_with_counts():
    data = answers(12).assign(y1=np.arange(12.0))
    with pytest.raises(DataError, match=r"'y1' has 12 ordered categories in 12 rows, too many for a regression"):
        cx.SEM(MODEL, ordered=ITEMS).fit(data)
