"""Studies by covariance-based SEM and consistent PLS: options, tables, report, files."""

import json
import re
import sys
import warnings
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.errors import CxError, CxWarning, SpecError
from cxmodels.report import result_json, study_html, write_study

MODEL = """
Image =~ IMAG1 + IMAG4 + IMAG5
Satisfaction =~ CUSA1 + CUSA2 + CUSA3
Loyalty =~ CUSL1 + CUSL3
Satisfaction ~ Image
Loyalty ~ Satisfaction
"""


def content(**changes):
    out = {
        "title": "Phones",
        "name": "phones",
        "data": {"dataset": "mobi"},
        "model": {"text": MODEL},
        "options": {"engine": "sem"},
    }
    for key, value in changes.items():
        out[key] = {**out.get(key, {}), **value} if isinstance(value, dict) else value
    return out


def run(**changes):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CxWarning)
        return cx.Study.of(content(**changes)).run()


@pytest.fixture(scope="module")
def result():
    return run()


@pytest.fixture(scope="module")
def direct():
    return cx.SEM(MODEL).fit(cx.datasets.load("mobi"))


def test_frames_are_those_of_the_model(result, direct):
    frames = result.frames
    wanted = {
        "indices", "impacts", "estimates", "paths", "loadings", "index_weights", "r_squared", "reliability", "htmt",
        "fit_measures", "modification_indices", "residual_correlations", "fornell_larcker", "items", "excluded",
    }  # fmt: skip
    assert set(frames) == wanted
    np.testing.assert_allclose(frames["paths"]["est"], direct.estimates.query("op == '~'")["est"])
    np.testing.assert_allclose(frames["paths"]["ci_upper"], direct.estimates.query("op == '~'")["ci_upper"])
    assert list(frames["loadings"].columns[:3]) == ["construct", "item", "est"]
    measures = frames["fit_measures"].set_index("measure")["value"]
    assert measures["chisq"] == pytest.approx(direct.fit_measures["chisq"])
    np.testing.assert_allclose(result.index.scores["index"], direct.index((1, 10)))
    mobi = cx.datasets.load("mobi")
    items = frames["items"].set_index("item")
    np.testing.assert_allclose(items["mean"], mobi[items.index].mean())
    np.testing.assert_allclose(items["sd"], mobi[items.index].std())
    assert result.bootstrap is None
    assert result.converged
    assert result.proper


def test_replicates_are_drawn_where_asked_for(direct):
    booted = run(bootstrap={"replicates": 40, "seed": 1})
    again = direct.bootstrap(40, seed=1)
    np.testing.assert_allclose(booted.frames["paths"]["se"], again.estimates.query("op == '~'")["se"])
    assert booted.index.scores["se_bootstrap"].notna().all()
    assert booted.provenance["bootstrap"]["replicates"] == 40
    assert "40 replicates" in study_html(booted)


class Page(HTMLParser):
    """Ids and what is loaded from elsewhere."""

    def __init__(self):
        super().__init__()
        self.ids, self.loaded, self.tags = [], [], []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append(tag)
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.loaded += [v for k, v in attrs.items() if k in ("src", "href") and not v.startswith("#")]


def test_report_has_fit_model_and_residuals(result, direct):
    html = study_html(result)
    page = Page()
    page.feed(html)
    assert len(page.ids) == len(set(page.ids))
    assert page.loaded == []
    assert "script" not in page.tags
    text = re.sub("<[^>]+>", " ", html)
    m = direct.fit_measures
    assert f"χ²({m['df']:.0f}, N = 250) = {m['chisq']:.2f}" in text
    assert "covariance-based structural equation model by maximum likelihood" in text
    assert "partial least squares" not in text
    assert "Residual correlations" in text
    assert "Modification indices" in text
    assert html == study_html(result)
    assert "<ellipse" in html
    assert "delta method" in text
    assert "Phones" in result._repr_html_()


def test_json_and_files(result, tmp_path):
    data = json.loads(result_json(result))
    assert data["provenance"]["options"]["engine"] == "sem"
    assert data["provenance"]["options"]["estimator"] == "ML"
    assert {r["measure"] for r in data["tables"]["fit_measures"]} >= {"chisq", "cfi", "rmsea"}
    folder = write_study(result, tmp_path)
    assert {p.name for p in folder.iterdir()} == {"report.html", "result.json", "tables"}
    paths = pd.read_csv(folder / "tables" / "paths.csv")
    np.testing.assert_allclose(paths["est"], result.frames["paths"]["est"])


def test_units_and_missing_answers_by_sem():
    data, _ = cx.datasets.simulate_study(companies=3, respondents=120, years=1, seed=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CxWarning)
        study = cx.SatisfactionIndex(engine="sem").fit(data, "company")
    assert study.converged
    assert all(f.estimate.plan.fiml for f in study.fits.values())


def test_units_in_a_study(tmp_path):
    data, _ = cx.datasets.simulate_study(companies=3, respondents=120, years=1, seed=3)
    data.to_csv(tmp_path / "s.csv", index=False)
    spec = {
        "title": "Study", "data": {"file": "s.csv", "weights": "weight"}, "model": {"name": "ACSI", "by": "company"},
        "options": {"engine": "sem"},
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CxWarning)
        result = cx.Study.of(spec, folder=tmp_path).run()
    assert result.treatment == "fiml"
    assert result.provenance["options"]["estimator"] == "MLR"  # weights ask for robust standard errors
    html = study_html(result)
    assert "treated by full-information maximum likelihood" in html
    assert "Company 3" in html
    assert len(result.frames["unit_indices"]) == 3 * 6
    assert {"omega", "cr"} <= set(result.frames["unit_quality"])


def test_consistent_pls_in_a_study():
    result = run(options={"engine": "pls", "consistent": True}, bootstrap={"replicates": 20, "seed": 1})
    plain = cx.PLS(MODEL, consistent=True).fit(cx.datasets.load("mobi"))
    np.testing.assert_allclose(result.frames["paths"]["est"], plain.paths["est"])
    assert result.provenance["options"]["consistent"] is True
    assert "consistent PLS" in study_html(result)
    assert "paths, PLSc" in str(result.index)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"engine": "smm"}, "Did you mean 'sem'"),
        ({"engine": "sem", "scheme": "path", "consistent": True}, "'consistent' is an option of engine='pls'"),
        ({"engine": "sem", "modes": {"Image": "B"}}, "'modes' is an option of engine='pls'"),
        ({"engine": "pls", "estimator": "MLR"}, "'estimator' is an option of engine='sem'"),
        ({"engine": "sem", "estimator": "MRL"}, "Unknown estimator 'MRL'"),
        ({"engine": "sem", "missing": "mean"}, "choose from 'fiml', 'listwise', 'error'"),
        ({"engine": "pls", "missing": "fiml"}, "choose from 'mean', 'listwise', 'pairwise', 'error'"),
        ({"engine": 1}, "engine = 1"),
        ({"consistent": "yes"}, "true or false"),
    ],
)
def test_options_at_fault_are_one_sentence(options, said):
    with pytest.raises(CxError, match=said) as caught:
        cx.Study.of({**content(), "options": options}).run()
    assert "\n" not in str(caught.value)


def test_a_misplaced_engine_says_where_it_belongs():
    with pytest.raises(SpecError, match=r"unknown key 'engine' in \[model\]. It belongs in \[options\]"):
        cx.Study.of(content(model={"engine": "sem"}))


def test_the_command_runs_it(tmp_path, monkeypatch):
    from cxmodels import cli

    text = f'title = "Phones"\nname = "p"\n[data]\ndataset = "mobi"\n[model]\ntext = """{MODEL}"""\n[options]\nengine = "sem"\n'
    (tmp_path / "s.toml").write_text(text)
    monkeypatch.setattr(sys, "argv", ["cxmodels", "study", str(tmp_path / "s.toml"), "--out", str(tmp_path / "r")])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    assert (tmp_path / "r" / "p" / "report.html").exists()
