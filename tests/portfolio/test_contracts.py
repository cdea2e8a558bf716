"""The table contracts are data; a mistake in them must not pass as a rule that never fires."""

from pathlib import Path

import pytest

from scoring.errors import PortfolioError
from scoring.portfolio.contracts import contracts, duckdb_columns, ibis_schema, read_contract
from scoring.resources import data_folder
from scoring.vocabulary import Channel, ContactOutcome, PaymentKind

DESIGNED = {
    "accounts": "account_id customer_id product opened_on credit_limit_cents currency region timezone "
    "channel_addresses",
    "statements": "account_id statement_on due_on balance_cents minimum_due_cents purchases_cents cash_advances_cents "
    "interest_and_fees_cents reported_dpd known_at",
    "payments": "payment_id account_id paid_at amount_cents kind reversed_at reversal_known_at known_at",
    "contacts": "contact_id account_id contacted_at channel direction outcome recipient number_ref minutes cost_cents "
    "decision_id propensity known_at",
    "assignments": "assignment_id account_id decided_at channel propensity policy_id lawful_channels is_exploration "
    "is_holdout known_at",
    "promises": "promise_id account_id made_at promised_cents due_on channel known_at",
    "standings": "account_id kind from_at until_at evidence_ref known_at",
    "consents": "account_id kind channel given_at withdrawn_at evidence_ref known_at",
    "inflows": "customer_id month_on inflow_cents essential_spend_cents known_at",
    "protected": "customer_id sex birth_year",
}


def test_every_designed_table_and_column_has_a_contract():
    assert set(contracts()) == set(DESIGNED)
    for table, columns in DESIGNED.items():
        assert list(contracts()[table].columns)[: len(columns.split())] == columns.split(), table


def test_only_accounts_statements_and_payments_are_required():
    assert {name for name, c in contracts().items() if c.required} == {"accounts", "statements", "payments"}


def test_protected_is_the_only_table_for_audits_alone():
    assert [name for name, c in contracts().items() if c.audit_only] == ["protected"]


def test_kinds_in_the_contracts_are_the_words_of_the_vocabulary():
    assert contracts()["payments"].columns["kind"].allowed == tuple(PaymentKind)
    assert contracts()["contacts"].columns["outcome"].allowed == tuple(ContactOutcome)
    assert contracts()["assignments"].columns["channel"].allowed == tuple(Channel)


def test_ibis_and_duckdb_agree_on_names_and_order():
    for contract in contracts().values():
        assert tuple(ibis_schema(contract).names) == tuple(duckdb_columns(contract)) == tuple(contract.columns)


def test_every_contract_file_is_named_as_its_table():
    files = sorted(path.stem for path in (data_folder() / "contracts").glob("*.toml"))

    assert files == sorted(contracts())


@pytest.mark.parametrize(
    ("replaced", "by", "place"),
    [
        ('event_time  = "paid_at"', 'event_tim = "paid_at"', "event_tim"),
        ("min = 0", "minimum = 0", "minimum"),
        ('type = "int64"', 'type = "int"', "column amount_cents, type"),
        ('order       = [["paid_at"', 'order       = [["payed_at"', "payed_at"),
    ],
)
def test_a_misspelt_rule_is_refused(tmp_path: Path, replaced: str, by: str, place: str):
    text = (data_folder() / "contracts" / "payments.toml").read_text(encoding="utf-8")
    assert replaced in text
    path = tmp_path / "payments.toml"
    path.write_text(text.replace(replaced, by), encoding="utf-8")

    with pytest.raises(PortfolioError, match="misspelt rule would never fire") as caught:
        read_contract(path)

    assert place in caught.value.message
