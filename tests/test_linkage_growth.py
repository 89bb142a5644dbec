"""Indices of companies against their growth: statsmodels where the index is exact, known truth where it is not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from cxmodels.errors import DataError, DataWarning, NotIdentifiedError, SpecError
from cxmodels.linkage import growth

EFFECT = 0.3


def panel(seed, companies=80, waves=8, noise=1.2, missing=0.0):
    """Companies whose growth follows last wave's true index, and an index with a known standard error."""
    rng = np.random.default_rng(seed)
    true = rng.normal(70, 5, (companies, 1)) + rng.normal(0, 1, waves) + rng.normal(0, 1.6, (companies, waves))
    se = np.broadcast_to(rng.uniform(0.6, 1.4, (companies, 1)) * noise, true.shape)
    price = rng.normal(size=true.shape)
    sales = rng.normal(0, 2, (companies, 1)) + rng.normal(0, 1, waves) + rng.normal(0, 1, true.shape) - 0.5 * price
    sales[:, 1:] += EFFECT * (true[:, :-1] - 70)
    who, wave = np.meshgrid(np.arange(companies), 2015 + np.arange(waves), indexing="ij")
    columns = {
        "company": who,
        "wave": wave,
        "index": true + rng.normal(0, 1, true.shape) * se,
        "se": se,
        "sales": sales,
        "price": price,
    }
    frame = pd.DataFrame({k: np.ravel(v) for k, v in columns.items()})
    return frame[rng.random(len(frame)) >= missing].reset_index(drop=True)


def test_without_error_it_is_least_squares_with_dummies_and_robust_to_clusters():
    data = panel(1, companies=40, waves=6, missing=0.1)
    got = growth(data.assign(se=0.0), "sales", controls=["price"])
    rows = got.rows
    dummies = [pd.get_dummies(rows[k], drop_first=True, dtype=float) for k in ("unit", "wave")]
    x = sm.add_constant(
        pd.concat([rows[["index", "price"]], *[d.add_prefix(n) for d, n in zip(dummies, "uw", strict=True)]], axis=1)
    )
    peer = sm.OLS(rows["outcome"], x).fit()
    assert got.effects.loc["corrected", "est"] == pytest.approx(peer.params["index"], abs=1e-9)
    assert got.estimates.loc["price", "est"] == pytest.approx(peer.params["price"], abs=1e-9)
    clustered = sm.OLS(rows["outcome"], x).fit(
        cov_type="cluster", cov_kwds={"groups": pd.factorize(rows["unit"])[0], "use_correction": False}
    )
    units = rows["unit"].nunique()
    assert got.estimates["se"].to_numpy() == pytest.approx(
        clustered.bse[["index", "price"]] * np.sqrt(units / (units - 1)), rel=1e-6
    )
    assert got.reliability == 1.0


def test_the_lag_takes_the_wave_before_and_says_who_is_left_out():
    data = panel(2, companies=10, waves=5)
    data.loc[data["company"].eq(3) & data["wave"].eq(2016), "index"] = np.nan
    with pytest.warns(DataWarning, match="With 10 units"):
        got = growth(data, "sales")
    assert got.n_obs == 10 * 4 - 1
    assert got.excluded.set_index("reason")["rows"].to_dict() == {"no index 1 wave before": 11}
    row = got.rows[(got.rows["unit"] == 0) & (got.rows["wave"] == 2018)]
    assert row["index"].item() == data[(data["company"] == 0) & (data["wave"] == 2017)]["index"].item()
    with pytest.warns(DataWarning, match="With 10 units"):
        levels = growth(data.assign(level=np.exp(data["sales"] / 100)), "level", change="log")
    assert levels.rows["outcome"].iloc[0] == pytest.approx((data["sales"].iloc[1] - data["sales"].iloc[0]) / 100)


def test_the_error_of_the_index_is_corrected_and_intervals_hold():
    """In 30 panels: the naive effect loses a third, the corrected one nothing, and intervals hold the truth."""
    out = []
    for seed in range(30):
        got = growth(panel(seed, missing=0.05), "sales")
        e = got.effects.loc["corrected"]
        out.append(
            [
                got.effects.loc["naive", "est"],
                e["est"],
                e["se"],
                e["ci_lower"] <= EFFECT <= e["ci_upper"],
                got.reliability,
            ]
        )
    naive, est, se, inside, reliability = np.array(out).T
    assert naive.mean() < 0.8 * EFFECT
    assert naive.mean() == pytest.approx(EFFECT * reliability.mean(), rel=0.05)
    assert abs(est.mean() - EFFECT) < 3 * est.std() / np.sqrt(30)
    assert inside.mean() > 0.83
    assert se.mean() == pytest.approx(est.std(), rel=0.3)


def test_it_shows_itself():
    got = growth(panel(3), "sales")
    assert "1 wave before" in got.summary()
    assert got.effects.index.tolist() == ["naive", "corrected"]
    assert 0 < got.reliability < 1


@pytest.mark.parametrize(
    ("change", "options", "error", "text"),
    [
        (lambda p: p, {"outcome": "sale"}, DataError, "Did you mean 'sales'"),
        (lambda p: p.assign(se=9.0), {}, NotIdentifiedError, "varies no more"),
        (lambda p: p.assign(se=-1.0), {}, DataError, "below 0"),
        (lambda p: pd.concat([p, p.head(3)]), {}, DataError, "3 rows repeat"),
        (lambda p: p, {"lag": 20}, DataError, "too few for a lag"),
        (lambda p: p, {"lag": -1}, SpecError, "0 or more"),
        (lambda p: p, {"change": "log"}, DataError, "has no logarithm"),
        (lambda p: p, {"change": "logs"}, SpecError, "Did you mean 'log'"),
        (lambda p: p.assign(k=1.0), {"controls": ["k"]}, NotIdentifiedError, "do not vary"),
        (lambda p: p[p["company"] < 2], {}, DataError, "too few"),
        (lambda p: p.assign(company=None), {}, DataError, "blank in"),
        (lambda p: p.assign(index="a"), {}, DataError, "holds text"),
    ],
)
def test_bad_panels(change, options, error, text):
    given = {"outcome": "sales"} | options
    with pytest.raises(error, match=text) as caught:
        growth(change(panel(1)), **given)
    assert "\n" not in str(caught.value)
