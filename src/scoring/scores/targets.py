"""What is predicted: a token payment (willingness) and the share of the cure amount paid given one (ability).

One definition serves training, calibration and evaluation. Row = account on an as-of day t, horizon H = 30 days, posting lag
L = 10 days. K = qualifying payments in (t, t + H], net of reversals known by t + H + L. W = 1 if K >= tau; A = min(1, K / D),
missing where W = 0. A row whose window has not matured is missing, never 0.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pandas as pd

from scoring.errors import PortfolioError, WindowStillOpenError
from scoring.features.builder import FeatureFrame
from scoring.portfolio.reading import Portfolio
from scoring.resources import data_folder


@dataclass(frozen=True, slots=True)
class TargetDefinition:
    """The numbers behind the targets, in minor units of the portfolio's currency.

    Attributes
    ----------
    horizon_days, posting_lag_days : int
    materiality_cents : int
        Smallest past-due amount that is worked.
    tau_floor_cents : int
        Smallest token payment.
    tau_minimum_share, tau_balance_share : float
        Token payment as a share of the last minimum due; of the balance where the source has no minimum due.
    """

    horizon_days: int = 30
    posting_lag_days: int = 10
    materiality_cents: int = 10_000
    tau_floor_cents: int = 5_000
    tau_minimum_share: float = 0.10
    tau_balance_share: float = 0.005

    def matures_on(self, as_of: date) -> date:
        """The first day on which a row of ``as_of`` may be used, if the extract lies after it.

        >>> TargetDefinition().matures_on(date(2025, 5, 1))
        datetime.date(2025, 6, 10)
        """
        return as_of + timedelta(days=self.horizon_days + self.posting_lag_days)


@lru_cache(maxsize=1)
def _minor_units() -> dict[str, int]:
    return dict(tomllib.loads((data_folder() / "reference" / "currencies.toml").read_text())["minor_units"])


def minor_units(currency: str) -> int:
    """Minor units in one major unit.

    Examples
    --------
    >>> minor_units("CNY"), minor_units("JPY")
    (100, 1)
    >>> minor_units("XXX")
    Traceback (most recent call last):
    ...
    scoring.errors.PortfolioError: Currency 'XXX' is not in data/reference/currencies.toml, so amounts cannot be compared with thresholds in major units. Add it with its ISO 4217 exponent.
    """
    if currency not in _minor_units():
        raise PortfolioError(
            f"Currency {currency!r} is not in data/reference/currencies.toml, so amounts cannot be compared with thresholds in major "
            "units. Add it with its ISO 4217 exponent.",
            field="currency",
            got=currency,
            expected=sorted(_minor_units()),
        )
    return _minor_units()[currency]


def eligible(frame: FeatureFrame, definition: TargetDefinition) -> npt.NDArray[np.bool_]:
    """Which accounts may be worked: past due, material, and under no hold.

    Returns
    -------
    array (n_accounts,), bool
        False for accounts that are current, below materiality, owe nothing, charged off, deceased, disputed or on a kept plan.
    """
    at = frame.positions
    held = at["is_charged_off"] | at["is_deceased"] | at["is_disputed"] | at["is_on_kept_plan"]
    material = (at["past_due_cents"] >= definition.materiality_cents) & (at["cure_amount_cents"] > 0)
    return np.asarray((at["dpd"] >= 1) & material & ~held, dtype=bool)


def targets(portfolio: Portfolio, frame: FeatureFrame, definition: TargetDefinition) -> pd.DataFrame:
    """Targets of the accounts of a feature frame, in its order.

    Returns
    -------
    DataFrame, one row per account
        ``paid_cents`` (K, int), ``tau_cents`` (int), ``willingness`` (0.0 or 1.0), ``ability`` (share in [0, 1], NaN where
        willingness is 0).

    Raises
    ------
    WindowStillOpenError
        ``window_still_open``: t + H + L does not lie before the extract day.
    """
    as_of = frame.as_of
    matures_on = definition.matures_on(as_of)
    if matures_on >= portfolio.extract_on:
        raise WindowStillOpenError(
            f"Targets of as_of {as_of} are known only after {matures_on}, and the extract is of {portfolio.extract_on}: counting "
            "now would call late payers unwilling. Choose an earlier as_of or load a newer extract.",
            field="as_of",
            got=as_of.isoformat(),
            expected=f"< {portfolio.extract_on - (matures_on - as_of)}",
        )
    opens_on = as_of + timedelta(days=1)
    closes_on = as_of + timedelta(days=definition.horizon_days + 1)
    seen_until = matures_on + timedelta(days=1)
    paid = portfolio.connection.execute(
        """
        SELECT account_id, CAST(sum(amount_cents) AS BIGINT) AS paid_cents
        FROM payments
        WHERE kind IN ('voluntary', 'autopay')
          AND paid_at >= CAST($opens AS DATE) AND paid_at < CAST($closes AS DATE)
          AND coalesce(known_at, paid_at) < CAST($seen AS DATE)
          AND (reversed_at IS NULL OR coalesce(reversal_known_at, reversed_at) >= CAST($seen AS DATE))
        GROUP BY account_id
        """,
        {"opens": opens_on, "closes": closes_on, "seen": seen_until},
    ).df()
    at = frame.positions
    paid_cents = at["account_id"].map(paid.set_index("account_id")["paid_cents"]).fillna(0).to_numpy(dtype=np.int64)
    owed = at["cure_amount_cents"].to_numpy(dtype=np.float64)
    tau_cents = token_cents(at, definition)
    willing = paid_cents >= tau_cents
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.minimum(1.0, paid_cents / owed)
    return pd.DataFrame(
        {
            "paid_cents": paid_cents,
            "tau_cents": tau_cents,
            "willingness": willing.astype(np.float64),
            "ability": np.where(willing & (owed > 0), share, np.nan),
        }
    )


def token_cents(positions: pd.DataFrame, definition: TargetDefinition) -> npt.NDArray[np.int64]:
    """The token payment tau of each account: a share of the last minimum due, or of the balance where there is none.

    Examples
    --------
    >>> at = pd.DataFrame({"last_minimum_due_cents": [80_000, np.nan], "cure_amount_cents": [160_000, 2_000_000]})
    >>> token_cents(at, TargetDefinition()).tolist()
    [8000, 10000]
    """
    minimum = positions["last_minimum_due_cents"].to_numpy(dtype=np.float64)
    asked = np.where(
        np.isnan(minimum),
        positions["cure_amount_cents"].to_numpy(dtype=np.float64) * definition.tau_balance_share,
        minimum * definition.tau_minimum_share,
    )
    return np.maximum(np.ceil(asked), definition.tau_floor_cents).astype(np.int64)
