"""What shadow records say together: how often the challenger would have chosen otherwise, and how far its scores lie from the champion's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from scoring.ledger.shadow import COMPARED


@dataclass
class Shadowed:
    """One challenger against one champion, over all decisions that both were asked about.

    Attributes
    ----------
    n : int
        Shadow records.
    n_by_chance : int
        Of these, decisions that were drawn by chance: their scores are compared, their channels are not.
    moves : counter of (champion's channel, challenger's channel)
    differences : mapping of score to (sum, sum of sizes)
        Challenger less champion.
    value_to_champion_cents : float
        What the challenger's choices are worth less what the champion's are worth, both by the champion's numbers.
    """

    n: int = 0
    n_by_chance: int = 0
    moves: Counter[tuple[str, str]] = field(default_factory=Counter)
    differences: dict[str, tuple[float, float]] = field(default_factory=lambda: dict.fromkeys(COMPARED, (0.0, 0.0)))
    value_to_champion_cents: float = 0.0

    def take(self, body: Mapping[str, Any]) -> None:
        """Count one record."""
        self.n += 1
        for name, (total, size) in self.differences.items():
            apart = body["scores"][name]["challenger"] - body["scores"][name]["champion"]
            self.differences[name] = total + apart, size + abs(apart)
        if body["was_by_chance"]:
            self.n_by_chance += 1
            return
        champion, challenger = body["choice"]["champion"], body["choice"]["challenger"]
        self.moves[champion["channel"], challenger["channel"]] += 1
        self.value_to_champion_cents += (challenger["value_to_champion_cents"] or 0.0) - (
            champion["value_cents"] or 0.0
        )

    @property
    def other_share(self) -> float:
        """Share of decisions for which the challenger would have taken another channel; NaN without any."""
        counted = sum(self.moves.values())
        other = sum(n for (champion, challenger), n in self.moves.items() if champion != challenger)
        return other / counted if counted else float("nan")

    def by_channel(self) -> list[dict[str, Any]]:
        """Per channel of the champion: decisions, how many would be elsewhere, and where most of those."""
        rows = []
        for channel in sorted({champion for champion, _ in self.moves}):
            there = {to: n for (champion, to), n in self.moves.items() if champion == channel}
            away = Counter({to: n for to, n in there.items() if to != channel})
            rows.append(
                {
                    "channel": channel,
                    "decisions": sum(there.values()),
                    "elsewhere": away.total(),
                    "mostly_to": away.most_common(1)[0][0] if away else None,
                }
            )
        return rows

    def facts(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "records": self.n,
            "by_chance": self.n_by_chance,
            "other_channel_share": self.other_share if self.moves else None,
            "value_to_champion_cents": round(self.value_to_champion_cents, 2),
            "by_channel": self.by_channel(),
            "mean_difference": {name: total / self.n for name, (total, _) in self.differences.items() if self.n},
            "mean_distance": {name: size / self.n for name, (_, size) in self.differences.items() if self.n},
        }


def summarise(bodies: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], Shadowed]:
    """Shadow records by champion and challenger (bundle ids).

    Examples
    --------
    >>> def told(channel, to, w):
    ...     scores = {name: {"champion": 0.5, "challenger": w} for name in COMPARED}
    ...     worth = {"value_cents": 10.0, "value_to_champion_cents": 8.0}
    ...     choice = {"champion": {"channel": channel, **worth}, "challenger": {"channel": to, **worth}}
    ...     ids = {"champion": {"bundle_id": "a"}, "challenger": {"bundle_id": "b"}}
    ...     return {**ids, "scores": scores, "choice": choice, "was_by_chance": False}
    >>> found = summarise([told("sms", "sms", 0.5), told("sms", "none", 0.7)])["a", "b"]
    >>> found.other_share, found.by_channel()
    (0.5, [{'channel': 'sms', 'decisions': 2, 'elsewhere': 1, 'mostly_to': 'none'}])
    >>> round(found.facts()["mean_difference"]["w_logged"], 6)
    0.1
    """
    found: dict[tuple[str, str], Shadowed] = {}
    for body in bodies:
        pair = body["champion"]["bundle_id"], body["challenger"]["bundle_id"]
        found.setdefault(pair, Shadowed()).take(body)
    return found
