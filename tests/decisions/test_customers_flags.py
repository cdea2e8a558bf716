"""A flag is of the customer: it holds for every account, whichever was asked about and whichever it stands on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scoring.decisions.account_events import AccountEvents, account_events, customers_flags, open_standings
from scoring.decisions.strategy import house_strategy
from scoring.decisions.timing import timing
from scoring.decisions.weighing import standing_of
from scoring.portfolio.reading import SMALLEST, portfolio_from_tables
from tests.decisions.invented_scores import AS_OF, scored

OWNERS = {"A1": "C1", "A2": "C1", "A3": "C2"}


def tables(owners: dict[str, str], *standings: dict[str, Any]) -> dict[str, Any]:
    """Accounts of some customers and what stands on them."""
    accounts = [{**SMALLEST["accounts"][0], "account_id": a, "customer_id": c} for a, c in owners.items()]
    return {**SMALLEST, "accounts": accounts, "standings": list(standings)}


def flag(account_id: str, kind: str, **more: str) -> dict[str, Any]:
    return {"account_id": account_id, "kind": kind, "from_at": "2025-03-01T08:00:00Z", **more}


def seen(given: dict[str, Any], *account_ids: str) -> AccountEvents:
    return account_events(portfolio_from_tables(given), np.array(account_ids, dtype=object), AS_OF)


def treated_apart(given: dict[str, Any], owners: dict[str, str], *asked: str) -> list[tuple[bool, bool, bool]]:
    """Protected, supported, held out; for each account asked about."""
    scores = scored(len(asked), account_id=list(asked), customer_id=[owners[name] for name in asked])
    found = standing_of(scores, house_strategy(), seen(given, *asked))
    return list(zip(found.protected.tolist(), found.supported.tolist(), found.holdout.tolist(), strict=True))


@pytest.mark.parametrize("kind", ["vulnerable", "hardship"])
def test_an_account_asked_about_alone_is_protected_by_the_flag_of_another(kind: str) -> None:
    given = tables(OWNERS, flag("A2", kind))

    assert treated_apart(given, OWNERS, "A1") == treated_apart(given, OWNERS, "A2") == [(True, True, False)]
    assert treated_apart(given, OWNERS, "A1", "A2")[0] == treated_apart(given, OWNERS, "A1")[0]
    assert not treated_apart(given, OWNERS, "A3")[0][0]


@pytest.mark.parametrize("kind", house_strategy().watched)
def test_every_flag_that_the_strategy_names_holds_for_all_accounts(kind: str) -> None:
    assert customers_flags(seen(tables(OWNERS, flag("A2", kind)), "A3", "A1"), [kind]).values.tolist() == [[1, kind]]


def test_what_is_about_one_debt_stays_with_it() -> None:
    given = tables(
        OWNERS, flag("A2", "dispute_open"), flag("A2", "plan_signed"), flag("A2", "illness", evidence_ref="E")
    )

    one, other = seen(given, "A1"), seen(given, "A2")

    assert len(open_standings(one)) == 0 and len(open_standings(other)) == 3
    assert timing(one).holds.tolist() == [""] and timing(other).holds.tolist() == ["plan_kept"]
    assert customers_flags(one, house_strategy().watched)["kind"].tolist() == ["illness"]


@pytest.mark.parametrize(
    ("more", "holds"),
    [
        ({"known_at": "2025-03-31T23:00:00Z"}, True),
        ({"known_at": "2025-04-01T00:00:00Z"}, False),
        ({"until_at": "2025-03-20T00:00:00Z"}, False),
        ({"until_at": "2025-04-20T00:00:00Z"}, True),
    ],
)
def test_only_what_was_known_by_the_end_of_the_day_holds(more: dict[str, str], holds: bool) -> None:
    assert treated_apart(tables(OWNERS, flag("A2", "vulnerable", **more)), OWNERS, "A1")[0][0] is holds


def test_a_flag_on_both_accounts_is_one_flag() -> None:
    given = tables(OWNERS, flag("A1", "hardship"), flag("A2", "hardship"), flag("A2", "illness"))

    assert customers_flags(seen(given, "A1"), house_strategy().watched).values.tolist() == [
        [0, "hardship"],
        [0, "illness"],
    ]


@pytest.mark.parametrize("seed", range(3))
def test_who_is_treated_apart_does_not_depend_on_who_else_is_asked_about(seed: int) -> None:
    rng = np.random.default_rng(seed)
    owners = {f"A{n:02d}": f"C{rng.integers(12):02d}" for n in range(25)}
    kinds = ["vulnerable", "complaint_open", "dispute_open", "hardship"]
    flags = {(f"A{rng.integers(25):02d}", kinds[rng.integers(4)]) for _ in range(9)}
    given = tables(owners, *(flag(*each) for each in sorted(flags)))
    order = [str(name) for name in rng.permutation(list(owners))]

    together = dict(zip(order, treated_apart(given, owners, *order), strict=True))

    protected = {owners[name] for name, kind in flags if kind in house_strategy().protected}
    assert {name: found[0] for name, found in together.items()} == {n: c in protected for n, c in owners.items()}
    for name in order[:8]:
        assert treated_apart(given, owners, name) == [together[name]]
