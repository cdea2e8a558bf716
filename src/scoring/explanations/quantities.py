"""Numbers as people read them: amounts in major units, days, shares in per cent, and what is missing."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_EVEN, Decimal

from scoring.errors import FeatureError
from scoring.explanations.wording import Wording
from scoring.features.registry import feature
from scoring.scores.targets import minor_units


def money(cents: float, currency: str, wording: Wording, *, whole: bool = False) -> str:
    """An amount in major units.

    Parameters
    ----------
    cents : float
        Minor units; fractions are rounded to whole minor units.
    currency : str
        ISO 4217 code from the reference table.
    whole : bool
        Round an estimate to whole major units.

    Raises
    ------
    PortfolioError
        ``bad_portfolio``: the currency is not in the reference table, so the amount cannot be read.

    Examples
    --------
    >>> from scoring.explanations.wording import words
    >>> money(1409600, "TWD", words("en")), money(-5, "CNY", words("zh")), money(1200, "JPY", words("zh"))
    ('TWD 14,096.00', '人民币-0.05元', '1,200日元')
    >>> money(314078, "TWD", words("en"), whole=True)
    'TWD 3,141'
    """
    units = minor_units(currency)
    major = Decimal(str(cents)) / units
    step = Decimal(1) if whole else Decimal(1) / units
    amount = major.quantize(step, rounding=ROUND_HALF_EVEN) + 0  # + 0: no minus before a zero
    return _pattern(currency, wording).format(amount=f"{amount:,f}")


def _pattern(currency: str, wording: Wording) -> str:
    pattern: str = wording.tables["currency"].get(currency, f"{currency} {{amount}}")
    return pattern


def percent(share: float) -> str:
    """A share in per cent, with one decimal where it is not whole.

    >>> percent(0.75), percent(1 / 3), percent(0)
    ('75%', '33.3%', '0%')
    """
    return f"{_trimmed(100 * share, 1)}%"


def probability_text(p: float, wording: Wording) -> str:
    """A probability in per cent; one that is neither 0 nor 1 is never written as if it were.

    >>> from scoring.explanations.wording import words
    >>> [probability_text(p, words("en")) for p in (0.98009, 0.99999, 0.0001)]
    ['98.0%', 'over 99.9%', 'below 0.1%']
    """
    if 0 < p < 0.001:
        return str(wording.tables["unit"]["under"]).format(number="0.1%")
    if 0.999 < p < 1:
        return str(wording.tables["unit"]["over"]).format(number="99.9%")
    return f"{100 * p:.1f}%"


def days(number: float, wording: Wording) -> str:
    """A number of days.

    >>> from scoring.explanations.wording import words
    >>> days(1, words("en")), days(41.0, words("zh")), days(30.3333, words("en"))
    ('1 day', '41天', '30.3 days')
    """
    if number == 1:
        return str(wording.tables["unit"]["one_day"])
    return str(wording.tables["unit"]["days"]).format(number=_trimmed(number, 1))


def ratio(number: float, wording: Wording) -> str:
    """A ratio with about three significant figures, never in powers of ten.

    >>> from scoring.explanations.wording import words
    >>> [ratio(x, words("en")) for x in (0.086486, 1.1952, 12345.6, 0.00001, 0, -0.5)]
    ['0.0865', '1.2', '12,346', 'below 0.001', '0', '-0.5']
    """
    if 0 < number < 0.001:
        return str(wording.tables["unit"]["under"]).format(number="0.001")
    if abs(number) >= 100:
        return f"{number:,.0f}"
    return _trimmed(number, 2 if abs(number) >= 1 else 4 if abs(number) < 0.1 else 3)


def signed(number: float) -> str:
    """A number on the log-odds scale, with its sign.

    >>> signed(1.0315), signed(-0.1), signed(-0.001)
    ('+1.03', '-0.10', '-0.00')
    """
    return f"{number:+.2f}"


def feature_value(name: str, value: float | None, currency: str, wording: Wording) -> str:
    """A feature's value in the unit its registry states; what was not observed is said to be missing, never zero.

    Examples
    --------
    >>> from scoring.explanations.wording import words
    >>> feature_value("past_due_cents", 1409600, "TWD", words("en")), feature_value("dpd", None, "TWD", words("en"))
    ('TWD 14,096.00', 'information not on file')
    >>> feature_value("a_feature_of_2019", 2.5, "TWD", words("en"))
    '2.5'
    """
    if value is None or math.isnan(value):
        return str(wording.tables["unit"]["missing"])
    unit = _unit(name)
    if unit == "cents":
        return money(value, currency, wording)
    if unit == "days":
        return days(value, wording)
    if unit == "share":
        return percent(value)
    if unit == "count":
        return _trimmed(value, 1)
    return ratio(value, wording)


def _unit(name: str) -> str:
    """The unit of a registered feature; a feature of an earlier day is read as a bare number."""
    try:
        return feature(name).unit
    except FeatureError:
        return "ratio"


def _trimmed(number: float, decimals: int) -> str:
    """A number with thousands marked, without zeros after its last decimal, and without a minus before a zero."""
    text = f"{number:,.{decimals}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
