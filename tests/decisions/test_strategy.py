"""A strategy is a file: checked, pinned by promotion, refused when edited afterwards, and part of what every run is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from scoring.decisions.account_events import open_standings
from scoring.decisions.exploration import hash_shares
from scoring.decisions.plan import decide, strategy_versions
from scoring.decisions.strategy import house_strategy, strategy_from, with_effects
from scoring.decisions.strategy_pin import pin_strategy, pinned_strategy, strategy_in_force
from scoring.errors import PolicyError
from scoring.resources import data_folder
from scoring.scores.targets import TargetDefinition
from tests.decisions.invented_scores import AS_OF, FREE, flagged, scored
from tests.decisions.test_exploration import CAPACITY

TEXT = (data_folder() / "reference" / "strategy.toml").read_text(encoding="utf-8")


def test_the_house_strategy_runs_until_another_is_promoted_and_a_given_file_outranks_both(tmp_path: Path) -> None:
    assert strategy_in_force(tmp_path).version == house_strategy().version

    promoted = strategy_from(TEXT.replace("value = 0.05", "value = 0.04"))
    pin_strategy(tmp_path, promoted, {"approver": "Li Wei"})
    given = tmp_path / "given.toml"
    given.write_text(TEXT.replace("exploration-2026", "exploration-2027"), encoding="utf-8")

    assert strategy_in_force(tmp_path) == promoted
    assert strategy_in_force(tmp_path, given).exploration_salt == "exploration-2027"


def test_a_promoted_file_that_was_edited_afterwards_is_refused(tmp_path: Path) -> None:
    pin = pin_strategy(tmp_path, house_strategy(), {"approver": "Li Wei"})
    file = pin.with_name(f"{house_strategy().version}.toml")
    file.write_text(TEXT.replace("value = 0.05", "value = 0.5"), encoding="utf-8")

    with pytest.raises(PolicyError, match="was changed after it was promoted"):
        pinned_strategy(tmp_path)


def test_a_pin_that_cannot_be_read_is_refused_and_not_taken_for_none(tmp_path: Path) -> None:
    pin_strategy(tmp_path, house_strategy(), {}).write_text("{", encoding="utf-8")

    with pytest.raises(PolicyError, match="cannot be read"):
        strategy_in_force(tmp_path)


def test_every_change_of_the_file_is_another_version_of_the_run() -> None:
    other = strategy_from(TEXT + "\n# a word\n")

    assert strategy_versions(other) != strategy_versions()
    assert strategy_versions(house_strategy()) == strategy_versions()


@dataclass(frozen=True)
class Learned:
    """A bundle as far as the strategy reads one."""

    documents: dict[str, Any] = field(default_factory=lambda: {"effects": {"sms": 1}, "scorecard": {}})

    @cached_property
    def effects(self) -> Any:
        return self.documents.get("effects")


def test_a_strategy_that_asks_for_the_prior_gets_a_bundle_without_learned_effects() -> None:
    bundle: Any = Learned()
    assert bundle.effects == {"sms": 1}
    prior = strategy_from('effects = "prior"\n' + TEXT)

    assert with_effects(bundle, house_strategy()) is bundle
    assert with_effects(bundle, prior).effects is None
    assert bundle.effects == {"sms": 1}
    assert set(with_effects(bundle, prior).documents) == {"scorecard"}


def test_other_effects_are_refused() -> None:
    with pytest.raises(PolicyError, match="'guessed' is none of learned, prior"):
        strategy_from('effects = "guessed"\n' + TEXT)


def test_a_flag_whose_known_end_lies_ahead_is_open_and_one_that_has_ended_is_not() -> None:
    events = flagged(scored(3), [0, 1, 2], "illness")
    ends = [pd.NaT, pd.Timestamp(AS_OF) + pd.Timedelta(days=9), pd.Timestamp(AS_OF)]
    events = replace(events, standings=events.standings.assign(until_at=ends))

    assert open_standings(events)["row"].tolist() == [0, 1]


def test_a_customer_with_a_flag_that_ends_later_is_still_never_drawn() -> None:
    scores = scored(600, 1)
    events = flagged(scores, list(range(300)), "hardship")
    later = replace(events, standings=events.standings.assign(until_at=pd.Timestamp(AS_OF) + pd.Timedelta(days=30)))
    strategy = replace(house_strategy(), exploration_share=0.3)

    decisions = decide(scores, TargetDefinition(), CAPACITY, run_id="run", events=later, strategy=strategy).decisions

    assert not decisions["explored"].iloc[:300].any()
    assert decisions["explored"].iloc[300:].any()


def test_supported_customers_are_drawn_for_no_pressure_even_where_the_file_protects_nobody() -> None:
    scores = scored(2_000, 2, **FREE | {"dpd": 10}, segment="undetermined", evidence="sufficient")
    events = flagged(scores, list(range(1_000)), "hardship")
    strategy = replace(house_strategy(), exploration_share=0.3, protected=(), supported=("hardship",))

    drawn = decide(
        scores, TargetDefinition(), CAPACITY, run_id="run", events=events, strategy=strategy
    ).decisions.query("explored")

    pressing = {str(channel) for channel in strategy.pressure}
    assert not set(drawn[drawn.index < 1_000]["channel"]) & pressing
    assert set(drawn[drawn.index >= 1_000]["channel"]) & pressing
    assert len(drawn[drawn.index < 1_000]) > 20


def test_the_hash_that_draws_is_of_the_salt_and_the_customer_alone() -> None:
    ids = scored(4).frame.positions["customer_id"].to_numpy(dtype=object)

    assert hash_shares(ids, "a").tolist() == hash_shares(ids[::-1], "a").tolist()[::-1]
