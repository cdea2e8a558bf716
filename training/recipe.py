"""Recipes: one TOML file per way of training, checked when read."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from scoring.errors import BadRequestError
from scoring.scores.targets import TargetDefinition, minor_units

RECIPES: Final = Path(__file__).parent / "recipes"
_SECTIONS: Final = {
    "targets": {
        "horizon_days", "posting_lag_days", "materiality_major", "tau_floor_major", "tau_minimum_share", "tau_balance_share",
    },
    "split": {
        "test_customer_share", "rotations", "train_days", "recent_days", "out_of_time_days", "out_of_time_folds", "willingness_trees",
        "willingness_trees_on_all", "ability_population", "ability_weight_power",
        "ability_least_willingness", "most_accounts",
    },
    "monotone": {"willingness", "ability", "full_payment"},
    "lightgbm": {
        "n_trees", "learning_rate", "num_leaves", "max_depth", "min_data_in_leaf", "feature_fraction", "bagging_fraction",
        "bagging_freq", "lambda_l2", "seed",
    },
    "payable": {"coverage"},
    "effects": {"every_days", "max_days", "max_rows"},
}  # fmt: skip
DEEPEST: Final = 8
POPULATIONS: Final = ("queue", "all")
"""Who is trained on: the accounts that may be collected, or every account that owes something."""


@dataclass(frozen=True)
class Recipe:
    """A way of training: target numbers in major units, splits, directions kept, LightGBM settings, payable-amount coverage."""

    name: str
    text: str
    targets: dict[str, Any]
    split: dict[str, Any]
    monotone: dict[str, bool]
    lightgbm: dict[str, Any]
    payable: dict[str, Any]
    effects: dict[str, Any]

    @property
    def needs_current_accounts(self) -> bool:
        """Whether any model trains on accounts that are not past due."""
        return bool(self.split["willingness_trees_on_all"] > 0 or self.split["ability_population"] == "all")

    def definition(self, currency: str) -> TargetDefinition:
        """The target definition in minor units of a currency."""
        units = minor_units(currency)
        return TargetDefinition(
            horizon_days=self.targets["horizon_days"],
            posting_lag_days=self.targets["posting_lag_days"],
            materiality_cents=round(self.targets["materiality_major"] * units),
            tau_floor_cents=round(self.targets["tau_floor_major"] * units),
            tau_minimum_share=self.targets["tau_minimum_share"],
            tau_balance_share=self.targets["tau_balance_share"],
        )


def read_recipe(path: Path | None, source: str = "") -> Recipe:
    """Read a recipe; without a path the one named after the portfolio's source, else ``default``.

    Raises
    ------
    BadRequestError
        ``bad_request``: no such file, not TOML, an unknown or missing key, a depth the leaf tables cannot serve.

    Examples
    --------
    >>> read_recipe(None).name
    'default'
    >>> read_recipe(None, source="uci-credit-card").targets["materiality_major"]
    0
    """
    if path is None:
        own = RECIPES / f"{source.replace('-', '_')}.toml"
        path = own if source and own.is_file() else RECIPES / "default.toml"
    if not path.is_file():
        known = sorted(file.name for file in RECIPES.glob("*.toml"))
        raise BadRequestError(
            f"Recipe {path} is not there. Recipes shipped: {', '.join(known)}.", field="recipe", got=str(path)
        )
    text = path.read_text(encoding="utf-8")
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadRequestError(f"Recipe {path} is not valid TOML: {error}.", field="recipe", got=str(path)) from error
    for section, keys in _SECTIONS.items():
        got = set(raw.get(section, {}))
        if got != keys:
            raise BadRequestError(
                f"Recipe {path}, section [{section}]: missing {sorted(keys - got)}, unknown {sorted(got - keys)}. Start from "
                "training/recipes/default.toml.",
                field=f"recipe.{section}",
                got=sorted(got),
                expected=sorted(keys),
            )
    if raw["split"]["ability_population"] not in POPULATIONS:
        raise BadRequestError(
            f"Recipe {path}: ability_population is {raw['split']['ability_population']!r}; it is one of {', '.join(POPULATIONS)}.",
            field="recipe.split.ability_population",
            got=raw["split"]["ability_population"],
            expected=list(POPULATIONS),
        )
    if not 0 <= raw["split"]["willingness_trees_on_all"] < raw["split"]["willingness_trees"]:
        raise BadRequestError(
            f"Recipe {path}: willingness_trees_on_all is {raw['split']['willingness_trees_on_all']}; of "
            f"{raw['split']['willingness_trees']} trees at least one must be grown on the queue.",
            field="recipe.split.willingness_trees_on_all",
            got=raw["split"]["willingness_trees_on_all"],
            expected=f"0 to {raw['split']['willingness_trees'] - 1}",
        )
    if not 1 <= raw["lightgbm"]["max_depth"] <= DEEPEST:
        raise BadRequestError(
            f"Recipe {path}: max_depth {raw['lightgbm']['max_depth']} is outside 1 to {DEEPEST}, so exact contributions would be slow. "
            "Choose a smaller depth.",
            field="recipe.lightgbm.max_depth",
            got=raw["lightgbm"]["max_depth"],
            expected=f"1 to {DEEPEST}",
        )
    return Recipe(
        name=str(raw.get("name", path.stem)),
        text=text,
        targets=raw["targets"],
        split=raw["split"],
        monotone=raw["monotone"],
        lightgbm=raw["lightgbm"],
        payable=raw["payable"],
        effects=raw["effects"],
    )
