"""Metrics against the closed forms and R's survey 4.1 in tests/reference/drivers, and what comes in and is said."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest

import cxmodels as cx
from cxmodels import metrics as m
from cxmodels.errors import DataWarning
from tests.metric_answers import GOLD, HOTEL, IMPORTANCE, QUALITY, SIM, near, yes

SURVEY = {"rel": 0, "abs": 1e-6}  # R's survey, printed with fewer digits


def nps_answers(case):
    return [10] * case["promoters"] + [8] * case["passives"] + [4] * case["detractors"]


# -- the reference numbers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", GOLD["nps_counts"], ids=lambda c: f"n={c['n']}")
def test_nps_of_counts(case):
    answers = nps_answers(case)
    clip = lambda ends: [max(ends[0], -100), min(ends[1], 100)]  # noqa: E731
    raw = m.nps(answers)
    assert (raw.value, raw.se, raw.n) == (near(case["nps"]), near(case["se"]), case["n"])
    assert [raw.ci_lower, raw.ci_upper] == near(clip(case["adjusted_wald"]["ci95"]))
    wald, t = m.nps(answers, interval="wald"), m.nps(answers, interval="t")
    assert [wald.ci_lower, wald.ci_upper] == near(clip(case["ci95_wald"]))
    assert t.se == near(case["se_n_minus_1"])
    assert [t.ci_lower, t.ci_upper] == near(clip(case["ci95_t"]))
    assert sum(raw.parts.values()) == near(1)


def test_nps_difference():
    first, second, *_ = GOLD["nps_counts"]
    gold = GOLD["nps_difference_case2_minus_case1"]
    d = m.difference(m.nps(nps_answers(second)), m.nps(nps_answers(first)))
    assert (d.value, d.se) == (near(gold["diff"]), near(gold["se"]))
    assert (d.parts["t"], d.parts["pvalue"]) == (near(gold["z"]), near(gold["p_two_sided"]))
    assert [d.ci_lower, d.ci_upper] == near(gold["ci95"])
    both = nps_answers(second) + nps_answers(first)
    wave = ["b"] * second["n"] + ["a"] * first["n"]
    row = m.differences(m.nps, both, by=wave).iloc[0]
    assert [row["difference"], row["se"], row["t"], row["pvalue"]] == near([d.value, d.se, *d.parts.values()])


@pytest.mark.parametrize("case", GOLD["proportions"]["cases"], ids=lambda c: f"{c['x']}-{c['n']}")
@pytest.mark.parametrize("interval", ["wilson", "wald", "agresti_coull", "clopper_pearson"])
def test_share(case, interval):
    for e in (
        m.rate(yes(case["x"], case["n"]), interval=interval),
        m.proportion(case["x"], case["n"], interval=interval),
    ):
        assert (e.value, e.se) == (near(case["share"]), near(case["se"]))
        lower, upper = case[f"ci95_{interval}"]
        assert [e.ci_lower, e.ci_upper] == near([max(lower, 0), min(upper, 1)])


def test_share_has_many_names():
    answers = yes(37, 50)
    for metric in (m.fcr, m.response_rate, m.conversion, m.churn_rate, m.retention_rate):
        assert metric(answers).frame["ci_lower"][0] == near(0.6044684273515)
    assert m.csat([5] * 37 + [3] * 13).ci_upper == near(0.8412847250645)


def test_ces():
    gold = GOLD["ces_1_to_7"]
    mean = m.ces(gold["ratings"])
    assert [mean.value, mean.se, mean.ci_lower, mean.ci_upper] == near([gold["mean"], gold["se"], *gold["ci95_t"]])
    assert mean.parts["sd"] == near(gold["sd"])
    for interval in ("wilson", "wald", "agresti_coull", "clopper_pearson"):
        top = m.ces(gold["ratings"], measure="top_box", interval=interval)
        assert top.value == near(0.75)
        assert [top.ci_lower, top.ci_upper] == near(np.clip(gold["top_box_5_7"][f"ci95_{interval}"], 0, 1).tolist())
    assert m.ces(gold["ratings"], measure="net").value == near(gold["net_ces"])
    turned = [8 - x for x in gold["ratings"]]
    assert m.ces(turned, measure="net", reverse=True).value == near(gold["net_ces"])


def test_times():
    gold = GOLD["response_time_minutes"]
    mean = m.first_response_time(gold["values"])
    assert [mean.value, mean.se] == near([gold["mean"], gold["se"]])
    assert [mean.ci_lower, mean.ci_upper] == near(gold["ci95_t"], rel=1e-9)  # old quantiles of t have 10 digits
    assert m.duration(gold["values"], measure="median").value == near(gold["median"])
    assert m.duration(gold["values"], measure="p90").value == near(gold["p90_linear_interpolation"])
    geometric = m.duration(gold["values"], measure="geometric_mean")
    assert geometric.value == near(gold["geometric_mean"])
    assert [geometric.ci_lower, geometric.ci_upper] == near(gold["geometric_mean_ci95"])
    within = m.resolution_time(gold["values"], measure="within", target=60)
    assert [within.value, within.se] == near([0.8, gold["share_within_60"]["se"]])
    assert [within.ci_lower, within.ci_upper] == near(gold["share_within_60"]["ci95_wilson"])


def test_churn_and_retention():
    gold = GOLD["churn_retention"]
    counts = {"start": gold["customers_start"], "end": gold["customers_end"], "new": gold["new_customers"]}
    churn, kept = m.churn_rate(**counts), m.retention_rate(**counts)
    assert (churn.value, kept.value) == (near(gold["churn"]), near(gold["retention"]))
    assert [churn.ci_lower, churn.ci_upper] == near(gold["churn_ci"]["ci95_wilson"])
    assert m.annual(0.02).value == near(gold["annual_from_monthly_churn_2pct"])
    assert m.lifetime(churn).value == near(gold["expected_lifetime_periods"])
    year = m.annual(churn)
    assert [year.ci_lower, year.ci_upper] == near([1 - (1 - e) ** 12 for e in gold["churn_ci"]["ci95_wilson"]])


def test_clv():
    gold = GOLD["clv"]
    given = (gold["margin"], gold["retention"], gold["discount"])
    assert m.clv(*given).value == near(gold["infinite_first_margin_now"])
    later = m.clv(*given, convention="first_margin_later")
    assert later.value == near(gold["infinite_first_margin_after_one_period"])
    finite = m.clv(*given, convention="finite", periods=5)
    assert finite.value == near(gold["finite_5_periods_t0_to_4"])
    assert len({m.clv(*given).method, later.method, finite.method}) == 3


def test_csi_of_respondents():
    gold = GOLD["csi_respondent_data"]
    e = m.csi(IMPORTANCE, QUALITY, data=HOTEL, names=gold["components"])
    assert (e.value, e.se) == (near(gold["csi_pct"]), near(gold["se_pct_linearised"]))
    assert [e.ci_lower, e.ci_upper] == near(gold["ci95_normal_pct"])
    table = e.leaves
    assert list(table.index) == gold["components"]
    assert table["importance"].tolist() == near(gold["mean_importance"])
    assert table["quality"].tolist() == near(gold["mean_quality"])
    assert table["weight"].tolist() == near(gold["weights"])
    assert (table["weight"] * table["quality"]).tolist() == near(gold["weighted_quality"])
    assert table["dissatisfied"].tolist() == near(gold["share_dissatisfied_1_2_3"])
    assert (1 - table["dissatisfied"]).tolist() == near(gold["share_satisfied_4_5"])
    assert table["contribution"].sum() == near(e.value)
    assert m.csi(IMPORTANCE, QUALITY, data=HOTEL, form="index").value == near(gold["csi_pct_rescaled_0_100"])
    assert m.csi(IMPORTANCE, QUALITY, data=HOTEL, se="jackknife").se == near(gold["se_pct_jackknife"])
    own = m.csi(IMPORTANCE, QUALITY, data=HOTEL, average="respondents")
    assert [own.value, own.se] == near([gold["respondent_level"]["csi_pct"], gold["respondent_level"]["se_pct"]])
    assert m.csi_scores(IMPORTANCE, QUALITY, data=HOTEL).mean() == near(own.value)


def test_csi_of_the_hotel_by_hand():
    gold = GOLD["csi_hotel_hand"]
    names = gold["components"]
    ours = m.csi(gold["importance"], gold["quality"], names=names)
    theirs = m.csi(gold["importance"], gold["competitor_quality"], names=names)
    assert round(ours.value, 4) == 78.0558
    assert ours.value == near(gold["csi_pct"])
    assert ours.value / 100 * 5 == near(gold["csi_points"])
    assert np.isnan(ours.se)
    assert m.csi(gold["importance"], gold["quality"], form="index").value == near(gold["csi_pct_rescaled_0_100"])
    assert theirs.value == near(gold["competitor_csi_pct"])
    assert ours.value - theirs.value == near(gold["csi_gap_pct"])
    assert ours.leaves["weight"].to_dict() == near(gold["weights"])
    for competitor in (dict(zip(names, gold["competitor_quality"], strict=True)), theirs):
        profile = m.profile(ours, competitor)
        assert profile["gap"].to_dict() == near(gold["profile_gap_vs_competitor"])
        assert profile["contribution"].to_dict() == near(gold["gap_contribution_pct"])
    gap = ours.leaves["importance"] - ours.leaves["quality"]
    assert gap.to_dict() == near(gold["importance_minus_quality"])


@pytest.mark.parametrize(
    ("cut", "case"),
    [("mean", "mean_cut"), ("midpoint", "scale_midpoint_cut"), ("strict", "neutral_is_dissatisfied_cut")],
)
def test_quadrants(cut, case):
    gold = GOLD["csi_hotel_hand"]
    expected = gold[f"ipa_{case}"]
    table = m.csi(gold["importance"], gold["quality"], names=gold["components"]).quadrants(cut)
    assert table["importance_cut"].iloc[0] == near(expected["importance_cut"])
    assert table["quality_cut"].iloc[0] == near(expected["performance_cut"])
    assert table["quadrant"].to_dict() == expected["quadrants"]
    same = m.quadrants(table["importance"], table["quality"], cut=tuple(table.iloc[0, 2:4]))
    pd.testing.assert_frame_equal(same, table)


DESIGNS = {
    "unweighted": {"weights": np.ones(600)},
    "weighted": {"weights": "weight"},
    "strata_clusters": {"weights": "weight", "strata": "stratum", "clusters": "psu"},
}


@pytest.mark.parametrize("case", DESIGNS)
def test_survey_standard_errors(case):
    gold, design = GOLD["cx_survey_weighted"][case], DESIGNS[case]
    nps = m.nps("nps", data=SIM, interval="t", **design)
    assert [nps.value, nps.se] == near([gold["nps"]["estimate"], gold["nps"]["se"]], **SURVEY)
    assert [nps.ci_lower, nps.ci_upper] == near(gold["nps"]["ci95_t"], **SURVEY)
    assert nps.df == gold["nps"]["df"]
    if case != "strata_clusters":  # there the normal interval gives way to Student's
        wald = m.nps("nps", data=SIM, interval="wald", **design)
        assert [wald.ci_lower, wald.ci_upper] == near(gold["nps"]["ci95_normal"], **SURVEY)
    top = m.csat("csat", data=SIM, **design)
    assert [top.value, top.se] == near([gold["csat_top2_share"][k] for k in ("estimate", "se")], **SURVEY)
    mean = m.csat("csat", data=SIM, measure="mean", **design)
    assert [mean.value, mean.se] == near([gold["csat_mean"][k] for k in ("estimate", "se")], **SURVEY)
    assert [mean.ci_lower, mean.ci_upper] == near(gold["csat_mean"]["ci95_t"], **SURVEY)


def test_survey_domains_and_effective_sample():
    gold = GOLD["cx_survey_weighted"]
    frame = m.nps("nps", data=SIM, weights="weight", by="segment").set_index("segment")
    for segment, expected in gold["weighted_nps_by_segment"].items():
        assert frame.loc[segment, ["value", "se"]].tolist() == near([expected["nps"], expected["se"]], **SURVEY)
    e = m.nps("nps", data=SIM, weights="weight")
    assert (e.n, e.n_eff) == (gold["kish"]["n"], near(gold["kish"]["n_eff"]))
    assert e.n / e.n_eff == near(gold["kish"]["deff"])


# -- what comes in, and what is said ------------------------------------------------------------------------------


def test_any_kind_of_answers():
    plain = [10, 9, 3, None, 8]
    expected = m.nps(plain)
    assert (expected.n, expected.missing) == (4, 1)
    survey = cx.Survey({"q": plain, "w": [1, 1, 1, 1, 1]}, {"items": {"q": {"scale": [0, 10]}}})
    for other in (
        m.nps(pd.Series(plain)),
        m.nps(pd.Series(plain, dtype="Int64")),
        m.nps(pl.Series("q", plain)),
        m.nps(np.array([10, 9, 3, np.nan, 8])),
        m.nps("q", data=pl.DataFrame({"q": plain})),
        m.nps("q", data=survey),
    ):
        assert other == expected
    brought = cx.Survey({"q": plain, "w": [1, 2, 3, 4, 5]}, {"weights": "w"})
    assert m.nps("q", data=brought).value == near(100 * (3 - 3) / 11)
    assert expected.excluded["rows"].tolist() == [1]


def test_zero_weights_leave_rows_out():
    e = m.csat([5, 4, 1, 2], weights=[1, 1, 0, 1])
    assert (e.n, e.missing, e.value) == (3, 1, near(2 / 3))


def test_groups_keep_their_order_and_are_all_shown():
    by = pd.Categorical(["Q4", "Q1", "Q4", "Q1", "Q2"], categories=["Q4", "Q1", "Q2", "Q3"])
    frame = m.csat([5, 4, 3, 2, None], by=by)
    assert frame["group"].tolist() == ["Q4", "Q1", "Q2"]
    assert frame["n"].tolist() == [2, 2, 0]
    assert np.isnan(frame["value"].iloc[2])
    two = m.nps("nps", data=SIM, by=["segment", "stratum"])
    assert two.columns[:2].tolist() == ["segment", "stratum"]
    assert two["n"].sum() == 600
    with pytest.warns(DataWarning, match="1 of 3 rows without 'group'"):
        m.csat([5, 4, 3], by=["a", None, "b"])


def test_a_single_answer_has_no_standard_error():
    e = m.csat([4], measure="mean")
    assert np.isnan([e.se, e.ci_lower, e.ci_upper]).all()
    assert "unknown" in repr(e)


def test_estimates_show_themselves():
    e = m.nps([10, 9, 3, None, 8])
    assert "1 rows without an answer left out" in repr(e)
    assert "adjusted Wald" in e._repr_html_()
    assert e.frame.columns[:5].tolist() == ["metric", "value", "se", "ci_lower", "ci_upper"]
    assert "Components" in m.csi(IMPORTANCE, QUALITY, data=HOTEL)._repr_html_()
    assert float(e) == e.value


def test_scale_confirmed_lets_all_detractors_pass():
    assert m.nps([1, 2, 3, 4, 5], scale=(0, 10)).value == -100
    assert m.nps([3, 3, 3]).value == -100
    assert m.nps([0, 2, 3]).value == -100


def test_nothing_warns_without_reason():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        halves = m.csi(IMPORTANCE, QUALITY, data=HOTEL, by=np.arange(60) % 2)
        times = m.duration([1, 2, 3], measure=["mean", "median", "p90", "geometric_mean"])
    alone = [m.csi(IMPORTANCE, QUALITY, data=HOTEL.iloc[start::2]) for start in (0, 1)]
    assert halves["value"].tolist() == near([e.value for e in alone])
    assert halves["se"].tolist() == near([e.se for e in alone])
    assert times["value"].tolist() == near([2, 2, 2.8, 6 ** (1 / 3)])
