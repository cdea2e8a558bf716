"""Contact attempts and what they do to people: remembering, resolve, digging deeper, promises, plans, weariness.

A contact never pays a bill by itself. It makes the forgetful remember, gives or takes resolve, and lets some people
keep back less cash; whether that ends in a payment is up to memory, mood and wallet on the following days.
"""

from __future__ import annotations

import numpy as np

from scoring.vocabulary import Channel
from training.simulator.cash import free_cash
from training.simulator.days import Day
from training.simulator.log import Log
from training.simulator.parameters import CHANNELS, BoolArray, FloatArray, IntArray, Parameters
from training.simulator.paying import resolve
from training.simulator.people import People
from training.simulator.state import NEVER, Draws, State, days_past_due, past_due_cents

_CODE = {channel: code for code, channel in enumerate(CHANNELS)}
_VOICE = np.isin(np.arange(len(CHANNELS)), [_CODE[Channel.AI_VOICE], _CODE[Channel.AGENT_CALL]])
_TALK = _VOICE | (np.arange(len(CHANNELS)) == _CODE[Channel.FIELD_VISIT])
_WRITTEN = np.isin(np.arange(len(CHANNELS)), [_CODE[c] for c in (Channel.SMS, Channel.APP_PUSH, Channel.EMAIL)])
ATTENDED_DAYS = 30


def start_campaigns(state: State, rows: IntArray, channel: IntArray, day: int, parameters: Parameters) -> None:
    """Put decided contacts to work: tries follow on consecutive days until somebody is reached."""
    state.campaign[rows] = channel
    state.attempts_left[rows] = parameters.by_channel("attempts")[channel].astype(np.int64)
    is_chat = channel == _CODE[Channel.ONLINE_CS]
    state.attempts_left[rows[is_chat]] = 0
    state.attended_until[rows[is_chat]] = day + ATTENDED_DAYS


def try_contacts(people: People, state: State, day: Day, draws: Draws, parameters: Parameters, log: Log) -> None:
    """One try for every open campaign on an account that still owes."""
    is_owing = (state.unpaid[0] > 0) & (state.due[0] < day.number) & ~state.is_closed
    state.attempts_left[~is_owing] = 0
    rows = np.flatnonzero(state.attempts_left > 0)
    channel = state.campaign[rows]
    is_allowed = people.addresses[channel, rows] & ~state.opted_out[channel, rows]
    state.attempts_left[rows[~is_allowed]] = 0
    rows, channel = rows[is_allowed], channel[is_allowed]
    if not len(rows):
        return
    reached = draws["reached"][rows] < _reach(people, state, rows, channel, day, parameters)
    state.attempts_left[rows] = np.where(reached, 0, state.attempts_left[rows] - 1)
    minutes = np.where(
        reached, parameters.by_channel("minutes")[channel], parameters.by_channel("minutes_unreached")[channel]
    )
    cost = parameters.by_channel("cost_cents")[channel]
    state.minutes[rows] += minutes
    state.cost[rows] += cost
    state.n_reached[rows] += reached & _TALK[channel]
    log.add(
        "contacts",
        day.number,
        rows,
        channel=channel,
        direction="outbound",
        outcome=_outcome(channel, reached, draws["kind"][rows], state.is_number_lost[rows]),
        minutes=minutes,
        cost_cents=cost.astype(np.int64),
    )
    state.fatigue[rows] += parameters.by_channel("fatigue")[channel]
    _move(people, state, rows[reached], channel[reached], day, draws, parameters, log)


def answer_chats(
    people: People, state: State, rows: IntArray, day: Day, draws: Draws, parameters: Parameters, log: Log
) -> None:
    """Some customers short of cash open a chat; it helps only where somebody was told to attend to it."""
    rows = rows[draws["chats"][rows] < parameters.number("chat")]
    if not len(rows):
        return
    attended = state.attended_until[rows] >= day.number
    code = _CODE[Channel.ONLINE_CS]
    minutes = np.where(attended, parameters.by_channel("minutes")[code], 0.0)
    cost = np.where(attended, parameters.by_channel("cost_cents")[code], 0.0)
    log.add(
        "contacts",
        day.number,
        rows,
        channel=np.full(len(rows), code),
        direction="inbound",
        outcome=np.where(attended, "conversation", "no_answer"),
        minutes=minutes,
        cost_cents=cost.astype(np.int64),
    )
    rows = rows[attended]
    state.minutes[rows] += minutes[attended]
    state.cost[rows] += cost[attended]
    _move(people, state, rows, np.full(len(rows), code), day, draws, parameters, log)


def fade(state: State, parameters: Parameters, draws: Draws) -> None:
    """Memory, resolve gained and weariness fade overnight; moods swing."""
    state.memory *= 0.5 ** (1 / parameters.number("memory_half_life_days"))
    state.boost *= 0.5 ** (1 / parameters.number("boost_half_life_days"))
    state.fatigue *= 0.5 ** (1 / parameters.number("fatigue_half_life_days"))
    _, days = parameters.pair("mood")
    keep = np.exp(-1 / days)
    state.mood *= keep
    state.mood += np.sqrt(1 - keep**2) * draws.normal["mood"]


def _reach(
    people: People, state: State, rows: IntArray, channel: IntArray, day: Day, parameters: Parameters
) -> FloatArray:
    chance = parameters.by_channel("reach")[channel]
    personal = np.where(_TALK[channel], people.answers[rows] * day.answer / (1.0 + 0.10 * state.fatigue[rows]), 1.0)
    is_silent = state.is_dead[rows] | (_VOICE[channel] & state.is_number_lost[rows])
    return np.where(is_silent, 0.0, np.minimum(chance * personal, 0.95))


def _outcome(channel: IntArray, reached: BoolArray, draw: FloatArray, is_number_lost: BoolArray) -> np.ndarray:
    """The word that the record keeps for a try."""
    missed = np.select([draw < 0.55, draw < 0.70, draw < 0.85], ["no_answer", "busy", "rejected"], "voicemail")
    missed = np.where(is_number_lost, "not_connected", missed)
    return np.select(
        [
            _VOICE[channel],
            channel == _CODE[Channel.FIELD_VISIT],
            _WRITTEN[channel],
        ],
        [
            np.where(reached, "conversation", missed),
            np.where(reached, "met", "no_answer"),
            np.where(reached, "read", "delivered"),
        ],
        np.where(reached, "delivered", "sent"),
    )


def _move(
    people: People,
    state: State,
    rows: IntArray,
    channel: IntArray,
    day: Day,
    draws: Draws,
    parameters: Parameters,
    log: Log,
) -> None:
    """What being reached does to the customer."""
    if not len(rows):
        return
    wants = resolve(people, state, day.number, parameters, rows) > 0
    scale = parameters.number("effect_scale") * _response(people, state, rows, day, parameters)
    change = np.where(_WRITTEN[channel], day.memory, 1.0)
    state.memory[rows] += scale * change * parameters.by_channel("memory")[channel]
    gain = scale * parameters.by_channel("boost")[channel]
    state.boost[rows] += np.where(people.is_reactant[rows], -1.6 * gain, gain)
    state.dig[rows] = scale * parameters.by_channel("dig")[channel]
    state.dig_until[rows] = day.number + 15
    _complain(people, state, rows, channel, day, draws, parameters, log)
    is_talk = _TALK[channel] | (channel == _CODE[Channel.ONLINE_CS])
    _talk(people, state, rows[is_talk], channel[is_talk], wants[is_talk], day, draws, parameters, log)


def _response(people: People, state: State, rows: IntArray, day: Day, parameters: Parameters) -> FloatArray:
    """How strongly a contact acts: alike for all, or (world nonlogit) an exclusive or of two visible facts."""
    if parameters.word("response_shape") == "plain":
        return np.ones(len(rows))
    is_flush = day.number - state.last_payday[rows] <= 7
    is_drawn = state.balance[rows] > 0.6 * people.limit[rows]
    return np.where(is_flush ^ is_drawn, 2.0, 0.1)


def _complain(
    people: People,
    state: State,
    rows: IntArray,
    channel: IntArray,
    day: Day,
    draws: Draws,
    parameters: Parameters,
    log: Log,
) -> None:
    chance = parameters.by_channel("complaint")[channel] * (1.0 + state.fatigue[rows])
    chance *= np.where(people.is_reactant[rows], 4.0, 1.0)
    complains = rows[draws["complains"][rows] < chance]
    state.complaints[complains] += 1
    log.add("complaints", day.number, complains)
    is_out = draws["opts_out"][rows] < parameters.number("opt_out")
    is_out &= channel != _CODE[Channel.LEGAL_REFERRAL]
    state.opted_out[channel[is_out], rows[is_out]] = True
    log.add("opt_outs", day.number, rows[is_out], channel=channel[is_out])


def _talk(
    people: People,
    state: State,
    rows: IntArray,
    channel: IntArray,
    wants: BoolArray,
    day: Day,
    draws: Draws,
    parameters: Parameters,
    log: Log,
) -> None:
    """A conversation: a promise, sometimes a plan, sometimes the reason."""
    if not len(rows):
        return
    number = day.number
    is_job, is_ill = state.job_until[rows] >= number, state.ill_until[rows] >= number
    tells = draws["tells"][rows] < parameters.number("reason_told")
    log.add("reasons", number, rows[tells & is_job], kind="job_loss")
    log.add("reasons", number, rows[tells & is_ill], kind="illness")
    log.add("reasons", number, rows[tells & ~is_job & ~is_ill & (draws["rare"][rows] < 0.12)], kind="hardship")

    past = past_due_cents(state, number, rows)
    is_short = free_cash(people, state, number, rows) < past
    is_agent = (channel == _CODE[Channel.AGENT_CALL]) | (channel == _CODE[Channel.ONLINE_CS])
    chance = parameters.number("plan_signed") * parameters.number("effect_scale")
    signs = is_agent & wants & is_short & (days_past_due(state, number, rows) >= 15) & (state.plan_day[rows] == NEVER)
    signs &= draws["plans"][rows] < chance
    _sign(people, state, rows[signs], day, log)

    high, low = parameters.pair("promise")
    gives = (draws["promises"][rows] < np.where(wants, high, low)) & ~signs & (state.promise_day[rows] < number)
    giver = rows[gives]
    due = number + 1 + (draws["kind"][giver] * 9).astype(np.int64)
    is_soon = ~people.is_gig[giver] & ((people.payday[giver] - day.on.day) % 30 <= 10)
    due = np.where(is_soon, number + 1 + (people.payday[giver] - day.on.day) % 30, due)
    amount = np.where(is_short[gives] & (draws["partly"][giver] < 0.5), past[gives] // 2, past[gives])
    state.promise_day[giver] = due
    log.add("promises", number, giver, due_day=due, promised_cents=amount, channel=channel[gives])


def _sign(people: People, state: State, rows: IntArray, day: Day, log: Log) -> None:
    """An instalment plan: up to 60 months of what income leaves, and no more contacts while it is kept."""
    if not len(rows):
        return
    left = people.income[rows] - people.essentials_daily[rows] * 30.4 - people.other_debt[rows]
    smallest = state.balance[rows] // 60
    state.instalment[rows] = np.maximum(np.minimum(left * 0.4, state.balance[rows] / 6), smallest).astype(np.int64)
    state.plan_day[rows] = day.number
    state.plan_late_day[rows] = NEVER
    state.attempts_left[rows] = 0
    log.add("plans", day.number, rows)
