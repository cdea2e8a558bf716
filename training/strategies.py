"""Strategies beside models: registered as files, judged on the log of decisions, promoted only through that gate.

``python -m training.strategies register FILE``, ``... promote FILE PORTFOLIO --approver NAME``: a strategy file is logged by its hash as a
registered model of its own; promotion evaluates it on the portfolio's assignments and moves the alias ``champion`` only when the gate says
``passes``. ``worse`` and ``cannot_tell`` are refused with every reason; there is no way around, since nobody's word adds data.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from scoring.decisions.strategy import Strategy, strategy_from
from scoring.decisions.strategy_pin import FOLDER, PIN, pin_strategy
from scoring.errors import BadRequestError, GateError, PolicyError, ScoringError
from scoring.portfolio.reading import Portfolio, read_portfolio
from scoring.scores.bundle import Bundle
from scoring.scores.pins import load_champion
from training import tracking
from training.effects_data import logged_decisions
from training.off_policy.expected_rewards import cross_fitted
from training.off_policy.gate import StrategyVerdict, judge
from training.off_policy.overlap import discretion_contrast
from training.off_policy.strategy_log import StrategyLog, named_checks, strategy_log, target_of

REPORT_NAME: Final = "off_policy.json"


@dataclass(frozen=True)
class StrategyFile:
    """A strategy as it was written, and which effects it uses.

    Examples
    --------
    >>> from scoring.resources import data_folder
    >>> given = strategy_file(data_folder() / "reference" / "strategy.toml")
    >>> given.effects, given.version == given.strategy.version
    ('learned', True)
    """

    text: str
    strategy: Strategy
    effects: str

    @property
    def version(self) -> str:
        """SHA-256 of the file."""
        return self.strategy.version


def strategy_file(path: Path) -> StrategyFile:
    """Read a strategy file; ``effects`` is ``learned`` where the file does not say ``prior``.

    Raises
    ------
    PolicyError
        ``bad_policy``: the file cannot be read or is malformed, or names other effects.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"Strategy file {path} cannot be read. Give a TOML file.", field="strategy") from error
    strategy = strategy_from(text)
    return StrategyFile(text, strategy, strategy.effects)


def judge_strategy(
    portfolio: Portfolio,
    bundle: Bundle,
    candidate: StrategyFile,
    incumbent: StrategyFile | None = None,
    *,
    until: date | None = None,
    progress: Callable[[str], None] = lambda message: None,
) -> StrategyVerdict:
    """What the portfolio's log of decisions says about a strategy.

    Rows that a policy decided and rows drawn at random are held against each other first. Where they disagree, somebody decided by what is
    not in the log, and only the random rows are used.

    Parameters
    ----------
    incumbent : StrategyFile, optional
        The strategy that runs; without it, what the log did.

    Returns
    -------
    StrategyVerdict

    Raises
    ------
    BadRequestError
        ``bad_request``: the portfolio has no matured decisions.
    """
    decisions = logged_decisions(portfolio, bundle.definition, until=until, progress=progress)
    if decisions is None or not len(decisions):
        raise BadRequestError(
            "The portfolio has no log of decisions whose windows have closed (table assignments), so nothing can be said about a strategy. "
            "Log decisions with their propensities, or wait.",
            field="assignments",
        )
    progress(f"off-policy evaluation on {len(decisions):,} decisions")
    seen = strategy_log(decisions, bundle)
    contrast = _contrast(seen, candidate)
    if contrast["is_suspect"]:
        drawn = seen.is_randomised
        seen = seen.only(drawn, np.where(drawn, seen.uniform, seen.log.propensity))
    target = target_of(seen, candidate.strategy, candidate.effects)
    present = None if incumbent is None else target_of(seen, incumbent.strategy, incumbent.effects)
    verdict = judge(seen.log, target, seen.possible, cross_fitted(seen.log, seen.context), incumbent=present)
    facts = {
        **verdict.facts,
        "propensity_checks": named_checks(verdict.facts),
        "random_and_policy_rows": contrast,
        "rows": "randomised only: policy rows disagree with them" if contrast["is_suspect"] else "all",
        "reward": "token payment within the horizon x ability x amount, less direct cost; minor units a decision",
        "incumbent": "the log" if incumbent is None else incumbent.version,
    }
    return StrategyVerdict(**{**vars(verdict), "facts": facts})


def _contrast(seen: StrategyLog, candidate: StrategyFile) -> dict[str, Any]:
    """The same probabilities judged on random and on policy rows."""
    target = target_of(seen, candidate.strategy, candidate.effects)
    return discretion_contrast(seen.log, target, cross_fitted(seen.log, seen.context), seen.is_randomised, seen.uniform)


def register(home: Path, candidate: StrategyFile) -> str:
    """Register a strategy; the same file twice is the same version.

    Returns
    -------
    str
        Its version number, alias ``challenger``.
    """
    return tracking.log_strategy(home, candidate.text, sha256=candidate.version, effects=candidate.effects)


def promote_strategy(
    home: Path, candidate: StrategyFile, verdict: StrategyVerdict, *, approver: str, promoted_at: datetime
) -> str:
    """Make a strategy the champion, if the gate lets it.

    Returns
    -------
    str
        Version number.

    Raises
    ------
    BadRequestError
        ``bad_request``: no approver.
    GateError
        ``gates_failed``: with every reason. The report is kept with the registered version; nothing else was changed.
    """
    if not approver.strip():
        raise BadRequestError(
            "A promotion needs the name of the person who answers for it (--approver).", field="approver", got=approver
        )
    version = register(home, candidate)
    tracking.log_strategy_report(home, version, REPORT_NAME, verdict.as_dict())
    if not verdict.passes:
        said = "The data cannot tell" if verdict.verdict == "cannot_tell" else "It is worse than what runs"
        raise GateError(
            f"Strategy version {version} was not promoted. {said}. {' '.join(verdict.reasons)}",
            field="strategy",
            got=verdict.verdict,
            expected="passes",
        )
    facts = {"approver": approver.strip(), "approved_at": promoted_at.isoformat(timespec="seconds")}
    tracking.mark_strategy_champion(home, version, facts)
    pin_strategy(home, candidate.strategy, {"version": version, **facts})
    return version


def champion_strategy(home: Path) -> StrategyFile | None:
    """The strategy that runs; None where none was promoted yet."""
    text = tracking.champion_strategy_text(home)
    if text is None:
        return None
    strategy = strategy_from(text)
    return StrategyFile(text, strategy, strategy.effects)


def judge_file(
    file: Path, folder: Path, *, home: Path, progress: Callable[[str], None] = lambda message: None
) -> dict[str, Any]:
    """`judge_strategy` for a file, a folder and a state folder: what ``scoring strategy judge`` calls."""
    _, bundle = load_champion(home)
    candidate = strategy_file(file)
    return judge_strategy(
        read_portfolio(folder), bundle, candidate, champion_strategy(home), progress=progress
    ).as_dict()


def promote_file(
    file: Path,
    folder: Path,
    *,
    home: Path,
    approver: str,
    promoted_at: datetime,
    progress: Callable[[str], None] = lambda message: None,
) -> dict[str, Any]:
    """`promote_strategy` for a file, a folder and a state folder: what ``scoring strategy promote`` calls."""
    _, bundle = load_champion(home)
    candidate = strategy_file(file)
    verdict = judge_strategy(read_portfolio(folder), bundle, candidate, champion_strategy(home), progress=progress)
    version = promote_strategy(home, candidate, verdict, approver=approver, promoted_at=promoted_at)
    return {
        "version": version,
        "sha256": candidate.version,
        "pin": str(home / FOLDER / PIN),
        "judged": verdict.as_dict(),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Register, judge or promote; 0 done, 1 refused by the gate, 2 bad input."""
    asked = _parser().parse_args(arguments)
    try:
        candidate = strategy_file(asked.file)
        if asked.action == "register":
            print(f"Strategy version {register(asked.home, candidate)}, sha256 {candidate.version[:12]}.")
            return 0
        _, bundle = load_champion(asked.home)
        verdict = judge_strategy(
            read_portfolio(asked.portfolio), bundle, candidate, champion_strategy(asked.home), progress=_tell
        )
        print(json.dumps(verdict.as_dict(), indent=2))
        if asked.action == "promote":
            version = promote_strategy(
                asked.home, candidate, verdict, approver=asked.approver, promoted_at=datetime.now(UTC)
            )
            print(f"Strategy version {version} is the champion.", file=sys.stderr)
    except ScoringError as error:
        print(error.message, file=sys.stderr)
        return 1 if isinstance(error, GateError) else 2
    return 0 if verdict.passes else 1


def _tell(message: str) -> None:
    print(message, file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.strategies", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    for name in ("register", "judge", "promote"):
        action = actions.add_parser(name)
        action.add_argument("file", type=Path, help="a strategy file like data/reference/strategy.toml")
        action.add_argument("--home", type=Path, default=Path(".scoring"), help="state folder")
        if name != "register":
            action.add_argument("portfolio", type=Path, help="event tables with assignments")
        if name == "promote":
            action.add_argument("--approver", required=True, help="who answers for it")
    return parser


if __name__ == "__main__":
    sys.exit(main())
