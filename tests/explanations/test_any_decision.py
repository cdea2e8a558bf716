"""What holds for every decision: no word that claims, threatens or judges, no gap left open, no line too long."""

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from scoring.explanations import explain, explanation
from scoring.explanations.facts import REASON_CODES
from scoring.explanations.layout import WIDTH, columns, folded
from scoring.features.registry import FEATURES
from scoring.scores.targets import minor_units
from scoring.vocabulary import CONTACT_CHANNELS, Bucket, Channel, Evidence, Segment, Treatment
from tests.explanations.forbidden_words import found_in
from tests.explanations.invented import AUDIENCES, DECISION_ID, LANGUAGES, changed, record, worked

shares = st.floats(0, 1)
amounts = st.integers(0, 10**11)
values = st.none() | st.floats(-1e9, 1e9, width=32)


@st.composite
def reasons(draw: st.DrawFn) -> list[dict[str, Any]]:
    told = draw(st.lists(st.sampled_from(FEATURES), max_size=4, unique_by=lambda feature: feature.group))
    return [
        {"group": str(f.group), "feature": f.name, "contribution": draw(st.floats(-9, 9)), "value": draw(values)}
        for f in told
    ]


@st.composite
def decisions(draw: st.DrawFn) -> dict[str, Any]:
    """Records of every shape that the plan can write, and some that it should not."""
    channel = draw(st.sampled_from(Channel))
    reason = draw(st.sampled_from(REASON_CODES)) if channel is Channel.NONE else ""
    body = changed(
        worked(),
        choice__channel=str(channel),
        choice__treatment=str(draw(st.sampled_from(Treatment))),
        choice__reason=reason,
        choice__runner_up=str(draw(st.sampled_from(Channel))),
        choice__priority_value_cents=draw(amounts),
        choice__exploration={
            "explored": draw(st.booleans()),
            "holdout": draw(st.booleans()),
            "propensity": draw(shares),
        },
        currency=draw(st.sampled_from(["CNY", "JPY", "USD", "EUR"])),
        trigger=draw(st.sampled_from(["plan", "request"])),
        scores__bucket=str(draw(st.sampled_from(Bucket))),
        scores__dpd=draw(st.integers(0, 4000)),
        scores__evidence=str(draw(st.sampled_from(Evidence))),
        scores__segment=str(draw(st.sampled_from(Segment))),
        scores__past_due_cents=draw(amounts),
        scores__cure_amount_cents=draw(amounts),
        scores__p_full=draw(shares),
        scores__w_none=draw(shares),
        scores__willingness__reasons=draw(reasons()),
        scores__ability__reasons=draw(reasons()),
        scores__ability__margin=draw(st.floats(-800, 800)),
        policy=draw(st.sampled_from([worked()["policy"], {"profile": None}])),
    )
    for name in map(str, CONTACT_CHANNELS):
        worth = draw(st.none() | st.floats(-1e6, 1e9))
        body["candidates"][name] = {
            "value_cents": worth,
            "cost_cents": draw(amounts),
            "price_cents": draw(st.floats(0, 1e6)),
        }
    return body


@given(decisions(), st.sampled_from(LANGUAGES), st.sampled_from(AUDIENCES))
def test_every_decision_is_worded_without_forbidden_words_open_places_or_long_lines(
    body: dict[str, Any], lang: str, audience: str
):
    page = explain(record(body), lang=lang, audience=audience)

    assert found_in(page, for_customer=audience == "customer") == []
    assert re.search(r"[{}]|\bNone\b|\bnan\b|\binf\b|\be[+-]\d", page) is None
    assert max(columns(line) for line in page.splitlines()) <= WIDTH
    assert all(line == line.rstrip() for line in page.splitlines())


@given(decisions(), st.sampled_from(LANGUAGES))
def test_no_customer_reads_an_internal_name_or_any_number_but_the_amount_and_the_days(body: dict[str, Any], lang: str):
    page = explain(record(body), lang=lang, audience="customer").replace(DECISION_ID, "")

    assert "_" not in page
    assert {number for number in _numbers(page) if not _is_amount_or_days(number, body)} == set()


def _numbers(page: str) -> set[float]:
    """The numbers of a page, the date aside."""
    without_date = re.sub(r"1 May 2025|2025年5月1日", "", page)
    return {float(text.replace(",", "")) for text in re.findall(r"[\d,.]*\d", without_date)}


def _is_amount_or_days(number: float, body: dict[str, Any]) -> bool:
    owed = body["scores"]["past_due_cents"] / minor_units(body["currency"])
    return number == body["scores"]["dpd"] or abs(number - owed) < 1e-6 * max(1.0, owed)


@given(decisions(), st.sampled_from(AUDIENCES))
def test_both_languages_say_equally_much(body: dict[str, Any], audience: str):
    english, chinese = (explanation(record(body), lang, audience) for lang in LANGUAGES)

    assert [(s.key, len(s.lines)) for s in english.sections] == [(s.key, len(s.lines)) for s in chinese.sections]


@given(st.text(alphabet="ab 12,.:()“”（）《》，。；：短信还款🙂é", max_size=120), st.integers(4, 40))
def test_folding_loses_nothing_and_keeps_to_the_width_where_it_can(line: str, width: int):
    pieces = list(folded(line, width))

    assert re.sub(r"\s", "", "".join(pieces)) == re.sub(r"\s", "", line)
    unbreakable = [piece for piece in pieces if columns(piece) > width and len(list(folded(piece, 1))) > 1]
    assert unbreakable == []
