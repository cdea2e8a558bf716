"""What a contact is worth: gain less cost less harm, each shown apart, and the minutes it is expected to take.

Gain is (w_channel - w_none) x A x D. Cost is the direct cost of one contact, for channels with minutes in proportion to the
minutes expected of this account. Harm is what complaints and broken goodwill are expected to cost, growing with the contacts
of the last 30 days (``data/reference/harm.toml``).
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.errors import PolicyError
from scoring.features.builder import FeatureFrame
from scoring.features.registry import FEATURE_NAMES
from scoring.resources import reference_text
from scoring.scores.scores import effects_from
from scoring.vocabulary import CONTACT_CHANNELS, Channel

_NUMBERS: Final = ("complaint_cents", "growth", "refused_factor", "assumed_contacts")
_MINUTES: Final = ("handle_minutes", "dial_minutes", "answered_share", "prior_calls", "tries")

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Harm:
    """The harm table.

    Attributes
    ----------
    base_cents : array (n_channels,)
        Expected harm of one contact to a customer with none in the last 30 days.
    growth, refused_factor, assumed_contacts : float
    minutes : mapping of channel to mapping
        How the expected minutes of a channel come about.
    version : str
        SHA-256 of the file.
    """

    base_cents: Floats
    growth: float
    refused_factor: float
    assumed_contacts: float
    minutes: Mapping[Channel, Mapping[str, float]]
    version: str


def harm_table() -> Harm:
    """Read and check ``data/reference/harm.toml``.

    Examples
    --------
    >>> harm_table().growth
    0.15
    """
    return harm_from(reference_text("harm"))


@lru_cache(maxsize=4)
def harm_from(text: str) -> Harm:
    """Check and type a harm table.

    Raises
    ------
    PolicyError
        ``bad_policy``: no TOML, or a number that is missing, negative or without a source.

    Examples
    --------
    >>> harm_from("growth = 0.1")
    Traceback (most recent call last):
    ...
    scoring.errors.PolicyError: harm.toml, complaint_cents: a number of 0 or more is missing.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"harm.toml is not TOML: {error}.", field="harm.toml") from error
    numbers = {name: _number(raw, name, name) for name in _NUMBERS}
    base = []
    for channel in CONTACT_CHANNELS:
        stated = raw.get("channels", {}).get(str(channel), {})
        where = f"[channels.{channel}]"
        probability = _number(stated, "complaint_probability", where)
        base.append(probability * numbers["complaint_cents"] + _number(stated, "goodwill_cents", where))
        _sourced(stated, where)
    minutes = {}
    for name, stated in raw.get("minutes", {}).items():
        minutes[Channel(name)] = {each: _number(stated, each, f"[minutes.{name}]") for each in _MINUTES}
        _sourced(stated, f"[minutes.{name}]")
    return Harm(
        np.array(base),
        numbers["growth"],
        numbers["refused_factor"],
        numbers["assumed_contacts"],
        minutes,
        hashlib.sha256(text.encode()).hexdigest(),
    )


def _number(raw: Mapping[str, Any], name: str, where: str) -> float:
    value = raw.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not value >= 0:
        raise PolicyError(f"harm.toml, {where}: a number of 0 or more is missing.", field=name, got=value)
    return float(value)


def _sourced(raw: Mapping[str, Any], where: str) -> None:
    if not raw.get("source"):
        raise PolicyError(f"harm.toml, {where}: source is missing. A number with authority shows its papers.")


@dataclass(frozen=True)
class ChannelWorth:
    """Gain, cost, harm and minutes of every contact channel for every account, in minor units.

    Attributes
    ----------
    scores : DataFrame
    minutes : array (n_accounts, n_channels)
    harm_factor : array (n_accounts,)
        What the harm of one contact is multiplied with, from recent contacts.
    """

    scores: pd.DataFrame
    minutes: Floats
    harm_factor: Floats

    def gain(self, rows: slice = slice(None)) -> Floats:
        """(w_channel - w_none) x A x D."""
        table = self.scores
        none = np.asarray(table["w_none"], dtype=np.float64)[rows]
        at_stake = np.asarray(table["ability"] * table["cure_amount_cents"], dtype=np.float64)[rows]
        change = [np.asarray(table[f"w_{channel}"], dtype=np.float64)[rows] - none for channel in CONTACT_CHANNELS]
        return np.asarray(np.stack(change, axis=1) * at_stake[:, None])

    def cost(self, rows: slice = slice(None)) -> Floats:
        """Direct cost, in proportion to the expected minutes where a channel takes any."""
        cents, usual = _usual(reference_text("channel_effects"))
        ratio = self.minutes[rows] / np.where(usual > 0, usual, 1.0)
        return np.asarray(np.where(usual > 0, cents * ratio, cents))

    def harm(self, rows: slice = slice(None)) -> Floats:
        """Expected complaints and broken goodwill."""
        return np.asarray(self.harm_factor[rows, None] * harm_table().base_cents)

    def net(self) -> Floats:
        """Gain less cost less harm."""
        return self.gain() - self.cost() - self.harm()


def channel_worth(scores: pd.DataFrame, frame: FeatureFrame) -> ChannelWorth:
    """Weigh every contact channel for every account.

    Parameters
    ----------
    scores : DataFrame
        ``w_none``, ``w_<channel>``, ``ability``, ``cure_amount_cents``, in the order of the frame.
    frame : FeatureFrame
        Contact history of the accounts.
    """
    table = harm_table()
    contacts = seen(frame, "n_outbound_30d")
    refused = seen(frame, "n_refused_365d") > 0
    factor = 1.0 + table.growth * np.where(np.isnan(contacts), table.assumed_contacts, contacts)
    return ChannelWorth(scores, expected_minutes(frame, scores), np.where(refused, table.refused_factor, 1.0) * factor)


def expected_minutes(frame: FeatureFrame, scores: pd.DataFrame | None = None) -> Floats:
    """Minutes that one contact by each channel is expected to take: reached x handle + (1 - reached) x dial.

    The chance to reach is the bundle's contactability (``p_contact_<channel>`` of the scores) where it speaks about the account, else
    the account's own share of answered calls weighed against the table's.

    Examples
    --------
    >>> from datetime import date
    >>> values = np.full((1, len(FEATURE_NAMES)), np.nan, dtype=np.float32)
    >>> silent = FeatureFrame(date(2025, 5, 1), pd.DataFrame({"account_id": ["A1"]}), values)
    >>> float(np.round(expected_minutes(silent)[0, CONTACT_CHANNELS.index(Channel.AGENT_CALL)], 1))
    6.0
    """
    _, usual = _usual(reference_text("channel_effects"))
    minutes = np.tile(usual, (len(frame), 1))
    share, calls = seen(frame, "call_answer_share_90d"), seen(frame, "n_calls_30d")
    for channel, stated in harm_table().minutes.items():
        weight = np.where(np.isnan(share), 0.0, np.fmax(calls, 1.0))
        answered = np.nan_to_num(share) * weight + stated["answered_share"] * stated["prior_calls"]
        once = answered / (weight + stated["prior_calls"])
        reached = 1.0 - (1.0 - once) ** stated["tries"]
        if scores is not None and f"p_contact_{channel}" in scores:
            modelled = np.asarray(scores[f"p_contact_{channel}"], dtype=np.float64)
            reached = np.where(np.isnan(modelled), reached, modelled)
        minutes[:, CONTACT_CHANNELS.index(channel)] = (
            reached * stated["handle_minutes"] + (1.0 - reached) * stated["dial_minutes"]
        )
    return minutes


@lru_cache(maxsize=4)
def _usual(text: str) -> tuple[Floats, Floats]:
    """Cost in minor units and minutes of one contact by each channel, as the table of effects states them; not to be written to."""
    stated = [effects_from(text)[channel] for channel in CONTACT_CHANNELS]
    cents, minutes = np.array([(effect.cost_cents, effect.minutes) for effect in stated], dtype=np.float64).T
    return cents, minutes


def seen(frame: FeatureFrame, name: str) -> Floats:
    """One feature of every account; NaN where it was not observed."""
    return frame.values[:, FEATURE_NAMES.index(name)].astype(np.float64)
