"""What a contact changes: willingness without contact and under each channel, as shifts on the log-odds of the logged score.

One base score, and on its log-odds a shift to *no proactive contact* and from there one shift per channel, each a constant plus a
few modifiers that a person can read. Ability is shared by all actions. Without a log of decisions the shifts are the dated prior
of ``data/reference/channel_effects.toml``; with one, `training.effects` fills them with what the log supports.

Everything is element by element: an account alone gets the same bits as in a portfolio.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from scoring.errors import BundleError
from scoring.features.registry import FEATURE_NAMES
from scoring.scores.effect_tables import EffectTables, effect_tables
from scoring.scores.log_odds import probability
from scoring.vocabulary import CONTACT_CHANNELS, Channel

Floats = npt.NDArray[np.float64]
Status = Literal["prior", "blend", "learned", "null"]

SCHEMA: Final = "channel-effects/1"
MARGIN: Final = "margin_logged"
"""Stands for the log-odds of the logged score where a factor asks for it like a feature."""


@dataclass(frozen=True, slots=True)
class Factor:
    """One readable quantity of a modifier: a feature cut to a range and scaled, or whether it exceeds a threshold.

    Attributes
    ----------
    feature : str
        A feature, or `MARGIN`.
    kind : "line" or "above"
        ``line`` is (value - centre) / scale, cut to [-2, 2]; ``above`` is 1 where the value exceeds the centre, else 0.
    centre, scale : float
    missing : float
        What a value that was not observed counts as.

    Examples
    --------
    >>> Factor("utilisation", "above", 0.6).value(np.array([0.5, 0.7, np.nan])).tolist()
    [0.0, 1.0, 0.0]
    """

    feature: str
    kind: Literal["line", "above"]
    centre: float
    scale: float = 1.0
    missing: float = 0.0

    def value(self, observed: Floats) -> Floats:
        """The factor for observed values of its feature."""
        if self.kind == "above":
            found = np.where(observed > self.centre, 1.0, 0.0)
        else:
            found = np.clip((observed - self.centre) / self.scale, -2.0, 2.0)
        return np.where(np.isnan(observed), self.missing, found)


@dataclass(frozen=True, slots=True)
class Modifier:
    """A product of factors; without any it is the constant 1.

    Examples
    --------
    >>> Modifier("constant", ()).value(np.zeros((2, len(FEATURE_NAMES)), np.float32), np.zeros(2)).tolist()
    [1.0, 1.0]
    """

    name: str
    factors: tuple[Factor, ...]

    def value(self, values: npt.NDArray[np.float32], margin: Floats) -> Floats:
        """The modifier for every account, from features in the order of the registry and the log-odds of the logged score."""
        product = np.ones(len(margin))
        for factor in self.factors:
            seen = margin if factor.feature == MARGIN else values[:, FEATURE_NAMES.index(factor.feature)]
            product = product * factor.value(np.asarray(seen, dtype=np.float64))
        return product


@dataclass(frozen=True)
class Shift:
    """A shift on the log-odds: coefficients of modifiers, and how sure they are.

    Attributes
    ----------
    modifiers : tuple of Modifier
    coefficients : tuple of float
        One a modifier.
    covariance : tuple of tuple of float
        Of the coefficients.

    Examples
    --------
    >>> shift = Shift((Modifier("constant", ()),), (0.3,), ((0.01,),))
    >>> amount, error = shift.at(np.zeros((1, len(FEATURE_NAMES)), np.float32), np.zeros(1))
    >>> amount.tolist(), error.tolist()
    ([0.3], [0.1])
    """

    modifiers: tuple[Modifier, ...]
    coefficients: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]

    def at(self, values: npt.NDArray[np.float32], margin: Floats) -> tuple[Floats, Floats]:
        """The shift of every account and its standard error."""
        return self.weigh([modifier.value(values, margin) for modifier in self.modifiers], len(margin))

    def weigh(self, seen: list[Floats], n: int) -> tuple[Floats, Floats]:
        """The shift and its standard error from the modifiers' values; sums in a fixed order, so that bits agree."""
        amount, variance = np.zeros(n), np.zeros(n)
        for coefficient, column in zip(self.coefficients, seen, strict=True):
            amount = amount + coefficient * column
        for i, j in combinations_with_replacement(range(len(seen)), 2):
            share = self.covariance[i][j] * (1.0 if i == j else 2.0)
            if share:
                variance = variance + share * (seen[i] * seen[j])
        return amount, np.sqrt(np.maximum(variance, 0.0))


@dataclass(frozen=True)
class ChannelShift:
    """What one contact through a channel adds to the log-odds under no contact, and what the log holds about it.

    Attributes
    ----------
    shift : Shift
    prior : float
        The dated prior's shift, alike for everybody.
    status : "prior", "blend", "learned" or "null"
        ``prior``: the log says nothing, or overlap fails. ``learned``: the data hold more than nine tenths of the weight;
        ``blend``: in between. ``null``: the log says that no contact changes anything.
    weight_of_data : float
        1 less the remaining share of the prior's variance, for the shift of an average account; in [0, 1].
    n_decisions, n_randomised : int
        Matured decisions used with this channel, and how many of them were drawn at random.
    effective_sample_size : float
        Of the decisions used, after propensity weighting.
    overlap : float
        Share of decisions where the channel was lawful whose chance of it was at least one in a hundred.
    reason : str
        Why the status is what it is.
    """

    shift: Shift
    prior: float
    status: Status
    weight_of_data: float = 0.0
    n_decisions: int = 0
    n_randomised: int = 0
    effective_sample_size: float = 0.0
    overlap: float = 0.0
    reason: str = "no log of decisions"


@dataclass(frozen=True)
class LearnedEffects:
    """From the logged score to willingness without contact and under every channel.

    Attributes
    ----------
    none : Shift
        From the log-odds of the logged score to those under no proactive contact.
    channels : mapping of Channel to ChannelShift
        Every contact channel.
    facts : mapping
        What the fit says about itself: rows, days, tests, choices. JSON values.
    """

    none: Shift
    channels: Mapping[Channel, ChannelShift]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def tables(self) -> EffectTables:
        """Every shift as arrays, that to no contact first."""
        return effect_tables([self.none, *(learned.shift for learned in self.channels.values())])

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; `from_json` gives the same effects back, to the bit.

        Examples
        --------
        >>> effects = prior_effects({Channel.SMS: 0.1})
        >>> LearnedEffects.from_json(effects.to_json()) == effects
        True
        """
        return {
            "schema": SCHEMA,
            "none": _shift_to_json(self.none),
            "channels": {
                str(channel): {**_fields(learned, leave_out="shift"), "shift": _shift_to_json(learned.shift)}
                for channel, learned in self.channels.items()
            },
            "facts": dict(self.facts),
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> LearnedEffects:
        """Read what `to_json` wrote.

        Raises
        ------
        BundleError
            ``bundle_mismatch``: another schema, or a modifier of a feature that this code does not compute.

        Examples
        --------
        >>> LearnedEffects.from_json({"schema": "other"})
        Traceback (most recent call last):
        ...
        scoring.errors.BundleError: Channel effects have schema 'other', this code reads 'channel-effects/1'. Retrain the bundle.
        """
        if raw.get("schema") != SCHEMA:
            raise BundleError(
                f"Channel effects have schema {raw.get('schema')!r}, this code reads {SCHEMA!r}. Retrain the bundle.",
                field="schema",
                got=raw.get("schema"),
                expected=SCHEMA,
            )
        read: dict[Channel, ChannelShift] = {
            Channel(name): ChannelShift(**{**entry, "shift": _shift_from_json(entry["shift"])})
            for name, entry in raw["channels"].items()
        }
        channels: dict[Channel, ChannelShift] = {
            channel: read[channel] for channel in CONTACT_CHANNELS if channel in read
        }
        return cls(_shift_from_json(raw["none"]), channels, dict(raw["facts"]))


@dataclass(frozen=True)
class Applied:
    """Willingness of some accounts under every action.

    Attributes
    ----------
    w_none : array (n_accounts,)
        P(token payment) under no proactive contact.
    w : dict of Channel to array (n_accounts,)
        The same under one contact through the channel.
    errors : dict of Channel to array (n_accounts,)
        Standard error of ``w[channel] - w_none``, from the shift's uncertainty.
    sources : dict of Channel to str
        The channel's status: ``prior``, ``blend``, ``learned`` or ``null``.
    """

    w_none: Floats
    w: dict[Channel, Floats]
    errors: dict[Channel, Floats]
    sources: dict[Channel, str]

    def columns(self) -> dict[str, Any]:
        """Columns for ``scores.parquet``: ``w_none``, ``w_<channel>``, and ``w_<channel>_error`` for its gain.

        Examples
        --------
        >>> effects = prior_effects({Channel.SMS: 0.1})
        >>> list(apply(effects, np.zeros((1, len(FEATURE_NAMES)), np.float32), np.zeros(1)).columns())
        ['w_none', 'w_sms', 'w_sms_error']
        """
        found: dict[str, Any] = {"w_none": self.w_none}
        for channel, chance in self.w.items():
            found |= {f"w_{channel}": chance, f"w_{channel}_error": self.errors[channel]}
        return found


CONSTANT: Final = Modifier("constant", ())
UNCONNECTED: Final = Modifier("calls do not connect", (Factor("not_connected_share_180d", "line", 0.0, 1.0),))
"""Share of calls that could not be connected."""
VOICE_CHANNELS: Final = (Channel.AI_VOICE, Channel.AGENT_CALL)
"""Channels of which `UNCONNECTED` takes its share even before anything is learned: a call that does not connect changes nothing."""


def prior_coefficients(channel: Channel, shift: float, modifiers: Sequence[Modifier]) -> Floats:
    """Coefficients of a channel before anything is learned: the dated shift, for voice channels times the share that connects.

    Examples
    --------
    >>> prior_coefficients(Channel.AGENT_CALL, 0.3, (CONSTANT, UNCONNECTED)).tolist()
    [0.3, -0.3]
    """
    found = np.zeros(len(modifiers))
    for place, modifier in enumerate(modifiers):
        if modifier == CONSTANT:
            found[place] = shift
        elif modifier == UNCONNECTED and channel in VOICE_CHANNELS:
            found[place] = -shift
    return found


def prior_effects(shifts: Mapping[Channel, float], *, spread: float = 0.5) -> LearnedEffects:
    """Effects of a portfolio without a log: the logged score stands for no contact, every shift is the prior's.

    Parameters
    ----------
    shifts : mapping of Channel to float
        On the log-odds scale, from the dated table.
    spread : float
        Standard error of a prior shift, as a share of it.

    Examples
    --------
    >>> effects = prior_effects({Channel.AGENT_CALL: 0.3})
    >>> found = apply(effects, np.zeros((1, len(FEATURE_NAMES)), np.float32), np.zeros(1))
    >>> round(float(found.w[Channel.AGENT_CALL][0]), 3), found.sources[Channel.AGENT_CALL]
    (0.574, 'prior')
    """
    channels: dict[Channel, ChannelShift] = {}
    for channel in CONTACT_CHANNELS:
        if channel in shifts:
            modifiers = (CONSTANT, UNCONNECTED) if channel in VOICE_CHANNELS else (CONSTANT,)
            coefficients = prior_coefficients(channel, shifts[channel], modifiers)
            covariance = spread**2 * np.outer(coefficients, coefficients)
            shift = Shift(modifiers, tuple(coefficients.tolist()), tuple(map(tuple, covariance.tolist())))
            channels[channel] = ChannelShift(shift, prior=shifts[channel], status="prior")
    return LearnedEffects(Shift((CONSTANT,), (0.0,), ((0.0,),)), channels)


def apply(effects: LearnedEffects, values: npt.NDArray[np.float32], margin_logged: Floats) -> Applied:
    """Willingness without contact and under every channel.

    Parameters
    ----------
    effects : LearnedEffects
    values : array (n_accounts, n_features), float32
        In the order of `scoring.features.registry.FEATURE_NAMES`.
    margin_logged : array (n_accounts,)
        Log-odds of the logged score.

    Returns
    -------
    Applied
        Bit-equal for an account alone and in a batch.

    Examples
    --------
    >>> effects = prior_effects({Channel.SMS: 0.0})
    >>> apply(effects, np.zeros((1, len(FEATURE_NAMES)), np.float32), np.zeros(1)).w_none.tolist()
    [0.5]
    """
    amounts, errors = effects.tables.weigh(values, margin_logged)
    margins = np.empty(amounts.shape)
    margins[0] = margin_logged + amounts[0]
    margins[1:] = margins[0] + amounts[1:]
    shares = probability(margins)
    unsure = shares * (1.0 - shares) * errors
    places = {channel: place for place, channel in enumerate(effects.channels, start=1)}
    return Applied(
        shares[0],
        {channel: shares[place] for channel, place in places.items()},
        {channel: unsure[place] for channel, place in places.items()},
        {channel: str(learned.status) for channel, learned in effects.channels.items()},
    )


def _fields(entry: Any, leave_out: str = "") -> dict[str, Any]:
    return {name: getattr(entry, name) for name in entry.__dataclass_fields__ if name != leave_out}


def _shift_to_json(shift: Shift) -> dict[str, Any]:
    return {
        "modifiers": [
            {"name": modifier.name, "factors": [_fields(factor) for factor in modifier.factors]}
            for modifier in shift.modifiers
        ],
        "coefficients": list(shift.coefficients),
        "covariance": [list(row) for row in shift.covariance],
    }


def _shift_from_json(raw: Mapping[str, Any]) -> Shift:
    modifiers = tuple(
        Modifier(entry["name"], tuple(Factor(**factor) for factor in entry["factors"])) for entry in raw["modifiers"]
    )
    unknown = {f.feature for m in modifiers for f in m.factors} - {*FEATURE_NAMES, MARGIN}
    if unknown:
        raise BundleError(
            f"Channel effects were learned with features that this code does not compute: {sorted(unknown)}. Retrain the bundle.",
            field="modifiers",
            got=sorted(unknown),
        )
    return Shift(modifiers, tuple(raw["coefficients"]), tuple(tuple(row) for row in raw["covariance"]))
