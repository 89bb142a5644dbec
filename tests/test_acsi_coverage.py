"""Do the intervals of a national study cover the truth? Small here; at full size in ``tests.benchmarks nation-coverage``."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.acsi.population import Population
from cxmodels.errors import SpecError

from .benchmarks.nation import shares as shares_of
from .benchmarks.nation import summed, survey, truth_of


@pytest.fixture(scope="module")
def population():
    return Population.draw(companies=80, years=2, seed=1)


def test_intervals_of_every_level_cover_and_few_unchanged_companies_are_flagged(population):
    table = summed([shares_of(population, 120, seed) for seed in range(2, 6)]).set_index(["level", "construct"])
    whole = table.xs("all", level="construct")
    assert 0.93 < whole.coverage["company"] < 0.965
    assert 0.91 < whole.coverage["industry"] < 0.98
    assert 0.88 < whole.coverage["sector"] <= 1
    assert 0.94 - 3 * whole.se["change, none"] < whole.coverage["change, none"] < 0.98
    # errors as large as they say they are
    assert (whole.rmse / whole.mean_se)[["company", "change", "change, none"]].between(0.95, 1.07).all()


def test_precision_is_of_the_published_order(population):
    """±2 points for a company at 250 interviews, and a fraction of a point for all of them together."""
    found, _ = survey(population, 250, seed=3)
    margin = 1.96 * found[found.construct == "Satisfaction"].groupby("level").se.mean()
    assert 1.5 < margin["company"] < 3.2
    assert margin["nation"] * np.sqrt(80 / 400) < 0.3
    assert margin["company"] > margin["industry"] > margin["sector"] > margin["nation"]


@pytest.mark.filterwarnings("ignore:.*one answer throughout", "ignore:.*replicates failed")
def test_bootstrap_errors_cover_where_the_weights_of_an_index_matter(population):
    """Loyalty is made of two items with unlike means, so that its weights, not only its items, carry sampling error."""
    data = population.sample(150, seed=5).query("year == 2024")
    fixed = cx.SatisfactionIndex().fit(data, by="company", weights="weight", bootstrap=100, seed=1)
    boot = fixed.with_errors("bootstrap")
    ratio = (boot.scores.se / fixed.scores.se).groupby(fixed.scores.construct).mean()
    assert ratio["Loyalty"] > 1.03
    assert ratio[["Quality", "Expectations", "Satisfaction"]].between(0.96, 1.04).all()
    truth = truth_of(population).query("level == 'company' and year == 2024 and construct == 'Loyalty'")
    own = boot.scores.query("construct == 'Loyalty'").merge(truth, left_on="company", right_on="name")
    z = (own["index"] - own.truth) / own.se
    assert 0.8 < np.sqrt((z**2).mean()) < 1.2
    pd.testing.assert_series_equal(boot.scores.se, fixed.scores.se_bootstrap, check_names=False)
    levels = boot.aggregate("nation").set_index("construct").se / fixed.aggregate("nation").set_index("construct").se
    assert levels["Loyalty"] > 1.03
    change = boot.change(boot)
    np.testing.assert_allclose(change.se, np.sqrt(2) * boot.scores.se)


@pytest.mark.filterwarnings("ignore:.*one answer throughout")
def test_bootstrap_errors_need_replicates(population):
    data = population.sample(60, seed=5).query("year == 2024")
    plain = cx.SatisfactionIndex().fit(data, by="company", bootstrap=0)
    with pytest.raises(SpecError, match="80 of 80 units have no replicates; fit with bootstrap=500"):
        plain.with_errors("bootstrap")
    with pytest.raises(SpecError, match="Did you mean 'bootstrap'"):
        plain.with_errors("bootstrapp")
