"""The scorecard: whole points by bands of features, added up by hand; challenger beside the models and fallback without them.

Three cards share one form: willingness (will a token payment come), ability (share of the cure amount, given a payment) and full
payment (the whole of it, given a payment). A card gives every characteristic's band a whole number of points; their sum over the
intercept is the score, and the score *is* the probability: even odds at ``base_points``, twice the odds every
``points_to_double``. Nothing but this table is needed to score, so it runs where LightGBM does not.

A card answers for itself: points below what the training population had on average, summed by business group, are the reasons;
the better bands of features that a customer can change are the counterfactuals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.errors import BundleError
from scoring.features.builder import FeatureFrame
from scoring.features.registry import FEATURE_NAMES, feature

SCHEMA: Final = "scorecard/1"
CARDS: Final = ("willingness", "ability", "full_payment")
CHANGEABLE: Final = frozenset(
    {
        "dpd", "n_unpaid_minimums", "past_due_cents", "cure_amount_cents", "cure_to_limit_ratio", "cure_to_balance_ratio",
        "cure_to_minimum_ratio", "days_since_last_payment", "last_payment_cents", "last_payment_to_cure_ratio", "paid_to_cure_ratio_90d",
        "paid_cents_30d", "paid_cents_90d", "n_payments_30d", "n_payments_90d", "paid_to_due_ratio_90d", "balance_cents", "utilisation",
        "broken_promises_90d", "days_since_conversation", "n_inbound_180d", "purchases_while_past_due_180d",
    }
)  # fmt: skip
"""Features that a customer moves by what they do in the coming weeks: paying, answering, keeping a promise."""

Floats = npt.NDArray[np.float64]
Points = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Scale:
    """What a point means: ``base_points`` at even odds, odds doubled by ``points_to_double`` more.

    >>> Scale().log_odds(np.array([500, 550])).round(4).tolist()
    [0.0, 0.6931]
    """

    base_points: int = 500
    points_to_double: int = 50

    @property
    def points_per_logit(self) -> float:
        """Points that raise the log-odds by one."""
        return self.points_to_double / float(np.log(2.0))

    def log_odds(self, points: Points) -> Floats:
        """Log-odds of a sum of points."""
        return np.asarray((points - self.base_points) / self.points_per_logit, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Characteristic:
    """One feature of a card, cut into bands.

    Attributes
    ----------
    feature : str
        A registered feature.
    edges : tuple of float
        Increasing; band i holds values above edge i - 1 up to and including edge i, the last band everything above.
    woe, points, share : tuple
        One per band, and last the band of accounts where the feature is not observed: weight of evidence (log of the share of
        the good over the share of the bad), points, share of the training population.
    information : float
        Information value: how much the bands tell good from bad.
    """

    feature: str
    edges: tuple[float, ...]
    woe: tuple[float, ...]
    points: tuple[int, ...]
    share: tuple[float, ...]
    information: float

    @property
    def expected_points(self) -> float:
        """Points of the training population on average: the reference that reasons are told against."""
        return float(np.dot(self.points, self.share))

    def band(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """The band of each value; the last one where it is not observed.

        >>> one = Characteristic("dpd", (10.0, 30.0), (1.0, 0.0, -1.0, 0.0), (40, 0, -40, 0), (0.5, 0.3, 0.2, 0.0), 0.4)
        >>> one.band(np.array([10, 11, 31, np.nan], dtype=np.float32)).tolist()
        [0, 1, 2, 3]
        """
        inside = np.searchsorted(np.asarray(self.edges, dtype=np.float64), values.astype(np.float64), side="left")
        return np.where(np.isnan(values), len(self.edges) + 1, inside).astype(np.int64)

    def words(self, band: int) -> str:
        """A band as a person reads it.

        >>> one = Characteristic("dpd", (10.0, 30.0), (1.0, 0.0, -1.0, 0.0), (40, 0, -40, 0), (0.5, 0.3, 0.2, 0.0), 0.4)
        >>> [one.words(band) for band in range(4)]
        ['up to 10', 'above 10 up to 30', 'above 30', 'not observed']
        """
        if band == len(self.edges) + 1:
            return "not observed"
        above = f"above {self.edges[band - 1]:g}" if band else ""
        up_to = f"up to {self.edges[band]:g}" if band < len(self.edges) else ""
        return " ".join(part for part in (above, up_to) if part) or "any value"


@dataclass(frozen=True, slots=True)
class Change:
    """What one other band of a feature that the customer can change would add to the score."""

    feature: str
    now: str
    instead: str
    points: int


@dataclass(frozen=True, slots=True)
class Card:
    """One question answered by points: the intercept and its characteristics, in the order of their information."""

    intercept: int
    characteristics: tuple[Characteristic, ...]

    def parts(self, values: npt.NDArray[np.float32]) -> Points:
        """Points by characteristic, array (n_accounts, n_characteristics)."""
        found = np.zeros((len(values), len(self.characteristics)), dtype=np.int64)
        for place, one in enumerate(self.characteristics):
            column = values[:, FEATURE_NAMES.index(one.feature)]
            found[:, place] = np.asarray(one.points, dtype=np.int64)[one.band(column)]
        return found

    def score(self, values: npt.NDArray[np.float32]) -> Points:
        """Points of every account."""
        return np.asarray(self.intercept + self.parts(values).sum(axis=1), dtype=np.int64)

    @property
    def expected_score(self) -> float:
        """Points of the training population on average."""
        return self.intercept + sum(one.expected_points for one in self.characteristics)

    def reasons(self, values: npt.NDArray[np.float32]) -> tuple[list[str], Floats]:
        """Points above or below the training population, by business group.

        Returns
        -------
        (group names in first-seen order, array (n_accounts, n_groups))
            Each row sums to the account's score less `expected_score`.
        """
        groups = list(dict.fromkeys(str(feature(one.feature).group) for one in self.characteristics))
        above = self.parts(values) - np.array([one.expected_points for one in self.characteristics])
        summed = np.zeros((len(values), len(groups)))
        for place, one in enumerate(self.characteristics):
            summed[:, groups.index(str(feature(one.feature).group))] += above[:, place]
        return groups, summed

    def changes(self, values: npt.NDArray[np.float32]) -> tuple[Change, ...]:
        """What would raise one account's points, most points first: each better band of each feature the customer can change.

        Features are taken one by one. A payment moves several at once, so gains of one act may add up, and are not promises: the
        card was learned from what customers did, not from a trial.

        Parameters
        ----------
        values : array (n_features,)
            The feature row of one account.
        """
        found = []
        for one in self.characteristics:
            if one.feature not in CHANGEABLE:
                continue
            band = int(one.band(values[[FEATURE_NAMES.index(one.feature)]])[0])
            for other in range(len(one.edges) + 1):
                if one.points[other] > one.points[band]:
                    gain = one.points[other] - one.points[band]
                    found.append(Change(one.feature, one.words(band), one.words(other), gain))
        return tuple(sorted(found, key=lambda change: (-change.points, change.feature, change.instead)))


@dataclass(frozen=True, slots=True)
class PayableBand:
    """Accounts with an ability up to ``up_to``: low, middle and high share of the cure amount paid, given a payment."""

    up_to: float
    low: float
    mid: float
    high: float


@dataclass(frozen=True, slots=True)
class Scorecard:
    """The cards of a training and the scale they share.

    Attributes
    ----------
    scale : Scale
    cards : mapping of str to Card
        One per name in `CARDS`.
    payable : tuple of PayableBand
        In the order of ability, the last one up to 1.
    trained_on : str
        The population, in words.
    """

    scale: Scale
    cards: Mapping[str, Card]
    payable: tuple[PayableBand, ...]
    trained_on: str

    def probability(self, name: str, values: npt.NDArray[np.float32]) -> Floats:
        """The probability, or the expected share, that a card stands for."""
        return np.asarray(1.0 / (1.0 + np.exp(-self.scale.log_odds(self.cards[name].score(values)))), dtype=np.float64)

    def scored(self, frame: FeatureFrame) -> pd.DataFrame:
        """Both scores of every account of a frame, in its order.

        Returns
        -------
        DataFrame, one row per account
            ``account_id``, ``willingness_points``, ``ability_points`` (int), ``w_logged``, ``ability``, ``p_full`` (in (0, 1)),
            ``payable_low_cents``, ``payable_mid_cents``, ``payable_high_cents`` (int, given a payment).
        """
        ability = self.probability("ability", frame.values)
        band = np.searchsorted([one.up_to for one in self.payable], ability, side="left").clip(
            max=len(self.payable) - 1
        )
        owed = frame.positions["cure_amount_cents"].to_numpy(dtype=np.float64)
        shares = {name: np.array([getattr(one, name) for one in self.payable])[band] for name in ("low", "mid", "high")}
        return pd.DataFrame(
            {
                "account_id": frame.positions["account_id"].to_numpy(),
                "willingness_points": self.cards["willingness"].score(frame.values),
                "ability_points": self.cards["ability"].score(frame.values),
                "w_logged": self.probability("willingness", frame.values),
                "ability": ability,
                "p_full": self.probability("full_payment", frame.values),
                **{f"payable_{name}_cents": np.round(share * owed).astype(np.int64) for name, share in shares.items()},
            }
        )

    def to_json(self) -> dict[str, Any]:
        """The scorecard as JSON values, for the bundle."""
        return {
            "schema": SCHEMA,
            "scale": asdict(self.scale),
            "cards": {name: asdict(card) for name, card in self.cards.items()},
            "payable": [asdict(one) for one in self.payable],
            "trained_on": self.trained_on,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Scorecard:
        """Read a scorecard back.

        Raises
        ------
        BundleError
            ``bundle_mismatch``: another schema, a card missing, a feature this code does not compute.

        Examples
        --------
        >>> Scorecard.from_json({"schema": "other/1"})
        Traceback (most recent call last):
        ...
        scoring.errors.BundleError: The scorecard is of schema 'other/1', and this code reads 'scorecard/1'. Retrain with this version, or run the version that made it.
        """
        if document.get("schema") != SCHEMA:
            raise BundleError(
                f"The scorecard is of schema {document.get('schema')!r}, and this code reads {SCHEMA!r}. Retrain with this version, "
                "or run the version that made it.",
                field="scorecard",
                got=document.get("schema"),
                expected=SCHEMA,
            )
        cards = {name: _card(raw) for name, raw in document["cards"].items()}
        unknown = {one.feature for card in cards.values() for one in card.characteristics} - set(FEATURE_NAMES)
        if set(cards) != set(CARDS) or unknown:
            raise BundleError(
                f"The scorecard has the cards {sorted(cards)} and asks for features this code does not compute: {sorted(unknown)}. "
                "Retrain with this version.",
                field="scorecard",
                got=sorted(cards),
                expected=sorted(CARDS),
            )
        return cls(
            Scale(**document["scale"]),
            cards,
            tuple(PayableBand(**one) for one in document["payable"]),
            document["trained_on"],
        )


def _card(raw: Mapping[str, Any]) -> Card:
    return Card(raw["intercept"], tuple(_characteristic(one) for one in raw["characteristics"]))


def _characteristic(raw: Mapping[str, Any]) -> Characteristic:
    return Characteristic(
        raw["feature"],
        tuple(raw["edges"]),
        tuple(raw["woe"]),
        tuple(raw["points"]),
        tuple(raw["share"]),
        raw["information"],
    )
