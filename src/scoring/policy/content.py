"""What a contact must say and must never do: data that goes with a decision, for whoever carries it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from scoring.errors import PolicyError
from scoring.policy.profile import Profile
from scoring.policy.rules import CHANNEL_INDEX

VOICE: Final = ("ai_voice", "agent_call")


@dataclass(frozen=True, slots=True)
class ContentDuties:
    """What one contact on one channel must carry.

    Attributes
    ----------
    must_say : tuple of str
        Said in every contact, or in this one because it is the first.
    must_carry : tuple of str
        Items of a letter, and properties of its envelope.
    never : tuple of str
        Forbidden acts, whatever the channel.
    opt_out_line : bool
        Whether the message must show how to decline this channel, free and without further data.
    opt_out_keywords : tuple of str
        Replies that count as declining.
    language : str or None
        The language of required statements.
    automated_voice : mapping, or None
        What an artificial voice must announce and offer.
    voicemail : mapping, or None
        Limits of a message left on a machine.
    """

    profile: str
    policy_version: str
    channel: str
    must_say: tuple[str, ...] = ()
    must_carry: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    opt_out_line: bool = False
    opt_out_keywords: tuple[str, ...] = ()
    language: str | None = None
    automated_voice: Mapping[str, Any] | None = None
    voicemail: Mapping[str, Any] | None = None

    def as_record(self) -> dict[str, Any]:
        """Plain values for a decision record or an answer over HTTP."""
        plain = asdict(self)
        return {key: list(value) if isinstance(value, tuple) else value for key, value in plain.items()}


def content_duties(
    profile: Profile, channel: str, *, is_first: bool = False, is_time_barred: bool = False
) -> ContentDuties:
    """What a contact on a channel must say and carry under a profile.

    Parameters
    ----------
    profile : Profile
    channel : str
        One of the nine; an act inside the bank carries only what is never allowed.
    is_first : bool
        Whether it is the first message about this debt.
    is_time_barred : bool
        Whether the debt is too old to sue on.

    Examples
    --------
    >>> from scoring.policy.profile import load_profile
    >>> from scoring.resources import data_folder
    >>> cn = load_profile(data_folder() / "policy" / "cn_bank_card.yaml")
    >>> content_duties(cn, "ai_voice").automated_voice
    {'say_it_is_automated': True, 'press_for_human': True}
    >>> len(content_duties(cn, "letter").must_carry)
    7
    """
    if channel not in CHANNEL_INDEX:
        raise PolicyError(
            f"Channel {channel!r} is not known.", field="channel", got=channel, expected=list(CHANNEL_INDEX)
        )
    content = profile.parameters.get("content", {})
    if channel in profile.channels.internal_act:
        return ContentDuties(profile.name, profile.version, channel, never=content.get("never", ()))
    is_electronic = channel in profile.channels.groups.get("electronic", ())
    opt_out_line = is_electronic and content.get("electronic_opt_out_line", {}).get("required", False)
    barred = (content["time_barred"],) if is_time_barred and "time_barred" in content else ()
    return ContentDuties(
        profile=profile.name,
        policy_version=profile.version,
        channel=channel,
        must_say=(*content.get("every_contact", ()), *_opening(content, is_first)),
        must_carry=(*content.get("letter_required", ()), *content.get("envelope", ())) if channel == "letter" else (),
        never=(*content.get("never", ()), *barred),
        opt_out_line=opt_out_line,
        opt_out_keywords=profile.parameters.get("opt_out", {}).get("keywords", ()) if opt_out_line else (),
        language=content.get("language_of_disclosure"),
        automated_voice=dict(content["ai_voice"]) if channel == "ai_voice" and "ai_voice" in content else None,
        voicemail=dict(content["voicemail"]) if channel in VOICE and "voicemail" in content else None,
    )


def _opening(content: Mapping[str, Any], is_first: bool) -> tuple[str, ...]:
    statement = content.get("first_message" if is_first else "later_messages")
    return (statement,) if statement else ()
