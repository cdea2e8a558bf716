"""What happened since the plan: events told during the day laid over the portfolio, for one customer at a time.

A customer's rows are cut out of the portfolio and the events are added; the features of such a small portfolio are built by the same SQL
as the whole one, so they are what a bulk build with those rows would give, to the bit. An event changes its account from the day it was
known: the account is then seen as of that day, or of the plan's day where that is later. An event that the portfolio holds already, with
everything it says, and that was known by the plan's day, is no news: its account keeps the plan's decision.

Of two decisions the one that knows of the later event holds, whichever was stored first.

Every worker asks the shared state, before it answers, whether something was told that it has not seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from threading import Lock
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection

from scoring.features.builder import FeatureFrame, pick
from scoring.features.one_account.known import TABLES_READ
from scoring.policy import Facts, Operations, Profile, facts_from_portfolio
from scoring.portfolio.reading import Portfolio, portfolio_from_tables
from serving.customer_rows import CustomerRows
from serving.histories import built_few
from serving.redecided import Redecided
from serving.remembered import Remembered
from serving.state.database import State
from serving.state.events import (
    Kept,
    Told,
    events_after,
    events_of_customer,
    last_numbers,
    last_of_customer,
    redecisions_after,
)
from serving.told import held, is_of_person, is_work, known_on, laid_over, laid_over_for_rules

REMEMBERED: Final = timedelta(days=60)
"""Events told before the plan that may be missing in its portfolio: late feeds are read as far back as this. Standings and consents hold
until they end, so they are read however long ago they were told."""
MOST_FACTS: Final = 16
MOST_PEOPLE: Final = 2
MOST_FRAMES: Final = 50
"""Each holds some 50 KiB."""
READ_BY_RULES: Final = ("accounts", "statements", "contacts", "promises", "standings", "consents")
"""Tables from which the contact rules' facts come; statements only say that there is an account."""


class AccountNews(NamedTuple):
    """What the events of one account come to: the day as of which it is seen, the latest one's number, whether one was our contact."""

    seen_on: date
    event_seq: int
    is_worked: bool


class Today:
    """The day's events over one plan's portfolio; safe to use from several threads.

    Parameters
    ----------
    state : State
    rows : CustomerRows
        Of the plan's portfolio.
    as_of : date
        The plan's day.
    run_id : str
        The plan.
    watched : collection of str
        Kinds of standings of which the plan's strategy treats the whole customer apart.
    """

    def __init__(
        self, state: State, rows: CustomerRows, as_of: date, run_id: str, watched: Collection[str] = ()
    ) -> None:
        self._state, self._rows, self._as_of, self._run_id = state, rows, as_of, run_id
        self._watched = frozenset(watched)
        self._since = datetime.combine(as_of, time(), tzinfo=UTC) - REMEMBERED
        self._lock = Lock()
        self.state_version: int | None = None
        """The state's number at the last look; None where it could not be read."""
        self._event_seq, self._decided_seq, self.version = 0, 0, 0
        self._news: dict[str, AccountNews] = {}
        self._redecided: dict[str, Redecided] = {}
        self._changed: list[str] = []
        self._contacted: dict[str, int] = defaultdict(int)
        self._facts: Remembered[tuple[str, datetime, int], Facts] = Remembered(MOST_FACTS)
        self._frames: Remembered[tuple[str, int, date], FeatureFrame] = Remembered(MOST_FRAMES)
        self._people: Remembered[tuple[str, int], Portfolio] = Remembered(MOST_PEOPLE)

    def refresh(self) -> None:
        """Take in what was told since the last time, by any worker."""
        version = self._state.news.version()
        if version is not None and version == self.state_version:
            return
        with self._state.reading() as connection:
            newest = last_numbers(connection)
            if newest != (self._event_seq, self._decided_seq):
                events = events_after(connection, self._event_seq, self._since)
                decided = redecisions_after(connection, self._decided_seq, self._run_id)
                self._learn(newest, events, self._no_news(events), decided)
        self.state_version = version

    def _no_news(self, events: list[Kept]) -> Collection[int]:
        """Numbers of the events that the plan knew of: rows of its portfolio that were known by its day."""
        if not events:
            return ()
        portfolio = self._rows.portfolio
        end = datetime.combine(portfolio.extract_on + timedelta(days=1), time(), tzinfo=UTC)
        return held(portfolio, [k for k in events if k.recorded_at < end and known_on(k) <= self._as_of])

    def _learn(
        self,
        newest: tuple[int, int],
        events: list[Kept],
        no_news: Collection[int],
        decided: Sequence[tuple[int, str, dict[str, Any]]],
    ) -> None:
        with self._lock:
            changed: list[str] = []
            for kept in events:
                changed += self._take_in(kept, is_news=kept.seq not in no_news)
            redecided = dict(self._redecided)  # a new one: others may be reading the old one
            for seq, account_id, body in decided:
                one, before = Redecided.of(**body), redecided.get(account_id)
                if seq > self._decided_seq and (before is None or before.event_seq <= one.event_seq):
                    redecided[account_id] = one
                    changed.append(account_id)
            self._redecided = redecided
            self._changed += changed
            # more may have been told between the two questions, and must not be counted again the next time
            self._event_seq = max(newest[0], self._event_seq, *(kept.seq for kept in events))
            self._decided_seq = max(newest[1], self._decided_seq, *(seq for seq, _, _ in decided))
            self.version += 1

    def _take_in(self, kept: Kept, *, is_news: bool) -> tuple[str, ...]:
        """Count an event, and note it at the accounts that it changes."""
        if kept.seq <= self._event_seq:
            return ()
        told = kept.told
        is_contact = is_work(told.table, told.row) and told.happened_at.date() > self._as_of
        if is_contact:
            self._contacted[told.row["channel"]] += 1
        changed = (told.account_id, *self.others_changed(told)) if is_news else ()
        for account_id in changed:
            before = self._news.get(account_id, AccountNews(self._as_of, 0, False))
            is_worked = before.is_worked or (is_contact and account_id == told.account_id)
            self._news[account_id] = AccountNews(max(known_on(kept), before.seen_on), kept.seq, is_worked)
        return changed

    def others_changed(self, told: Told) -> list[str]:
        """The customer's other accounts, where an event is about the person and not about one debt."""
        if not is_of_person(told.table, told.row, self._watched):
            return []
        return [name for name in self._rows.accounts_of(told.customer_id) if name != told.account_id]

    def has_events(self, account_id: str) -> bool:
        """Whether something was told about an account that the plan did not know, or it was decided again."""
        return account_id in self._news or account_id in self._redecided

    def latest(self, account_id: str) -> int:
        """The number of the latest event that is news about an account; 0 where there is none."""
        news = self._news.get(account_id)
        return 0 if news is None else news.event_seq

    def in_force(self, account_id: str) -> Redecided | None:
        """How an account was decided again with everything told about it; None where that is still to be done."""
        latest, found = self.latest(account_id), self._redecided.get(account_id)
        return found if found is not None and found.event_seq >= latest else None

    def was_worked(self, account_id: str) -> bool:
        """Whether an account was contacted since the plan: it stays out of the queues until the next one."""
        news, found = self._news.get(account_id), self._redecided.get(account_id)
        was_left_out = found is not None and found.row is None and found.decision["channel"] != "none"
        return was_left_out or (news is not None and news.is_worked)

    def redecided(self) -> Mapping[str, Redecided]:
        """Accounts that were decided again."""
        return self._redecided

    def changed_after(self, place: int) -> list[str]:
        """Accounts with news or decided again, in the order in which this worker learnt of it, without the first so many."""
        return self._changed[place:]

    def contacted(self, channel: str) -> int:
        """Contacts made on a channel since the plan's day."""
        return self._contacted.get(channel, 0)

    def seen_on(self, account_id: str) -> date:
        """The day as of which an account is seen now."""
        news = self._news.get(account_id)
        return self._as_of if news is None else news.seen_on

    def customer(self, customer_id: str) -> Portfolio:
        """What is judged of a customer: the accounts with everything told, as a portfolio of their own; close its connection when done."""
        with self._state.reading() as connection:
            told = events_of_customer(connection, customer_id, self._since)
        return portfolio_from_tables(laid_over_for_rules(self._rows.of([customer_id]), told))

    def frame(self, account_id: str, customer_id: str) -> FeatureFrame:
        """Features of an account as it is seen now."""
        with self._state.reading() as connection:
            as_of = self.seen_on(account_id)
            key = (account_id, last_of_customer(connection, customer_id), as_of)
            found = self._frames.get(key)
            if found is None:
                told = events_of_customer(connection, customer_id, self._since)
                tables = laid_over(self._rows.of([customer_id], TABLES_READ), told)
                built = built_few(tables, as_of)
                found = self._frames.put(key, pick(built, (account_id,), frozenset({account_id})))
        return found

    def facts(
        self,
        account_id: str,
        customer_id: str,
        profile: Profile,
        operations: Operations,
        at: datetime,
        asked: Connection,
    ) -> Facts:
        """What the contact rules read about an account at an instant, with everything told so far."""
        seq = last_of_customer(asked, customer_id)
        key = (account_id, at, seq)
        found = self._facts.get(key)
        if found is None:
            who = (customer_id, seq)
            small = self._people.get(who) or self._people.put(who, self._read_for_rules(customer_id, asked))
            found = facts_from_portfolio(small, profile, at, operations, [account_id]).facts(0)
            self._facts.put(key, found)
        return found

    def _read_for_rules(self, customer_id: str, asked: Connection) -> Portfolio:
        """What the contact rules read of a customer; the tables that they do not read are left empty."""
        rows = self._rows.of([customer_id], READ_BY_RULES)
        told = events_of_customer(asked, customer_id, self._since)
        return portfolio_from_tables({"payments": [], **laid_over_for_rules(rows, told)})
