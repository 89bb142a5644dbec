"""What a newcomer calls first and wrongly: a path, a table or a result where something else is meant; one sentence each."""

import warnings

import pytest

import cxmodels as cx
from cxmodels.errors import CxError

MODEL = "Quality =~ PERQ1 + PERQ2 + PERQ3; Satisfaction =~ CUSA1 + CUSA2; Satisfaction ~ Quality"
SURVEY = cx.datasets.survey("mobi")
PATHS = cx.PLS(MODEL).fit(SURVEY)

CALLS = {
    "a study of a path": (lambda: cx.Study("file.toml"), r"Study\.from_toml\('study.toml'\).*not from 'file.toml' alone"),
    "a study of nothing": (lambda: cx.Study(), r"A study is made by Study\.from_toml"),
    "a study of a survey": (lambda: cx.Study(SURVEY), r"not from a Survey alone"),
    "a study of a path, by of": (lambda: cx.Study.of("file.toml"), r"Study\.of\(\) takes a mapping.*'file.toml'; Study\.from_toml"),
    "a study file that is a mapping": (lambda: cx.Study.from_toml({"title": "x"}), r"takes the name of a file, not \{'title'"),
    "a survey read twice": (lambda: cx.read_survey(SURVEY), r"read_survey\(\) takes the name of a file, not a Survey"),
    "a list of files": (lambda: cx.read_surveys(["a.csv"]), r"read_surveys\(\) takes the name of a file, not \['a.csv'\]"),
    "many files as one": (lambda: cx.read_survey("in/{company}.csv"), r"stands for many files: .*read_surveys"),
    "a survey of a path": (lambda: cx.Survey("phones.sav"), r"To read a file use cxmodels\.read_survey"),
    "a model that is a file": (lambda: cx.PLS("model.txt"), r"'model.txt' is the name of a file"),
    "an index of a study file": (lambda: cx.SatisfactionIndex("study.toml"), r"'study.toml' is the name of a file"),
    "a model that is a survey": (lambda: cx.SEM(SURVEY), r"A model is text.*not Survey"),
    "data beside the model, PLS": (lambda: cx.PLS(MODEL, SURVEY), r"Unknown scheme a Survey; choose from 'path'"),
    "data beside the model, SEM": (lambda: cx.SEM(MODEL, SURVEY), r"Unknown estimator a Survey; choose from 'ML'"),
    "a path to fit": (lambda: cx.PLS(MODEL).fit("phones.sav"), r"read a file use cxmodels\.read_survey"),
    "a result to fit": (lambda: cx.SEM(MODEL).fit(PATHS), r"not of type PLSResult"),
    "drivers of a survey": (lambda: cx.Drivers(SURVEY, ["q"]), r"name of one column, not a Survey"),
    "churn from a path": (lambda: cx.Churn().fit("x.csv", [0, 1]), r"X must be a table.*not 'x.csv'"),
    "churn from a survey": (lambda: cx.Churn().fit(SURVEY, [0, 1]), r"X must be a table.*give its \.frame"),
    "churn of a table": (lambda: cx.Churn(SURVEY.frame).fit(SURVEY.frame, [0, 1] * 125), r"candidates are names.*not a DataFrame"),
    "a benchmark of a survey": (lambda: cx.acsi.Benchmark(SURVEY), r"takes a SatisfactionIndex.*not a Survey"),
    "a benchmark of a path": (lambda: cx.acsi.Benchmark("study.toml"), r"takes a SatisfactionIndex.*not 'study.toml'"),
    "a history of a table": (lambda: cx.History(SURVEY), r"History\(\) takes the name of a file, not a Survey"),
    "survival of a survey": (lambda: cx.churn.KaplanMeier(SURVEY), r"Unknown interval=a Survey"),
    "results that are none": (lambda: cx.compare("a", "b"), r"takes fitted models"),
    "a report of a path model": (lambda: cx.report.write_study(PATHS, "x"), r"takes a StudyResult, as Study\.run gives, not a PLSResult"),
    "a benchmark report of a path model": (lambda: cx.report.nation_html(PATHS), r"made by cxmodels\.acsi\.Benchmark\.fit"),
    "a driver report of a path model": (lambda: cx.report.write_drivers(PATHS, "x"), r"takes a DriverReport.*deliverable"),
    "a worth report of a path model": (lambda: cx.report.write_worth(PATHS, "x"), r"takes a SatisfactionWorth.*value_of_satisfaction"),
    "a linkage report of a path model": (lambda: cx.report.write_linkage(PATHS, "x"), r"takes a LinkageResult.*Linkage\.fit"),
    "an uplift report of a path model": (lambda: cx.report.write_uplift(PATHS, "x"), r"takes a Qini.*cx\.churn\.qini"),
    "a SEM diagram of a path model": (lambda: cx.report.sem_diagram(PATHS), r"takes a SEMResult.*SEM\.fit"),
    "a diagram with a path": (lambda: PATHS.diagram(path="d.svg"), r"no option 'path'\. The drawing's write\(path\) saves it"),
    "metrics of a survey": (lambda: cx.metrics.nps(SURVEY), r"one number for each row, not Survey"),
}  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
def test_a_wrong_call_is_answered_in_one_sentence(call):
    make, said = CALLS[call]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(CxError, match=said) as caught:
            make()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_net_score_of_a_seven_point_question_is_refused_unless_confirmed():
    answers = [1, 2, 3, 4, 5, 6, 7] * 5
    with pytest.raises(CxError, match=r"All 35 answers of .* lie in 1-7, as on a seven-point question"):
        cx.metrics.nps(answers)
    assert cx.metrics.nps(answers, scale=(0, 10)).value == pytest.approx(-100 * 6 / 7)
    assert cx.metrics.nps([7, 6, 3]).value == pytest.approx(-200 / 3)
