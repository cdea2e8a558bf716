"""The page and its pictures: the same words, well-formed, nothing loaded from elsewhere, readable without seeing it."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from scoring.explanations import explain
from scoring.explanations.html import page_html
from scoring.explanations.pictures import pictures
from scoring.explanations.reading import facts_of
from scoring.explanations.svg import Step, Total, path, waterfall
from scoring.explanations.wording import words
from tests.explanations.forbidden_words import found_in
from tests.explanations.invented import AUDIENCES, LANGUAGES, changed, held, record, worked

PRODUCT = {"groups": {"payment_size": 0.11, "promises": -0.06}, "reference": 0.2, "value": 0.25}


def explained_product() -> dict:
    return changed(worked(), scores__product=PRODUCT)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("audience", AUDIENCES)
def test_the_page_says_every_line_of_the_text_and_is_well_formed(lang: str, audience: str) -> None:
    made = page_html(record(worked()), lang=lang, audience=audience)

    body = re.search(r"<main>.*</main>", made, flags=re.S)
    assert body is not None
    said = re.sub(r"\s+", "", "".join(ElementTree.fromstring(body[0]).itertext()))
    for line in explain(record(worked()), lang=lang, audience=audience).splitlines():
        assert re.sub(r"\s+", "", line) in said


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_page_loads_nothing_and_runs_nothing(lang: str) -> None:
    made = page_html(record(explained_product()), lang=lang)

    assert "<script" not in made and "src=" not in made and " on" not in re.sub(r">[^<]*<", "><", made)
    assert re.findall(r"https?://[^'\" ]+", made) == ["http://www.w3.org/2000/svg"] * 4


def test_every_picture_has_a_title_and_a_text_equivalent_with_its_numbers() -> None:
    drawn = [ElementTree.fromstring(one.svg) for one in pictures(facts_of(record(explained_product())), words("en"))]

    names = {"svg": "http://www.w3.org/2000/svg"}
    told = [(one.findtext("svg:title", namespaces=names), one.findtext("svg:desc", namespaces=names)) for one in drawn]
    assert [title for title, _ in told if title] == [title for title, _ in told]
    assert "Size of payments: +11.0" in str(told[2][1])
    assert "place in the queue: 17" in str(told[3][1])


def test_pictures_are_grey_and_direction_is_told_by_pattern() -> None:
    for one in pictures(facts_of(record(explained_product())), words("zh")):
        colours = re.findall(r"#([0-9a-f]{3,6})\b", one.svg)
        parts = [{c[k : k + len(c) // 3] for k in range(0, len(c), len(c) // 3)} for c in colours]
        assert all(len(red_green_blue) == 1 for red_green_blue in parts)
        assert "hatch" in one.svg


def test_pictures_use_none_of_the_forbidden_words() -> None:
    for lang in LANGUAGES:
        for one in pictures(facts_of(record(explained_product())), words(lang)):
            assert found_in(one.svg) == []


def test_a_decision_by_rule_has_no_picture_of_scores() -> None:
    assert pictures(facts_of(record(held())), words("en")) == ()


def test_collectors_and_customers_see_no_pictures_of_scores() -> None:
    for audience in ("collector", "customer"):
        assert "<svg" not in page_html(record(explained_product()), audience=audience)


def test_words_from_a_record_cannot_break_out_of_the_page() -> None:
    drawn = waterfall("k", "<b>", Total("<i>", 0, "&"), [Step("</svg>", -1, "'")], Total("x", -1, '"'), "<script>")

    ElementTree.fromstring(drawn)
    ElementTree.fromstring(path("k", "</title>", [("<a>", "<b>")] * 9))
    hostile = page_html(record(changed(worked(), account_ref="<script>alert(1)</script>")))
    assert "<script" not in hostile
