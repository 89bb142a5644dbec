"""Residuals, scores and fit measures of further models against lavaan 0.6-14; see reference/cbsem/models."""

import json
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import cxmodels as cx
from cxmodels.errors import ImproperSolutionWarning, NotIdentifiedError

PLACE = Path(__file__).parent / "reference" / "cbsem"
CASES = json.loads((PLACE / "models" / "models.json").read_text())
CASES.pop("software")
OPTIONS = {"estimator": "estimator", "ordered": "ordered", "meanstructure": "mean_structure"}
HOW = {"group": "group", "group.equal": "equal", "sampling.weights": "weights", "cluster": "cluster"}


@cache
def fitted(name):
    call = CASES[name]["call"]
    data = pd.read_csv(PLACE / "data" / call["data"])
    how = {ours: call[theirs] for theirs, ours in HOW.items() if theirs in call}
    how["missing"] = "fiml" if call.get("missing") == "ml" else "listwise"
    spec = cx.SEM(call["model"], **{ours: call[theirs] for theirs, ours in OPTIONS.items() if theirs in call})
    return spec.fit(data, **how)


@pytest.mark.parametrize("name", CASES)
def test_fit_measures(name):
    ours = fitted(name).fit_measures
    assert len(CASES[name]["fit"]) > 30
    for key, value in CASES[name]["fit"].items():
        key = key.replace(".", "_")
        if value is not None:
            # lavaan stops where gradients fall below 1e-5; critical n and the like divide by small numbers
            assert ours[key] == pytest.approx(value, rel=2e-4, abs=3e-5), key
        elif key in ("nfi", "rfi", "nfi_scaled", "rfi_scaled"):
            assert np.isnan(ours[key]), key


RESIDUALS = [(k, kind) for k, v in CASES.items() for kind, found in v["residuals"].items() if found]


# with common parameters lavaan leaves out what the other groups move: tested below
@pytest.mark.parametrize(("name", "kind"), [x for x in RESIDUALS if x != ("strict", "standardized")])
def test_residuals(name, kind):
    res = fitted(name)
    groups = CASES[name]["residuals"][kind]
    groups = groups.values() if isinstance(groups, dict) else groups
    for label, group in zip(res.rows.labels, groups, strict=True):
        theirs = pd.DataFrame(np.array(group["values"], float), group["names"], group["names"])
        ours = res.residuals(kind, label if len(res.rows.labels) > 1 else None).loc[theirs.index, theirs.columns]
        exact = np.abs(res.residuals("raw", label if len(res.rows.labels) > 1 else None)) < 1e-5
        exact = exact.loc[theirs.index, theirs.columns].to_numpy()
        assert not exact.all()
        # some residuals of one item with others are one number by theory, which lavaan gives to two digits
        assert_allclose(ours.to_numpy()[~exact], theirs.to_numpy()[~exact], rtol=1e-2, atol=2e-3)
        assert np.abs(ours.to_numpy()[exact]).max(initial=0.0) < 1e-3


@pytest.mark.parametrize("method", ["regression", "Bartlett"])
@pytest.mark.parametrize("name", [k for k, v in CASES.items() if v["scores"]])
def test_scores(name, method):
    res = fitted(name)
    theirs = CASES[name]["scores"][method]
    ours = res.scores(method.lower())[res.rows.codes == 0].head(8)[theirs["names"]]
    values = pd.DataFrame(np.array(theirs["values"], float), ours.index, ours.columns)
    if method == "regression" and name.startswith("mimic"):  # by its own moments lavaan's are off for this construct
        ours, values = ours.drop(columns="dem65"), values.drop(columns="dem65")
    assert_allclose(ours, values, rtol=1e-3, atol=3e-4)


def test_regression_scores_are_conditional_expectations():
    res = fitted("mimic")
    items, latent = res.implied()[0], ["dem60", "dem65"]
    data = pd.read_csv(PLACE / "data" / "PoliticalDemocracy.csv")[list(items)]
    block, s = res.estimate.blocks[0], res.estimate.states[0]
    across = s.cov[[block.names.index(n) for n in latent], : block.p]
    expected = (data - data.mean()).to_numpy() @ np.linalg.solve(items.to_numpy(), across.T)
    ours = res.scores()[latent].to_numpy()
    assert_allclose(ours - ours.mean(axis=0), expected, atol=1e-8)


def test_scores_do_not_depend_on_whether_means_are_modelled():
    case = CASES["mimic"]["call"]
    data = pd.read_csv(PLACE / "data" / case["data"])
    for method in ("regression", "bartlett"):
        modelled = cx.SEM(case["model"], mean_structure=True).fit(data).scores(method)
        assert_allclose(fitted("mimic").scores(method), modelled, atol=1e-5)


def test_standardised_residuals_of_groups_with_common_parameters_have_their_variance():
    """By what efficient estimates leave: cov(r) = cov(s) - J cov(estimates) J'."""
    res = fitted("strict")
    e = res.estimate
    found = res.residuals("standardized", res.rows.labels[0])
    raw = res.residuals("raw", res.rows.labels[0]).to_numpy()
    s, p = e.states[0].cov[:9, :9], 9
    rows, cols = (np.triu_indices(p)[1], np.triu_indices(p)[0])
    normal = (s[rows, rows] * s[cols, cols] + s[rows, cols] ** 2) / e.data.samples[0].n
    jacobian = e.jacobians[0][p:]
    left = normal - np.einsum("kq,qr,kr->k", jacobian, res.free_vcov, jacobian)
    # the sample moments stand in for those of the model in cov(s), so up to the misfit
    assert_allclose(found.to_numpy()[rows, cols], raw[rows, cols] / np.sqrt(left), rtol=0.35, atol=0.15)


def test_reversed_paths_are_modification_indices_too():
    theirs = pd.DataFrame(CASES["mimic"]["modindices"]).set_index(["lhs", "op", "rhs"])
    ours = fitted("mimic").modification_indices().set_index(["lhs", "op", "rhs"])
    both = [k for k in theirs.index if k in ours.index and k[0] not in ("x1", "x2")]
    assert len(both) >= 3
    assert_allclose(ours.loc[both, "mi"], theirs.loc[both, "mi"], rtol=2e-3, atol=1e-3)
    assert ("x1", "~", "dem65") in ours.index


def test_with_one_degree_of_freedom_all_modification_indices_are_the_same():
    res = cx.SEM("y1 ~ x1 + x2; x1 ~ x2 + x3").fit(cx.datasets.load("democracy"))
    found = res.modification_indices().query("op == '~' and mi > 1e-6")
    assert res.fit_measures["df"] == 1
    assert len(found) >= 4
    assert np.ptp(found["mi"]) < 1e-6


def test_a_model_that_no_data_could_identify_is_refused_and_a_flat_solution_is_told():
    data = cx.datasets.load("democracy")
    bifactor = "g =~ y1 + y2 + y3 + y4 + y5 + y6 + y7 + y8; d60 =~ y1 + y2 + y3 + y4; d65 =~ y5 + y6 + y7 + y8"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImproperSolutionWarning)
        res = cx.SEM(bifactor, orthogonal=True).fit(data)
    assert any("under-identification" in line for line in res.warnings)
    assert not res.proper
    known = res.estimates["se"].notna()
    assert 0 < (~known).sum() < 8
    assert res.modification_indices()["mi"].notna().all()
    assert np.isfinite(res.fit_measures["chisq"])
    # four items of which two measure a second factor: no data could tell its two loadings from its variance
    with pytest.raises(NotIdentifiedError, match="s =~ y2"):
        cx.SEM("g =~ y1 + y2 + y3 + y4 + y5; s =~ y1 + y2", orthogonal=True).fit(data)


def test_definitions_keep_their_standard_errors_where_other_parameters_have_none():
    model = "g =~ y1 + y2 + y3 + y4 + y5 + y6 + y7 + y8; d60 =~ y1 + y2 + y3 + y4; d65 =~ y5 + y6 + y7 + y8"
    model += "; x1 ~ a*x2 + b*x3; both := a + b"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImproperSolutionWarning)
        res = cx.SEM(model, orthogonal=True).fit(cx.datasets.load("democracy"))
    lines = res.estimates.set_index("lhs")
    assert res.estimates["se"].isna().any()
    assert lines.loc["both", "se"] > 0
