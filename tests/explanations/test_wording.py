"""The wording files: complete, alike in both languages, without words that claim, threaten or judge."""

import ast
import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import scoring.decisions.decided
import scoring.decisions.plan
import scoring.decisions.weighing
import scoring.explanations
from scoring.decisions.timing import REASONS as TIMING_REASONS
from scoring.explanations.facts import REASON_CODES
from scoring.explanations.wording import LANGUAGES, words
from scoring.features.definition import ReasonGroup
from scoring.features.registry import FEATURE_NAMES
from scoring.policy.forbidden import forbidden_phrases, load_forbidden
from scoring.policy.profile import STATUSES
from scoring.policy.rules import FORCES, VERIFIED
from scoring.policy.truth import Outcome
from scoring.scores.targets import minor_units
from scoring.vocabulary import Bucket, Channel, Evidence, Segment, Treatment
from tests.explanations.forbidden_words import found_in

VOCABULARY: dict[str, type[StrEnum]] = {
    "channel": Channel,
    "channel_for_customer": Channel,
    "treatment": Treatment,
    "treatment_for_collector": Treatment,
    "treatment_for_customer": Treatment,
    "bucket": Bucket,
    "segment": Segment,
    "evidence": Evidence,
    "group": ReasonGroup,
    "group_for_customer": ReasonGroup,
}


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("table", VOCABULARY)
def test_every_word_of_the_trade_is_named_in_both_languages(table: str, lang: str):
    assert set(words(lang).tables[table]) == {str(value) for value in VOCABULARY[table]}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_feature_is_named_in_both_languages_and_no_two_share_a_name(lang: str):
    names = words(lang).tables["feature"]

    assert set(names) == set(FEATURE_NAMES)
    assert len(set(names.values())) == len(names)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("table", ["reason", "reason_for_customer"])
def test_every_reason_that_the_plan_can_give_is_worded(table: str, lang: str):
    assert set(words(lang).tables[table]) == set(REASON_CODES) == _reasons_in_the_plan() | set(TIMING_REASONS)


def _source(module: ModuleType) -> str:
    """A module's code from its first import on, so that several can be read as one."""
    text = Path(str(module.__file__)).read_text(encoding="utf-8")
    return text[text.index("\nfrom ", text.index("__future__")) :]


def _reasons_in_the_plan() -> set[str]:
    """The reason codes that the plan's source writes: what its selections choose from, and the holds."""
    modules = (scoring.decisions.plan, scoring.decisions.decided, scoring.decisions.weighing)
    tree = ast.parse("\n".join(_source(module) for module in modules))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "first_case"]
    holds = [f for f in tree.body if isinstance(f, ast.FunctionDef) and f.name == "_held"]
    cases = [case for call in calls for case in ast.walk(call.args[0]) if isinstance(case, ast.Tuple)]
    chosen = [case.elts[1] for case in cases]
    named = [value for f in holds for node in ast.walk(f) if isinstance(node, ast.Dict) for value in node.values]
    return {node.value for node in [*chosen, *named] if isinstance(node, ast.Constant) and isinstance(node.value, str)}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_word_of_the_contact_policy_is_named(lang: str):
    tables = words(lang).tables

    assert set(tables["outcome"]) == {outcome.name.lower() for outcome in Outcome}
    assert set(tables["status"]) == set(STATUSES)
    assert set(tables["force"]) == set(FORCES)
    assert set(tables["verified"]) == set(VERIFIED)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_currency_that_is_named_can_be_counted(lang: str):
    assert all(minor_units(code) >= 1 for code in words(lang).tables["currency"])


def test_both_languages_say_the_same_sentences_with_the_same_places():
    english, chinese = (dict(_sentences(words(lang).tables)) for lang in LANGUAGES)

    assert {key: _places(text) for key, text in english.items()} == {
        key: _places(text) for key, text in chinese.items()
    }


@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_sentence_is_left_over(lang: str):
    code = "".join(p.read_text(encoding="utf-8") for p in Path(scoring.explanations.__file__).parent.glob("*.py"))
    said = {key for key, _ in _sentences(words(lang).tables["say"])}

    unused = {key for key in said if key not in code and not re.search(rf"['\"]{key.split('.')[-1]}['\"]", code)}
    assert unused == set()


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_words_claim_no_cause_threaten_nobody_and_judge_nobody(lang: str):
    assert {key: found for key, text in _sentences(words(lang).tables) if (found := found_in(text))} == {}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_what_the_customer_reads_names_no_score_and_no_legal_step(lang: str):
    tables = words(lang).tables
    read = {"say": tables["say"]["customer"]} | {
        name: t for name, t in tables.items() if name.endswith("_for_customer")
    }

    assert {key: found for key, text in _sentences(read) if (found := found_in(text, for_customer=True))} == {}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_wording_holds_a_phrase_that_the_contact_policy_forbids_in_messages(lang: str):
    uses = load_forbidden()

    assert [found for key, text in _sentences(words(lang).tables) for found in forbidden_phrases(text, key, uses)] == []


def test_the_chinese_file_is_written_in_simplified_characters_with_full_width_marks():
    texts = [text for _, text in _sentences(words("zh").tables)]

    assert [t for t in texts if re.search(r"[\u4e00-\u9fff][,;:?!]|[,;:?!][\u4e00-\u9fff]", t)] == []
    assert [t for t in texts if set(t) & set("還賬繳額權險個這裡對與為應實產業務記錄處規則證據電話訊簡體")] == []


def _sentences(table: dict[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _sentences(value, f"{before}{key}.")
        elif isinstance(value, str):
            yield f"{before}{key}", value


def _places(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))
