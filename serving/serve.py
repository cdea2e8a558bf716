"""Starting the service as a process of its own, from any folder; refuses first what would fail half way."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Final, NoReturn

from scoring.errors import MissingToolError
from serving.settings import Settings
from serving.state.database import State
from serving.state.keys import has_keys

LOCAL_HOSTS: Final = {"127.0.0.1": socket.AF_INET, "localhost": socket.AF_INET, "::1": socket.AF_INET6}
KEEP_ALIVE_SECONDS: Final = 75
"""How long an idle connection is kept: longer than callers keep theirs (5 s with httpx), so that none asks on one just closed."""


def serve(settings: Settings) -> NoReturn:
    """Become the service: this process is replaced, so that whoever started it also stops it.

    Raises
    ------
    MissingToolError
        ``missing_requirement``: the host is open to others, or the port is taken.
    """
    if settings.host not in LOCAL_HOSTS:
        refuse_open_host(settings.host, has_keys=any_keys(settings))
    refuse_busy_port(settings.host, settings.port)
    sys.stdout.flush()
    os.execve(sys.executable, command(settings), environment(settings))  # noqa: S606 - a fixed list of arguments


def command(settings: Settings) -> list[str]:
    """What runs the service, from any folder."""
    host = "127.0.0.1" if settings.host == "localhost" else settings.host
    root = Path(__file__).resolve().parents[1]
    return [
        sys.executable, "-m", "bentoml", "serve", "serving.service:CollectionsService",
        "--host", host, "--port", str(settings.port), "--working-dir", str(root),
        "--timeout-keep-alive", str(KEEP_ALIVE_SECONDS), *_tls_options(settings),
    ]  # fmt: skip


def _tls_options(settings: Settings) -> list[str]:
    """BentoML's own options for TLS; none without a certificate."""
    if settings.tls is None:
        return []
    certificate, key = settings.tls
    return ["--ssl-certfile", str(certificate.resolve()), "--ssl-keyfile", str(key.resolve())]


def environment(settings: Settings) -> dict[str, str]:
    """This process's environment, with the state folder made absolute and nothing told to BentoML's makers."""
    home = settings.home.resolve()
    own = {
        "SCORING_HOME": str(home),
        "SCORING_HOST": settings.host,
        "SCORING_WORKERS": str(settings.workers),
        "BENTOML_HOME": str(home / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
    }
    arenas = {"MALLOC_ARENA_MAX": "1"}  # as `serving.lean` sets it, before there are other threads
    return {**arenas, **os.environ, **own, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def refuse_open_host(host: str, *, has_keys: bool = False) -> None:
    """Refuse to be reached from other machines as long as there are no keys.

    Examples
    --------
    >>> refuse_open_host("0.0.0.0", has_keys=True)
    >>> refuse_open_host("0.0.0.0")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    scoring.errors.MissingToolError: SCORING_HOST is '0.0.0.0', and without keys anyone who reaches it could read ...
    """
    if host not in LOCAL_HOSTS and not has_keys:
        raise MissingToolError(
            f"SCORING_HOST is {host!r}, and without keys anyone who reaches it could read and record decisions. "
            "Make a key with `scoring keys make --role admin --caller NAME`, or serve on 127.0.0.1, localhost or ::1.",
            field="SCORING_HOST",
            got=host,
            expected=list(LOCAL_HOSTS),
        )


def any_keys(settings: Settings) -> bool:
    """Whether the settings' state holds keys; a file that is not there holds none."""
    if "://" not in settings.state_place and not Path(settings.state_place).is_file():
        return False
    state = State(settings.state_place)
    try:
        return has_keys(state)
    finally:
        state.close()


def refuse_busy_port(host: str, port: int) -> None:
    """Refuse a port that something else listens on, before BentoML starts and fails half way."""
    with socket.socket(LOCAL_HOSTS.get(host, socket.AF_INET6 if ":" in host else socket.AF_INET)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise MissingToolError(
                f"Port {port} on {host} is taken ({error.strerror}). Stop what listens there, or set SCORING_PORT "
                "to a free one.",
                field="SCORING_PORT",
                got=port,
            ) from error
