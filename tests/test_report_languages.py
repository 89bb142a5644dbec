"""Reports in four languages: one catalogue each, with the same keys and places; nothing English is left on a page."""

import ast
import html
import re
import string
import warnings
from dataclasses import replace
from functools import cache
from importlib.resources import files
from itertools import product

import numpy as np
import pandas as pd
import pytest

import cxmodels as cx
from cxmodels.errors import CxError, CxWarning, SpecError
from cxmodels.report import churn_card, company_html, drivers_html, nation_html, study_html
from cxmodels.report.nation_view import NationView
from cxmodels.report.words import LANGUAGES, language
from cxmodels.survey import Codebook, Survey
from tests.benchmark_study import small_study

OTHERS = LANGUAGES[1:]
ALIKE = """acsi cohen dijkstra fornell henseler jöreskog larcker lohmöller bentler cronbach mcdonald ringle sarstedt thurstone
bollen wold wilson tonidandel lebreton johnson wilhelm mogstad romano shaikh rmsea srmr htmt fiml lavaan cxmodels utf start
missing mean multiple scale qini qualtrics importid simex cinelli hazlett vanderweele ding plsc rho_a kaplan meier genizi radcliffe snell monitor"""
NAMES = set(ALIKE.split())  # of people, methods and files, which every language writes alike


def forms(text):
    return {"": text} if isinstance(text, str) else text


def places(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def latin(text):
    """Words of four Latin letters and more, in small letters."""
    return {w.lower() for w in re.findall(r"[A-Za-zÀ-ſ]{4,}", text)}


@cache
def english():
    """Words of the English catalogue."""
    w = language("en")
    texts = [*w.texts.values(), *w.pictures.values()]
    return set().union(*(latin(re.sub(r"{\w+}", " ", t)) for text in texts for t in forms(text).values()))


def visible(page):
    """All that a reader or a screen reader meets: texts, titles of pictures, titles and labels of elements."""
    page = re.sub(r"<(style|script).*?</\1>", " ", page, flags=re.DOTALL)
    said = re.findall(r'(?:title|aria-label|data-filter|alt)="([^"]*)"', page)
    return html.unescape(re.sub(r"<[^>]*>", " ", page) + " " + " ".join(said))


def left_in_english(page, *data):
    """English words of the catalogue that a page shows, but for what comes from the data."""
    text = visible(page)
    for known in sorted(map(str, data), key=len, reverse=True):
        text = text.replace(known, " ")
    return latin(text) & english() - NAMES


# --- catalogues ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", OTHERS)
def test_every_key_is_there_with_the_same_places(code):
    one, two = language("en"), language(code)
    for a, b in ((one.texts, two.texts), (one.pictures, two.pictures)):
        assert list(a) == list(b)
        for key in a:
            wanted = places(next(iter(forms(a[key]).values())))
            assert all(places(t) == wanted for t in (*forms(a[key]).values(), *forms(b[key]).values())), key
    counted = {"one", "other"} if code == "bg" else {"one", "few", "many"}
    for key, text in one.texts.items():
        assert isinstance(text, str) == isinstance(two.texts[key], str), key
        if not isinstance(text, str):
            assert set(text) == {"one", "other"}, key
            assert set(two.texts[key]) == counted, key


@pytest.mark.parametrize("code", OTHERS)
def test_translations_hold_no_english(code):
    w = language(code)
    for key, text in {**w.texts, **w.pictures}.items():
        for t in forms(text).values():
            assert not latin(re.sub(r"{\w+}", " ", t)) - NAMES, key


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("en", {1: "1 respondent", 2: "2 respondents", 0: "0 respondents"}),
        ("bg", {1: "1 респондент", 2: "2 респонденти", 21: "21 респонденти"}),
        ("uk", {1: "1 респондент", 21: "21 респондент", 3: "3 респонденти", 11: "11 респондентів", 12: "12 респондентів",
                22: "22 респонденти", 25: "25 респондентів", 111: "111 респондентів", 1001: "1\u202f001 респондент", 0: "0 респондентів"}),
        ("ru", {1: "1 респондент", 4: "4 респондента", 14: "14 респондентов", 104: "104 респондента"}),
    ],
)  # fmt: skip
def test_a_text_takes_the_form_of_its_number(code, said):
    assert {n: language(code)("respondents", n=n) for n in said} == said


@pytest.mark.parametrize("wrong", ["de", "", "ukr", "english"])
def test_an_unknown_language_names_those_there_are(wrong):
    with pytest.raises(CxError, match=r"no language '.*'en', 'uk', 'ru', 'bg'"):
        language(wrong)
    with pytest.raises(CxError, match="'en', 'uk', 'ru', 'bg'"):
        cx.Study.of({"title": "x", "language": wrong or " ", "data": {"dataset": "mobi"}, "model": {"name": "ECSI"}})


def test_a_region_is_no_other_language():
    assert language("uk-UA").code == language("UK_ua").code == "uk"
    assert language(language("bg")).code == "bg"


# --- what results say of themselves -------------------------------------------------------------------------------


def said_by_the_package():
    """All texts that stand in the code, one below the other."""
    trees = (ast.parse(path.read_text("utf-8")) for path in files("cxmodels").rglob("*.py"))
    nodes = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return "\n".join(node.value for node in nodes if isinstance(node.value, str))


def test_every_sentence_is_one_that_the_package_says():
    source, lost = said_by_the_package(), []

    def stands(clause, pieces=3):
        halves = ((clause[: m.start()], clause[m.end() :]) for m in re.finditer(" ", clause))
        return clause in source or (pieces > 1 and any(a in source and stands(b, pieces - 1) for a, b in halves))

    for key, text in language("en").texts.items():
        if key.startswith("told_"):
            clauses = [c.strip() for form in forms(text).values() for c in re.split(r"{\w+}|[;:,.()'\"]", form)]
            lost += [(key, c) for c in clauses if len(c) > 3 and not stands(c)]
    assert not lost


def test_sentences_are_told_with_their_names_and_numbers():
    uk = language("uk")
    said = uk.told(
        "2025: Ours: Negative outer weight: 'a' of 'Quality', 'b' of 'Value' and 3 more; the index subtracts what these items measure.",
        {"Quality": "Якість"},
    )
    assert said.startswith("2025: Ours: Від’ємна зовнішня вага: 'a' ('Якість'), 'b' ('Value') і ще 3;")
    assert uk.told("1234 rows, fewer than 5000; index weights and impacts of Banks") == (
        "рядків 1\u202f234, менше ніж 5\u202f000; ваги індексу та впливи: Banks"
    )
    assert uk.told(
        "Item 'a' loads negatively (-0.52) on 'B'; if its scale is reversed, say so in the codebook."
    ).startswith("Індикатор «a» має від’ємне навантаження (−0,52) на «B»")
    assert uk.told(
        "2 items have the same fault (constant): 'a', 'b'. Item 'a' is 3 in all 20 rows that have it: leave it out."
    ) == (
        "Однакову ваду (стала) мають індикатори (2): 'a', 'b'. Індикатор «a» дорівнює 3 в усіх рядках, де він є (20): вилучіть його."
    )
    assert [uk.told(f"{n} blank row{'s were' if n > 1 else ' was'} left out.") for n in (1, 3, 5)] == [
        "Вилучено 1 порожній рядок.", "Вилучено 3 порожні рядки.", "Вилучено 5 порожніх рядків.",
    ]  # fmt: skip
    for unknown in ("", "Acme: no such thing. Nothing.", ": ", "A: B: C"):
        assert uk.told(unknown) == unknown
    assert language("en").told("no unit named") == "no unit named"


RARE = """The variance of construct 'K' is negative (-0.120) in group 'Є', a Heywood case: the model explains more than all of it.
The covariance matrix of the constructs is not positive definite: 'A' and 'B' correlate 1.020; the items do not tell them apart in group 'Є'.
In the equation of 'C' the predictors 'A' and 'B' correlate 0.990 in group 'Є' (variance inflation 50): they act as one, and their separate \
paths mean nothing. Drop or merge one.
At these estimates the data do not determine A =~ a, B ~~ B (empirical under-identification): they have no usable standard errors. Drop a \
construct whose items have nothing in common, or fix one of them. 30 rows for 20 parameters are few.
At these estimates the data cannot tell A =~ a apart (empirical under-identification): they have no usable standard errors. Drop a construct \
whose items have nothing in common, or fix one of them.
The answers in group 'Є' are too few, or too many are missing, for unrestricted covariances: their likelihood has no maximum that could be \
found, so test and fit measures are not reliable. Use fewer items.
No row in group 'Є' has an answer to both 'a' and 'b' (and 3 more pairs): the data say nothing about their covariance, so the degrees of \
freedom, test and fit measures count too much.
The latent correlation of 'a' and 'b', 'c' and 'd' and 2 more pairs is beyond .99 in group 'Є': these items say the same; drop one of each pair.
The model is not identified: 9 free parameters but only 6 moments (degrees of freedom -3). Fix some of them, or add items.
Банк: 'q1' has one answer throughout and is left out.
3 files read, 1,250 rows.
Column 'a' is in 2 of 3 files; its answers are missing in 'b.csv'. Did you mean 'б'?
2 lines have fewer fields than the header (first: line 7); the rest is missing.
holds number and str
7 of 9 values are numbers written as text, 1 are blank text, 1 are words such as 'ні'
in other units the same as 'б'
alone it ranks who left with AUC 0.993 (cross-validated; 0.95 is too good); of 30 rows that are 'так' 99% or more left, 20% of all who left; \
its name tells of an end
whether it is blank ranks who left with AUC 0.993 (cross-validated; 0.95 is too good); of 30 rows that are blank 99% or more left, 20% of all who left""".replace("\\\n", "").splitlines()  # fmt: skip


@pytest.mark.parametrize("code", OTHERS)
@pytest.mark.parametrize("sentence", RARE)
def test_rare_events_are_told_too(code, sentence):
    said = language(code).told(sentence)
    data = ("b.csv", "AUC", "'a'", "'b'", "q1")
    assert left_in_english(said, *data) == set()
    assert not re.search(r"\d\.\d", said), "a decimal point"
    assert ("Є" in said) == ("Є" in sentence)


# --- pages --------------------------------------------------------------------------------------------------------


def odd_answers():
    """Answers with blanks, weights of zero, an item turned around, and units too small or without variance."""
    frame = cx.datasets.load("mobi").copy()
    rng = np.random.default_rng(1)
    frame["CUSA2"] = 11 - frame["CUSA2"]
    frame["company"] = np.repeat(["Північ", "Південь", "Схід", "Мала"], [100, 90, 55, 5])
    frame["w"] = rng.choice([0.0, 1.0, 2.0], len(frame), p=[0.05, 0.6, 0.35])
    return frame.mask(rng.random(frame.shape) < 0.01, np.nan).assign(company=frame["company"], w=frame["w"])


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    folder = tmp_path_factory.mktemp("languages")
    odd_answers().to_csv(folder / "a.csv", index=False)
    book = (files("cxmodels").parent / "datasets" / "mobi" / "codebook.toml").read_text("utf-8")
    (folder / "codebook.toml").write_text(book, encoding="utf-8")
    common = {
        "title": "Звіт", "language": "uk", "data": {"file": "a.csv", "codebook": "codebook.toml", "weights": "w"},
        "bootstrap": {"replicates": 20, "seed": 1},
    }  # fmt: skip
    small = "Quality =~ PERQ1 + PERQ2 + PERQ3\nSatisfaction =~ CUSA1 + CUSA2 + CUSA3\nLoyalty =~ CUSL1 + CUSL2 + CUSL3\nSatisfaction ~ Quality\nLoyalty ~ Satisfaction"
    plans = {
        "pls": {"model": {"name": "ECSI", "by": "company"}},
        "plsc": {"model": {"text": small, "target": "Satisfaction", "scale": [1, 10]}, "options": {"consistent": True, "missing": "listwise"}},
        "sem": {"model": {"text": small, "target": "Satisfaction", "by": "company"}, "options": {"engine": "sem", "missing": "fiml"}, "bootstrap": {"replicates": 5, "seed": 1}},
        "mlr": {"model": {"text": small, "target": "Satisfaction"}, "options": {"engine": "sem", "estimator": "MLR", "missing": "listwise"}, "bootstrap": {"seed": 1}},
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CxWarning)
        return {name: cx.Study.of({**common, **plan}, folder=folder).run() for name, plan in plans.items()}


@pytest.mark.parametrize(("name", "code"), list(product(["pls", "plsc", "sem", "mlr"], OTHERS)))
def test_a_study_page_says_nothing_in_english(studies, name, code):
    result = studies[name]
    page = study_html(result, language=code)
    assert f'<html lang="{code}">' in page
    data = [
        "; ".join(result.index.spec.model.syntax.splitlines()),
        "Satisfaction ~ Quality",
        "Loyalty ~ Satisfaction",
    ]
    data += list(result.frames["fit_measures"]["measure"]) if result.by_sem else []  # by lavaan's names
    versions = ", ".join(f"{k} {v}" for k, v in result.provenance["versions"].items())
    assert result.warnings or name != "pls"
    assert left_in_english(page, versions, *data) == set()
    numbers = re.findall(r"\d\.\d+", visible(page).replace(versions, "").replace(cx.__version__, ""))
    assert not numbers, "a decimal point"
    assert language(code)("sec_model") in page


def test_a_study_page_is_in_the_language_of_its_study(studies):
    result = studies["pls"]
    assert study_html(result) == study_html(result, language="uk")
    assert study_html(result) != study_html(result, language="ru")
    assert "Швидко" not in study_html(result)
    assert "Загальна задоволеність оператором" in study_html(result), "labels of the codebook"
    assert "Общая удовлетворённость оператором" in study_html(result, language="ru")
    in_notebook = result._repr_html_()
    assert 'lang="uk"' in in_notebook
    assert language("uk")("sec_model") in in_notebook
    with pytest.raises(SpecError, match="'en', 'uk', 'ru', 'bg'"):
        study_html(result, language="xx")


@pytest.fixture(scope="module")
def benchmark():
    return small_study()


@pytest.mark.parametrize("code", OTHERS)
def test_benchmark_pages_say_nothing_in_english(benchmark, code):
    notes = (
        *benchmark.notes,
        "'revenue' is taken from 'facts.csv', not from the data.",
        "'company' has names that differ only in blanks or capitals: 'Банк', 'БАНК'; they count apart.",
        "'facts.csv' is not UTF-8 and was read as cp1251; look at a name with special letters.",
        "'facts.xlsx': Sheet 'A' was read; the workbook has 3.",
    )
    skipped = benchmark.skipped.iloc[:0]
    reasons = [
        "12 rows, fewer than 20",
        "all rows together are 12, fewer than the 20 that a model is borrowed from.",
        "Banks: 8 rows are too few: the model has 23 parameters (14 weights and 9 paths).",
        "Item 'q1' is 3 in all 12 rows that have it: leave it out.",
    ]
    wave = benchmark.last
    skipped = skipped.reindex(range(len(reasons))).assign(
        **{"wave": wave, benchmark.by: [f"C{k}" for k in range(len(reasons))], "rows": 12, "reason": reasons}
    )
    v = NationView(replace(benchmark, notes=notes, skipped=skipped), language(code))
    data = [
        dict(v.method_facts)[v.words("options")],
        benchmark.title,
        benchmark.subtitle,
        "company",
        "revenue",
        "facts.csv",
        "facts.xlsx",
    ]
    data += [str(x) for level in (*benchmark.levels, benchmark.by) for x in v.groups(level)["name"]]
    data += [f"{k} {x}" for k, x in benchmark.provenance["versions"].items()]
    for page in (nation_html(v), company_html(v, "Company 03")):
        assert left_in_english(page, *data) == set()


@pytest.fixture(scope="module")
def driver_reports():
    frame = cx.datasets.load("mobi")[["CUSA1", "PERQ1", "PERQ2", "PERQ3", "PERQ4"]].astype(float)
    frame = frame.rename(columns=dict(zip(frame, ["загалом", "мережа", "увага", "вибір", "ясність"], strict=True)))
    names = list(frame)[1:]
    rng = np.random.default_rng(2)
    holes = frame.mask(rng.random(frame.shape) < 0.03)
    yes = frame.assign(загалом=frame["загалом"] > 8)
    plans = [
        (cx.Drivers("загалом", names).fit(frame), {"theirs": frame.iloc[:120] - 0.3}),
        (cx.Drivers("загалом", names, method="johnson").fit(holes, missing="multiple", imputations=2), {}),
        (cx.Drivers("загалом", names, family="logit").fit(yes, missing="listwise"), {}),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CxWarning)
        return [result.deliverable(30, seed=1, **more) for result, more in plans]


@pytest.mark.parametrize("code", OTHERS)
def test_driver_pages_say_nothing_in_english(driver_reports, code):
    for report in driver_reports:
        page = drivers_html(report, language=code)
        assert left_in_english(page) == set()
        assert not re.findall(r"\d\.\d+", visible(page).replace(cx.__version__, "")), "a decimal point"
        assert language(code).told(report.paragraph) in visible(page)
    assert f'lang="{code}"' in drivers_html(driver_reports[0], whole=False, language=code)


@pytest.fixture(scope="module")
def labelled():
    """Drivers of a survey whose codebook words its columns, two of them alike."""
    book = Codebook.from_toml(files("cxmodels").parent / "datasets" / "mobi" / "codebook.toml")
    frame = cx.datasets.load("mobi")[["CUSA1", "PERQ1", "PERQ2", "PERQ3"]].assign(plain=np.arange(250) % 7.0)
    frame = frame.rename(columns={"PERQ3": "again"})
    items = {c: book[c] for c in ("CUSA1", "PERQ1", "PERQ2")}
    items["again"] = replace(book["PERQ2"], name="again")
    survey = Survey(frame, Codebook(items))
    return cx.Drivers("CUSA1", ["PERQ1", "PERQ2", "again", "plain"]).fit(survey).deliverable(20, seed=1)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("en", "Technical quality of the network"),
        ("uk", "Технічна якість мережі"),
        ("bg", "Техническо качество на мрежата"),
    ],
)
def test_driver_pages_call_columns_by_their_labels(labelled, code, said):
    page = drivers_html(labelled, language=code)
    text = visible(page)
    assert f"{said} (PERQ2)" in text
    assert f"{said} (again)" in text
    assert "plain" in text
    assert not re.findall(r"\bCUSA1\b|\bPERQ1\b", visible(page.partition('class="folded"')[0])), (
        "bare columns before the list of columns"
    )
    assert "CUSA1" in text, "the list of columns"
    assert list(labelled.map.index) == ["PERQ1", "PERQ2", "again", "plain"], "results keep their columns"
    assert "nan" not in text.casefold().split()


@pytest.mark.parametrize("code", OTHERS)
def test_a_churn_card_says_nothing_in_english(churn_model, code):
    model, x, y, region = churn_model
    card = churn_card(model, x, y, groups=region, horizon_days=31, as_of_date="2025-01-31", n=10, language=code)
    data = [*x.columns, *model.candidates_["model"], model.model_id_, model.chosen_, "monitor()", "True", "False"]
    assert left_in_english(card.html, *data) == set()
    assert left_in_english(card.markdown, *data) == set()
    assert language(code)("days", n=31) in card.markdown
    assert not re.findall(r"\d\.\d+", visible(card.html).replace(cx.__version__, "")), "a decimal point"


@pytest.fixture(scope="module")
def churn_model():
    rng = np.random.default_rng(3)
    x = pd.DataFrame(rng.normal(size=(400, 3)), columns=["вік", "рахунок", "дзвінки"])
    y = (x["вік"] + rng.normal(size=400) > 0.8).to_numpy()
    x = x.assign(номер=np.arange(400), стало=1, місто=np.where(rng.random(400) < 0.5, "Львів", "Харків"))
    x = x.assign(
        кінець=np.where(y, 1.0, rng.random(400)), удвічі=2 * x["вік"], письмово=[["5", "7", "9", "ні", " "][k % 5] for k in range(400)],
        мішане=[7 if k % 3 else "так" for k in range(400)], дата=pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(400) % 50, "D"),
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CxWarning)
        model = cx.Churn(candidates=["linear"], folds=3).fit(x[:250], y[:250])
    return model, x[250:], y[250:], x["місто"][250:]


@pytest.mark.parametrize(
    "text", ["x" * 10_000, "a, " * 650, "'a' of 'b', " * 160, ": " * 3000, ". A" * 900, "; " * 3000, "1, " * 650]
)
def test_any_text_is_told_or_left_alone(text):
    assert language("uk").told(text) == text
