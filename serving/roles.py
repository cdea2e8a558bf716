"""Who may ask what: one table of every route and the roles it answers to. A route that is not in it answers nobody.

``queue`` works the queue; ``data_scientist`` looks at scores and replays; ``compliance`` reviews single decisions; ``admin`` may all.
"""

from __future__ import annotations

import re
from typing import Final

from scoring.errors import BadRequestError
from serving.state.keys import ROLES, Caller, RoleRefusedError

EVERYONE: Final = frozenset(ROLES)
WORK: Final = frozenset({"queue", "admin"})
SCORE: Final = frozenset({"queue", "data_scientist", "admin"})
READ: Final = frozenset({"queue", "compliance", "admin"})
REVIEW: Final = frozenset({"compliance", "admin"})
REPLAY: Final = frozenset({"data_scientist", "compliance", "admin"})
WATCH: Final = frozenset({"data_scientist", "compliance", "admin"})

OPEN: Final = frozenset({("GET", "/healthz"), ("GET", "/livez")})
"""Routes without a key: a load balancer must see that the process is alive."""
ALLOWED: Final = {
    ("GET", "/"): EVERYONE,
    ("GET", "/docs"): EVERYONE,
    ("GET", "/openapi.json"): EVERYONE,
    ("GET", "/readyz"): EVERYONE,
    ("GET", "/metrics"): WATCH,
    ("POST", "/v1/score"): SCORE,
    ("POST", "/v1/decisions"): WORK,
    ("GET", "/v1/queue"): WORK,
    ("POST", "/v1/permits"): WORK,
    ("POST", "/v1/permits/{permit_id}/release"): WORK,
    ("POST", "/v1/outcomes"): WORK,
    ("GET", "/v1/decisions/{decision_id}"): READ,
    ("GET", "/v1/decisions/{decision_id}/explanation"): READ,
    ("POST", "/v1/decisions/{decision_id}/override"): REVIEW,
    ("POST", "/v1/decisions/{decision_id}/requests"): READ,
    ("POST", "/v1/decisions/{decision_id}/replay"): REPLAY,
    ("GET", "/v1/accounts/{account_id}/decisions"): READ,
}
METHODS: Final = sorted({method for method, _ in ALLOWED})
_PARAMETER: Final = re.compile(r"\\\{[^}]+\\\}")


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(_PARAMETER.sub("[^/]+", re.escape(template)))


_TEMPLATES: Final = [(method, _pattern(path), path) for method, path in ALLOWED if "{" in path]


def route_of(method: str, path: str) -> tuple[str, str] | None:
    """The row of the table that a request falls under; None where there is none. ``HEAD`` is judged as ``GET``.

    >>> route_of("POST", "/v1/decisions/D1/replay")
    ('POST', '/v1/decisions/{decision_id}/replay')
    >>> route_of("DELETE", "/v1/queue") is None
    True
    """
    method = "GET" if method == "HEAD" else method
    if (method, path) in ALLOWED or (method, path) in OPEN:
        return (method, path)
    for known, pattern, template in _TEMPLATES:
        if known == method and pattern.fullmatch(path):
            return (known, template)
    return None


class NoRouteError(BadRequestError):
    """A path, or a method of it, that is not in the table.

    Attributes
    ----------
    allow : str
        The methods that the path has, for the header ``Allow``.
    """

    http_status = 404
    allow = ""


class NoMethodError(NoRouteError):
    """A path that has other methods."""

    http_status = 405


def refuse_unlisted(method: str, path: str) -> None:
    """Refuse what is not in the table, whatever the application may have there.

    Raises
    ------
    NoRouteError
        ``bad_request`` with 404, or with 405 where the path has other methods.

    Examples
    --------
    >>> refuse_unlisted("GET", "/v1/queue")
    >>> refuse_unlisted("DELETE", "/v1/queue")
    Traceback (most recent call last):
    ...
    serving.roles.NoMethodError: There is no DELETE of /v1/queue. Ask with GET.
    """
    if route_of(method, path) is not None:
        return
    others = [other for known in METHODS if (other := route_of(known, path)) is not None]
    if others:
        methods, template = [known for known, _ in others], others[0][1]
        allow = ", ".join(methods)
        refusal = NoMethodError(
            f"There is no {method} of {template}. Ask with {allow}.", field="method", got=method, expected=methods
        )
        refusal.allow = allow
        raise refusal
    known = ", ".join(sorted({template for _, template in ALLOWED}))
    raise NoRouteError(f"There is nothing here. Known paths: {known}.", field="path", expected="see /openapi.json")


def refuse_other_roles(caller: Caller, method: str, path: str) -> None:
    """Refuse a caller whose role is not in the table's row; a path that is nowhere is refused by `refuse_unlisted`.

    Raises
    ------
    RoleRefusedError
        ``role_refused``: names the caller's own role and the roles that may.
    """
    route = route_of(method, path)
    if route is None or route in OPEN or caller.role in ALLOWED[route]:
        return
    may = sorted(ALLOWED[route])
    raise RoleRefusedError(
        f"A key of role {caller.role} may not do this. It needs a key of role {' or '.join(may)}.",
        field="authorization",
        got=caller.role,
        expected=may,
    )
