"""Refusals: one base class, one stable ``code`` per kind, one shape for the console and for HTTP.

A refusal says which account or row, what was seen, why it matters and what to do. Messages never hold a name, a phone
number or a card number; ``account_id`` is the handle. Findings (data checks, gates, ledger checks) are not raised: they
are returned in lists, so that one run reports everything.
"""

from __future__ import annotations

from typing import Any, ClassVar


class ScoringError(Exception):
    """A refusal with a stable code.

    Parameters
    ----------
    message : str
        One or two sentences for a person: what was seen, why it matters, what to do.
    field : str, optional
        The argument, column or JSON pointer that is at fault.
    got, expected : optional
        What was seen and what would have been accepted; plain JSON values.

    Examples
    --------
    >>> error = UnknownAccountError("Account A9 is not in the portfolio.", field="account_ids", got="A9")
    >>> error.as_dict()["code"]
    'unknown_account'
    """

    code: ClassVar[str] = "scoring_error"
    http_status: ClassVar[int] = 422

    def __init__(self, message: str, *, field: str | None = None, got: Any = None, expected: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.got = got
        self.expected = expected

    def as_dict(self) -> dict[str, Any]:
        """The one JSON shape: ``code``, ``message``, ``field``, ``got``, ``expected``.

        >>> ScoringError("No.").as_dict()
        {'code': 'scoring_error', 'message': 'No.', 'field': None, 'got': None, 'expected': None}
        """
        return {
            "code": self.code,
            "message": self.message,
            "field": self.field,
            "got": self.got,
            "expected": self.expected,
        }


class BadRequestError(ScoringError):
    """The request or the command line cannot be understood."""

    code = "bad_request"
    http_status = 400


class PortfolioError(ScoringError):
    """An event table is missing, unreadable or of the wrong shape."""

    code = "bad_portfolio"


class FutureEventError(ScoringError):
    """A value would be used before the bank knew it."""

    code = "future_event"


class UnknownAccountError(ScoringError):
    """An account id is not in the portfolio."""

    code = "unknown_account"
    http_status = 404


class NotEligibleError(ScoringError):
    """An account cannot be scored at this ``as_of`` (not past due, or without a statement by then)."""

    code = "not_eligible"


class AsOfError(ScoringError):
    """The as-of day lies outside what the data can answer."""

    code = "as_of_out_of_range"


class WindowStillOpenError(ScoringError):
    """A target's window has not matured: the row is missing, never zero."""

    code = "window_still_open"


class FeatureError(ScoringError):
    """A feature is missing, of the wrong type or forbidden as a model input."""

    code = "bad_feature"


class BundleError(ScoringError):
    """A bundle is missing, corrupt or not the pinned one."""

    code = "bundle_mismatch"
    http_status = 409


class NotReadyError(ScoringError):
    """No promoted bundle, or the service is not ready to answer."""

    code = "not_ready"
    http_status = 409


class ContributionsError(ScoringError):
    """Contributions do not add up to the served margin."""

    code = "contributions_do_not_add_up"


class CapacityError(ScoringError):
    """A capacity file names an unknown channel or a negative amount."""

    code = "bad_capacity"


class PolicyError(ScoringError):
    """A contact-policy profile is malformed, or a rule or parameter is not in force."""

    code = "bad_policy"


class LedgerError(ScoringError):
    """The ledger is broken, or would break if this were written."""

    code = "ledger_broken"
    http_status = 409


class LedgerConflictError(LedgerError):
    """A record or batch of this id is already written, with other content. What is written stays."""

    code = "ledger_conflict"


class UnknownDecisionError(ScoringError):
    """A decision id is not in the ledger."""

    code = "unknown_decision"
    http_status = 404


class GateError(ScoringError):
    """Promotion was refused: at least one gate failed and no reason was given."""

    code = "gates_failed"


class MissingToolError(ScoringError):
    """Something the command needs is not there: disk, a port, a Python version, a pipeline."""

    code = "missing_requirement"
