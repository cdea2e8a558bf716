"""Every feature, in the one order that models, bundles and explanations share; and what may never be one.

The order is part of a bundle's identity: `FEATURE_NAMES` is written into it and compared on load.
"""

from __future__ import annotations

from typing import Final

from scoring.errors import FeatureError
from scoring.features import arrears, balances, contacts, inflows, payments, promises, spending
from scoring.features.definition import Feature

FEATURES: Final[tuple[Feature, ...]] = (
    *arrears.FEATURES,
    *payments.FEATURES,
    *balances.FEATURES,
    *spending.FEATURES,
    *promises.FEATURES,
    *contacts.FEATURES,
    *inflows.FEATURES,
)
FEATURE_NAMES: Final[tuple[str, ...]] = tuple(feature.name for feature in FEATURES)

FORBIDDEN_WORDS: Final = (
    "sex", "gender", "birth", "education", "marriage", "marital", "ethnic", "religion", "nationality", "disability", "health",
    "region", "timezone", "address", "device", "relative", "referee", "social", "friend", "employer", "colleague", "protected",
)  # fmt: skip
"""Protected data, third parties, the social graph, and proxies the rulebook bans (section 3.4)."""


def feature(name: str) -> Feature:
    """The definition of one feature.

    Examples
    --------
    >>> feature("dpd").group.value
    'length_of_arrears'
    >>> feature("birth_year")
    Traceback (most recent call last):
    ...
    scoring.errors.FeatureError: 'birth_year' is not a registered feature. Known features are listed by `scoring.features.registry`.
    """
    for known in FEATURES:
        if known.name == name:
            return known
    raise FeatureError(
        f"{name!r} is not a registered feature. Known features are listed by `scoring.features.registry`.",
        field="feature",
        got=name,
    )


def refuse_forbidden(names: tuple[str, ...]) -> None:
    """Refuse features that name protected data, third parties or the social graph.

    Raises
    ------
    FeatureError
        ``bad_feature``: the name, the word that is forbidden and why.

    Examples
    --------
    >>> refuse_forbidden(FEATURE_NAMES)
    >>> refuse_forbidden(("mean_friend_dpd",))
    Traceback (most recent call last):
    ...
    scoring.errors.FeatureError: Feature 'mean_friend_dpd' may not be a model input: 'friend' is protected, third-party or social-graph data. Leave it out; audits read the `protected` table instead.
    """
    for name in names:
        parts = name.lower().split("_")
        for word in FORBIDDEN_WORDS:
            if any(part.startswith(word) for part in parts):
                raise FeatureError(
                    f"Feature {name!r} may not be a model input: {word!r} is protected, third-party or social-graph data. "
                    "Leave it out; audits read the `protected` table instead.",
                    field="feature",
                    got=name,
                )


refuse_forbidden(FEATURE_NAMES)
