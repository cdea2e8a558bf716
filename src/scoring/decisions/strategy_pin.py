"""The strategy that runs: a file in the state folder, pinned by promotion; the house's where none was promoted.

The pin names the file by its hash and says who answers for it. A file that was edited afterwards is not the one that was approved,
so it is refused.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from scoring.decisions.strategy import Strategy, house_strategy, read_strategy
from scoring.errors import PolicyError

FOLDER: Final = "strategy"
PIN: Final = "champion.json"


def strategy_in_force(home: Path, given: Path | None = None) -> Strategy:
    """The strategy of a file, else the pinned one, else the house's.

    Raises
    ------
    PolicyError
        ``bad_policy``: a file is missing, malformed, or no longer the one that was promoted.

    Examples
    --------
    >>> strategy_in_force(Path("nowhere")).version == house_strategy().version
    True
    """
    if given is not None:
        return read_strategy(given)
    return pinned_strategy(home) or house_strategy()


def pinned_strategy(home: Path) -> Strategy | None:
    """The promoted strategy; None where none was."""
    pin = home / FOLDER / PIN
    if not pin.is_file():
        return None
    try:
        stated = str(json.loads(pin.read_text(encoding="utf-8"))["sha256"])
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise PolicyError(
            f"The strategy pin {pin} cannot be read. Promote a strategy again with `scoring strategy promote`.",
            field="strategy",
        ) from error
    found = read_strategy(pin.with_name(f"{stated}.toml"))
    if found.version != stated:
        raise PolicyError(
            f"The strategy file {stated[:12]}.toml was changed after it was promoted, so nobody answers for it. Promote it again, or "
            "put the approved file back.",
            field="strategy",
            got=found.version,
            expected=stated,
        )
    return found


def pin_strategy(home: Path, strategy: Strategy, facts: dict[str, Any]) -> Path:
    """Make a strategy the one that runs, in one step.

    Parameters
    ----------
    facts : mapping
        Version, approver and instant of approval, beside the hash.

    Returns
    -------
    Path
        The pin.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as home:
    ...     _ = pin_strategy(Path(home), house_strategy(), {"approver": "Li Wei"})
    ...     pinned_strategy(Path(home)).version == house_strategy().version
    True
    """
    folder = home / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / f"{strategy.version}.toml", strategy.text)
    _write(folder / PIN, json.dumps({"sha256": strategy.version, **facts}, indent=2, ensure_ascii=False) + "\n")
    return folder / PIN


def _write(path: Path, text: str) -> None:
    scratch = path.with_suffix(".tmp")
    scratch.write_text(text, encoding="utf-8", newline="")
    scratch.replace(path)
