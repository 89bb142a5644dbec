"""Tables for papers: every cell against the frames, the four formats, side by side, files whole or not at all."""

import math
import re
import warnings
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.errors import CxWarning, SpecError
from cxmodels.report.table_files import LATEX
from cxmodels.report.tables import Column, Table, Tables, number_text

CFA = "visual =~ x1 + x2 + x3; textual =~ x4 + x5 + x6; speed =~ x7 + x8 + x9"
PATHS = """
ind60 =~ x1 + x2 + x3
dem60 =~ y1 + y2 + y3 + y4
dem65 =~ y5 + y6 + y7 + y8
dem60 ~ a*ind60
dem65 ~ c*ind60 + b*dem60
indirect := a * b
"""
NASTY = "50% & <b>more</b>_{x} ~ \\end{table} | `#1` $y^2$"


@pytest.fixture(scope="module")
def cfa():
    return cx.SEM(CFA).fit(cx.datasets.load("holzinger"))


@pytest.fixture(scope="module")
def sem():
    return cx.SEM(PATHS).fit(cx.datasets.load("democracy"))


@pytest.fixture(scope="module")
def pls():
    return cx.PLS(cx.acsi.ECSI.syntax).fit(cx.datasets.load("mobi"))


def read(text):
    """The number behind a cell, in whatever style it was written."""
    text = text.replace("−", "-").rstrip("*")
    if text == "" or text.startswith("<"):
        return math.nan
    return float(text)


def texts(table):
    """Cells by head of the column; lines of blocks and their headings alike."""
    return pd.DataFrame([[c.text for c in line] for line in table.lines()], columns=[c.head for c in table.columns])


# --- numbers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "kind", "digits", "text"),
    [
        (0.5, "number", 2, "0.50"),
        (0.5, "unit", 2, ".50"),
        (-0.456, "unit", 2, "−.46"),
        (-0.004, "unit", 2, ".00"),
        (-0.004, "number", 2, "0.00"),
        (1.04, "unit", 2, "1.04"),
        (0.9996, "unit", 2, "1.00"),
        (0.93056, "fit", 2, ".931"),
        (1.003, "fit", 2, "1.003"),
        (0.0499, "p", 2, ".050"),
        (0.00049, "p", 2, "< .001"),
        (0.0005, "p", 2, ".001"),
        (1.0, "p", 2, "1.000"),
        (24.0, "count", 2, "24"),
        (24.5, "count", 2, "24.5"),
        (-12.3456, "number", 0, "−12"),
        (math.inf, "number", 2, "∞"),
    ],
)
def test_apa_style_of_numbers(value, kind, digits, text):
    assert number_text(value, kind, digits) == text


def test_measurement_table_holds_the_estimates(cfa):
    table = cx.report.table(cfa)["measurement"]
    cells = texts(table).set_index("Construct and item")
    estimates = cfa.estimates.query("op == '=~'").set_index("rhs")
    for item, row in estimates.iterrows():
        assert read(cells.loc[item, "b"]) == pytest.approx(row["est"], abs=0.0051)
        assert read(cells.loc[item, "β"]) == pytest.approx(row["std_all"], abs=0.0051)
        if row["se"] > 0:
            assert read(cells.loc[item, "SE"]) == pytest.approx(row["se"], abs=0.0051)
            assert cells.loc[item, "p"] == "< .001"
        else:
            assert cells.loc[item, ["SE", "z", "p"]].eq("").all()
    for construct, row in cfa.reliability.iterrows():
        assert read(cells.loc[construct, "α"]) == pytest.approx(row["alpha"], abs=0.0051)
        assert read(cells.loc[construct, "CR"]) == pytest.approx(row["cr"], abs=0.0051)
        assert read(cells.loc[construct, "AVE"]) == pytest.approx(row["ave"], abs=0.0051)
    assert list(table.headings) == [True, False, False, False] * 3
    frame = table.frame
    np.testing.assert_array_equal(frame.loc[~frame["heading"], "est"], estimates["est"])


def test_structural_and_defined_tables_hold_the_estimates(sem):
    made = cx.report.table(sem)
    structural = texts(made["structural"])
    paths = sem.estimates.query("op == '~'").reset_index(drop=True)
    shown = structural[structural["b"] != ""].reset_index(drop=True)
    assert list(shown["Outcome and predictor"]) == list(paths["rhs"])
    for head, column in (("b", "est"), ("SE", "se"), ("z", "z"), ("β", "std_all")):
        np.testing.assert_allclose(shown[head].map(read), paths[column], atol=0.0051)
    ends = shown["95% CI"].str.strip("[]").str.split(", ", expand=True).map(read)
    np.testing.assert_allclose(ends, paths[["ci_lower", "ci_upper"]], atol=0.0051)
    r2 = sem.r_squared.set_index("name")["r2"]
    heads = structural.set_index("Outcome and predictor")["R²"]
    assert read(heads["dem60"] if isinstance(heads["dem60"], str) else heads["dem60"].iloc[0]) == pytest.approx(
        r2["dem60"], abs=0.0051
    )
    effect = texts(made["defined"]).iloc[0]
    truth = sem.estimates.query("lhs == 'indirect'").iloc[0]
    assert effect["Effect"] == "indirect"
    assert read(effect["b"]) == pytest.approx(truth["est"], abs=0.0051)


def test_validity_table_is_two_matrices_in_one(cfa):
    table = cx.report.table(cfa, what="validity", digits=4)["validity"]
    cells = texts(table)
    lower, upper = cfa.fornell_larcker.to_numpy(), cfa.htmt.to_numpy()
    for i in range(3):
        for j in range(3):
            expected = lower[i, j] if j <= i else upper[i, j]
            assert read(cells.iloc[i, j + 2]) == pytest.approx(expected, abs=0.000051)
    assert [[c.bold for c in line[2:]] for line in table.lines()] == np.eye(3, dtype=bool).tolist()


def test_fit_table_holds_the_measures(cfa):
    cells = texts(cx.report.table(cfa, what="fit")["fit"]).iloc[0]
    m = cfa.fit_measures
    assert read(cells["χ²"]) == pytest.approx(m["chisq"], abs=0.0051)
    assert cells["df"] == "24"
    for head, name in (("CFI", "cfi"), ("TLI", "tli"), ("RMSEA", "rmsea"), ("SRMR", "srmr")):
        assert read(cells[head]) == pytest.approx(m[name], abs=0.00051)
    assert cx.report.fit_line(cfa) == (
        "χ²(24, N = 301) = 85.31, p < .001, CFI = .931, TLI = .896, RMSEA = .092, 90% CI [.071, .114], SRMR = .065"
    )


def test_robust_tests_say_so():
    res = cx.SEM(CFA, estimator="MLR").fit(cx.datasets.load("holzinger"))
    table = cx.report.table(res, what="fit")["fit"]
    m = res.fit_measures
    assert table.frame["chisq"].iloc[0] == m["chisq_scaled"]
    assert table.frame["cfi"].iloc[0] == m["cfi_robust"]
    assert table.frame["rmsea_ci_upper"].iloc[0] == m["rmsea_ci_upper_robust"]
    assert "χ²: Yuan-Bentler scaled; CFI, TLI and RMSEA: robust forms." in table.notes
    assert cx.report.fit_line(res).startswith("Yuan-Bentler scaled χ²(24, N = 301)")


def test_stars_replace_the_tests(sem):
    cells = texts(cx.report.table(sem, what="structural", stars=True)["structural"])
    assert not {"z", "p"} & set(cells.columns)
    paths = sem.estimates.query("op == '~'")
    wanted = ["*" * sum(p < limit for limit in (0.05, 0.01, 0.001)) for p in paths["pvalue"]]
    shown = cells[cells["b"] != ""]
    assert [t[len(t.rstrip("*")) :] for t in shown["b"]] == wanted
    assert [t[len(t.rstrip("*")) :] for t in shown["β"]] == wanted
    assert "* p < .05." in cx.report.table(sem, stars=True)["structural"].every_note[-1]


# --- models side by side ------------------------------------------------------------------------------------------


def test_models_side_by_side_with_their_difference(sem):
    narrow = cx.SEM(PATHS.replace("c*ind60 + ", "")).fit(cx.datasets.load("democracy"))
    made = cx.report.table({"Full": sem, "Mediated": narrow})
    structural = made["structural"]
    assert structural.spans() == [("", 1), ("Full", 4), ("Mediated", 4)]
    lines = structural.frame.query("outcome == 'dem65' and predictor == 'ind60'").iloc[0]
    assert lines["est|Full"] == sem.paths.query("outcome == 'dem65' and predictor == 'ind60'")["est"].iloc[0]
    assert math.isnan(lines["est|Mediated"])
    fit = made["fit"].frame
    difference = cx.compare(sem, narrow)
    np.testing.assert_allclose(fit["chisq_diff"], difference["chisq_diff"])
    np.testing.assert_allclose(fit["pvalue_diff"], difference["pvalue"])
    assert list(fit["model"]) == ["Full", "Mediated"]
    assert fit["aic"].iloc[0] == sem.fit_measures["aic"]


def test_models_that_are_not_nested_stand_without_a_test(sem, cfa):
    made = cx.report.table(sem, cfa, what="fit")["fit"]
    assert "chisq_diff" not in made.frame
    assert any(n.startswith("No difference test: ") for n in made.notes)
    assert list(made.frame["model"]) == ["Model 1", "Model 2"]


def test_groups_stand_side_by_side():
    res = cx.SEM(CFA).fit(cx.datasets.load("holzinger"), group="school")
    table = cx.report.table(res)["measurement"]
    assert [s for s, _ in table.spans()] == ["", "Pasteur", "Grant-White"]
    own = res.estimates.query("op == '=~' and group == 'Grant-White'")["est"]
    np.testing.assert_array_equal(table.frame.loc[~table.frame["heading"], "est|Grant-White"], own)
    assert "Of group Pasteur." in cx.report.table(res)["validity"].notes


def test_a_path_of_the_second_model_alone_joins_its_outcome(pls):
    model = cx.acsi.ECSI.syntax.replace(
        "Loyalty ~ Image + Satisfaction + Complaints", "Loyalty ~ Satisfaction + Quality"
    )
    other = cx.PLS(model).fit(cx.datasets.load("mobi"))
    frame = cx.report.table(pls, other, what="structural")["structural"].frame
    loyalty = frame[frame["outcome"] == "Loyalty"]
    assert list(loyalty.index) == list(range(loyalty.index[0], loyalty.index[0] + len(loyalty)))
    assert set(loyalty["predictor"]) == {"Loyalty", "Image", "Satisfaction", "Complaints", "Quality"}


# --- other families -----------------------------------------------------------------------------------------------


def test_path_models(pls):
    made = cx.report.table(pls)
    frame = made["measurement"].frame
    items = frame[~frame["heading"]]
    np.testing.assert_array_equal(items["loading"], pls.loadings["est"])
    np.testing.assert_array_equal(items["weight"], pls.weights["est"])
    heads = frame[frame["heading"]].set_index("construct")
    for name in ("alpha", "rho_a", "rho_c", "ave"):
        np.testing.assert_array_equal(heads[f"{name}"], pls.reliability[name])
    structural = made["structural"].frame
    lines = structural[~structural["heading"]].set_index(["outcome", "predictor"])
    truth = pls.f_squared.set_index(["outcome", "predictor"])["f2"]
    assert len(lines) == 12
    np.testing.assert_array_equal(lines["f2"], truth[lines.index])
    boot = pls.bootstrap(60, seed=1)
    booted = cx.report.table(boot, what="structural", stars=True)["structural"]
    lines = booted.frame[~booted.frame["heading"]].set_index(["outcome", "predictor"])["ci_lower"]
    np.testing.assert_array_equal(lines, boot.paths.set_index(["outcome", "predictor"])["ci_lower"][lines.index])
    assert "Percentile intervals from 60 of 60 bootstrap replicates." in booted.notes


def test_bootstrap_of_a_covariance_model(sem):
    boot = sem.bootstrap(30, seed=1, level=0.9)
    table = cx.report.table(boot, what="structural")["structural"]
    assert "90% CI" in [c.head for c in table.columns]
    lines = table.frame[~table.frame["heading"]]
    np.testing.assert_array_equal(lines["se"], boot.estimates.query("op == '~'")["se"])
    used = 30 - boot.failed
    assert any(n.endswith(f"from {used} of 30 bootstrap replicates.") for n in table.notes)


def test_drivers_and_indices():
    mobi = cx.datasets.load("mobi")
    drivers = cx.Drivers("CUSA1", ["IMAG1", "IMAG4", "PERQ1"]).fit(mobi)
    frame = cx.report.table(drivers)["importance"].frame
    assert list(frame["attribute"]) == list(drivers.importance["importance"].sort_values(ascending=False).index)
    assert "Importances add up to R² = " in " ".join(cx.report.table(drivers)["importance"].notes)
    boot = drivers.bootstrap(40, seed=1)
    assert "95% CI" in [c.head for c in cx.report.table(boot)["importance"].columns]
    study = cx.SatisfactionIndex(cx.acsi.ECSI).fit(mobi, bootstrap=0)
    made = cx.report.table(study)
    np.testing.assert_array_equal(made["indices"].frame["index"], study.scores["index"])
    assert [c.head for c in made["impacts"].columns] == ["Driver", "Target", "Impact"]


def test_any_other_result_by_its_summary():
    table = cx.invariance(CFA, cx.datasets.load("holzinger"), group="school")
    assert isinstance(table, pd.DataFrame)
    prediction = cx.PLS(cx.acsi.ECSI.syntax).fit(cx.datasets.load("mobi")).predict_oos(folds=3, repeats=1, seed=1)
    made = cx.report.table(prediction)
    assert [t.title for t in made] == list(prediction.tables())
    for table, frame in zip(made, prediction.tables().values(), strict=True):
        assert len(list(table.lines())) == len(frame)


def test_an_improper_solution_says_so():
    rng = np.random.default_rng(0)
    eta = rng.normal(size=100)
    zeta = 0.6 * eta + 0.8 * rng.normal(size=100)
    noise = {"a0": 0.2, "a1": 1.0, "a2": 1.0, "b1": 0.4, "b2": 0.5, "b3": 0.5}
    loading = {"a1": 0.4, "a2": 0.3}
    frame = pd.DataFrame(
        {k: loading.get(k, 1.0) * (eta if k[0] == "a" else zeta) + s * rng.normal(size=100) for k, s in noise.items()}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CxWarning)
        res = cx.SEM("Q =~ a0 + a1 + a2; S =~ b1 + b2 + b3; S ~ Q").fit(frame)
    assert not res.proper
    assert "improper solution" in res.to_table("markdown")


# --- formats ------------------------------------------------------------------------------------------------------


class Reader(HTMLParser):
    """Rows of cells of a page, and every tag and attribute seen."""

    def __init__(self):
        super().__init__()
        self.rows, self.tags, self.open = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def test_html_is_inline_whole_and_escaped(cfa):
    made = cx.report.table(cfa, labels={"x1": NASTY, "visual": "Größe"})
    reader = Reader()
    reader.feed(made.to("html"))
    assert reader.open == []
    assert {t for t, _ in reader.tags} <= {"div", "table", "caption", "thead", "tbody", "tr", "th", "td", "p", "i"}
    assert not any(k in a for _, a in reader.tags for k in ("class", "id", "onclick", "src", "href"))
    cells = [line for table in made for line in [[c.text for c in row] for row in table.lines()]]
    body = [r for r in reader.rows if r in cells]
    assert len(body) == len(cells)
    assert any(r[0].startswith("50% & <b>more</b>") for r in body)
    assert made._repr_html_() == made.to("html")


def test_latex_is_balanced_and_escaped(cfa):
    text = cx.report.table(cfa, labels={"x1": NASTY}).to("latex")
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 3
    bare = re.sub(r"\\.", "", text.replace(r"$\chi^2$", ""))  # without commands and escaped characters
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    assert not re.search("[%#_~^]", bare)
    for block in text.split(r"\begin{tabular}")[1:]:
        columns = len(block[1 : block.index("}")])
        for line in block.split(r"\end{tabular}")[0].splitlines()[2:]:
            if line.endswith(r"\\"):
                spanned = sum(int(n) - 1 for n in re.findall(r"\\multicolumn\{(\d+)\}", line))
                assert len(re.findall(r"(?<!\\)&", line)) + 1 + spanned == columns, line
    assert not [c for c in text if ord(c) > 127], "every sign of ours has a command"
    assert r"50\% \& $<$b$>$more$<$/b$>$\_\{x\} \textasciitilde{} \textbackslash{}end\{table\}" in text
    for sign, command in LATEX.items():
        assert command.count("{") - command.count(r"\{") == command.count("}") - command.count(r"\}"), sign


def test_a_line_that_begins_with_a_bracket_is_no_option():
    table = Table("T", pd.DataFrame({"a": [0.1, 0.2], "b": [0.3, 0.4]}), [Column(("a", "b"), "CI", "interval")])
    lines = Tables((table,)).to("latex").splitlines()
    assert "{}[0.10, 0.30] \\\\" in lines


def test_markdown_has_as_many_cells_in_every_line(cfa):
    made = cx.report.table(cfa, labels={"x1": NASTY})
    text = made.to("markdown")
    for table in made:
        lines = [line for line in Tables((table,)).to("markdown").splitlines() if line.startswith("|")]
        assert len(lines) == len(list(table.lines())) + 2
        assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {len(table.columns) + 1}
    assert r"\`#1\`" in text
    assert str(cx.report.table(cfa)) == cfa.to_table("markdown")


def test_workbook_holds_numbers_and_no_formula(cfa, tmp_path):
    from openpyxl import load_workbook

    made = cx.report.table(cfa, labels={"x1": "=SUM(A1:A9)", "x2": "+1", "x3": "@x", "visual": "-y"}, stars=True)
    path = made.write(tmp_path / "t.xlsx")
    book = load_workbook(path)
    assert book.sheetnames == ["measurement", "validity", "fit"]
    sheet = book["measurement"]
    cells = [c for row in sheet.iter_rows() for c in row if c.value is not None]
    assert not [c for c in cells if c.data_type == "f"]
    first = [sheet.cell(r, 1).value for r in range(1, sheet.max_row + 1)]
    assert first[2:6] == ["'-y", "'=SUM(A1:A9)", "'+1", "'@x"]
    estimates = cfa.estimates.query("op == '=~'").set_index("rhs")
    row = first.index("x5") + 1
    assert sheet.cell(row, 2).value == pytest.approx(estimates.loc["x5", "est"])
    assert sheet.cell(row, 2).number_format == '0.00"***"'
    assert sheet.cell(row, 4).number_format == '.00"***"'
    spans = cx.report.table({"A": cfa, "=B": cfa}, what="measurement").write(tmp_path / "s.xlsx")
    assert load_workbook(spans)["measurement"]["E2"].value == "'=B"


@pytest.mark.parametrize(
    ("suffix", "starts"), [(".html", "<!doctype html>"), (".tex", r"\begin{table}"), (".md", "**")]
)
def test_files_are_written_by_suffix_and_whole(cfa, tmp_path, suffix, starts):
    path = cfa.to_table(path=tmp_path / f"t{suffix}")
    assert path.read_text(encoding="utf-8").startswith(starts)
    again = cx.report.table(cfa).write(tmp_path / f"u{suffix}")
    assert again.read_bytes() == path.read_bytes()


def test_a_file_stays_as_it_was_when_writing_fails(cfa, tmp_path, monkeypatch):
    target = tmp_path / "t.md"
    target.write_text("before")
    monkeypatch.setattr(Tables, "to", lambda *_: (_ for _ in ()).throw(RuntimeError("cut")))
    with pytest.raises(RuntimeError, match="cut"):
        cx.report.table(cfa).write(target)
    assert target.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["t.md"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda r: r.to_table("htlm"), "Did you mean 'html'"),
        (lambda r: r.to_table("xlsx"), "A workbook is no text; name a file"),
        (lambda r: r.to_table("table.html"), "To write a file, say path='table.html'."),
        (lambda r: r.to_table(what="measurment"), "Did you mean 'measurement'"),
        (lambda r: r.to_table(what="structural"), "has nothing for the table 'structural'"),
        (lambda r: cx.report.table(r).write("t.docx"), r"not '.docx'"),
        (lambda r: cx.report.table(r, r, names=["a"]), "2 results need as many different names"),
        (lambda r: cx.report.table(r, r, names=["a", "a"]), "2 results need as many different names"),
        (lambda r: cx.report.table(), "takes fitted results"),
        (lambda r: cx.report.table(r.estimates), "takes fitted results"),
        (lambda r: cx.report.table(r, digits=-1), "digits is a whole number"),
        (lambda r: cx.report.table(r)["fti"], "Did you mean 'fit'"),
    ],
)  # fmt: skip
def test_a_wrong_call_is_one_sentence(cfa, call, said):
    with pytest.raises(SpecError, match=said) as caught:
        call(cfa)
    assert "\n" not in str(caught.value)


def test_families_do_not_mix(cfa, pls):
    with pytest.raises(SpecError, match="not 'SEMResult', 'PLSResult'; make a table of each"):
        cx.report.table(cfa, pls)


def test_a_missing_library_names_the_extra(cfa, tmp_path, monkeypatch):
    import importlib

    real = importlib.import_module
    monkeypatch.setattr(
        importlib, "import_module", lambda n, *a: real("no_such_module") if n == "openpyxl" else real(n, *a)
    )
    with pytest.raises(SpecError, match=r"pip install \"cxmodels\[report\]\""):
        cx.report.table(cfa).write(tmp_path / "t.xlsx")


def test_a_heading_is_not_the_item_of_the_same_name():
    mobi = cx.datasets.load("mobi").rename(columns={"CUSCO": "Complaints"})
    model = "Complaints =~ Complaints2\nS =~ CUSA1 + CUSA2\nS ~ Complaints + Q + Complaints:Q\nQ =~ PERQ1 + PERQ2"
    res = cx.PLS(model).fit(mobi.assign(Complaints2=mobi["Complaints"]))
    frame = cx.report.table(res, what="measurement")["measurement"].frame
    assert not frame["construct"].str.contains(":").any()
    assert frame["heading"].sum() == 3
    assert "Complaints:Q" in set(cx.report.table(res)["structural"].frame["predictor"])


def test_a_study_has_the_tables_of_its_index_and_its_model():
    options = {"title": "Phones", "data": {"dataset": "mobi"}, "model": {"name": "ECSI"}}
    study = cx.Study.of({**options, "bootstrap": {"replicates": 20, "seed": 1}}).run()
    made = cx.report.table(study)
    assert [t.name for t in made] == ["indices", "impacts", "measurement", "structural", "validity"]
    np.testing.assert_array_equal(made["indices"].frame["index"], study.index.scores["index"])
    assert "from 20 of 20 bootstrap replicates" in " ".join(made["structural"].notes)


# --- models of other kinds ----------------------------------------------------------------------------------------


def test_a_model_without_a_test_says_its_likelihood():
    model = "visual =~ x1 + x2 + x3; textual =~ x4 + x5 + x6; speed =~ x7 + x8 + x9; speed ~ visual + textual + visual:textual"
    res = cx.SEM(model, interaction="lms").fit(cx.datasets.load("holzinger"))
    line = cx.report.fit_line(res)
    assert line.startswith(f"Log-likelihood = −{-res.fit_measures['logl']:.2f}, AIC = {res.fit_measures['aic']:.2f}")
    fit = cx.report.table(res, what="fit")["fit"]
    assert [c.head for c in fit.columns] == ["Log-likelihood", "AIC", "BIC"]
    frame = cx.report.table(res, what="structural")["structural"].frame
    assert "visual:textual" in set(frame["predictor"])


def test_levels_stand_side_by_side():
    rng = np.random.default_rng(1)
    cluster = np.repeat(np.arange(60), 8)
    between, within = rng.normal(size=60)[cluster] * 0.8, rng.normal(size=480)
    frame = pd.DataFrame({f"y{k}": 0.9 * between + within + rng.normal(size=480) * 0.7 for k in range(1, 4)})
    frame["cluster"] = cluster
    for k in range(1, 4):
        frame[f"y{k}"] += (rng.normal(size=60) * 0.3)[cluster]
    model = "level: 1\nfw =~ y1 + y2 + y3\nlevel: 2\nfb =~ y1 + y2 + y3"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CxWarning)
        res = cx.SEM(model).fit(frame, cluster="cluster")
    table = cx.report.table(res)["measurement"]
    assert [s for s, _ in table.spans()] == ["", "level 1", "level 2"]
    own = res.estimates.query("op == '=~' and lhs == 'fb'")["est"]
    np.testing.assert_array_equal(table.frame.query("construct == 'fb' and not heading")["est|level 2"], own)
    assert "level 2" in res.diagram()
