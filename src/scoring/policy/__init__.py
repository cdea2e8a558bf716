"""The contact policy: which channels are lawful for an account at a local time, and why, before anything is optimised.

``load_profile`` reads a jurisdiction's rules; ``verdicts`` judges one account and ``verdict_frame`` a portfolio, alike;
``facts_from_portfolio`` reads the facts from the event tables; ``run_cases`` runs an officer's situations.
"""

from scoring.policy.approvals import Approval
from scoring.policy.approving import approve_profile
from scoring.policy.breaches import Breach, breaches, late_breaches
from scoring.policy.cases import CaseReport, run_cases
from scoring.policy.content import ContentDuties, content_duties
from scoring.policy.facts import Consent, Contact, Facts
from scoring.policy.facts_frame import FactsFrame
from scoring.policy.findings import Verdicts
from scoring.policy.forbidden import forbidden_features, forbidden_phrases
from scoring.policy.operations import Operations
from scoring.policy.page import render_page, write_page
from scoring.policy.portfolio_facts import addresses_on_file, facts_from_portfolio
from scoring.policy.profile import Profile, load_profile
from scoring.policy.rules import CHANNELS
from scoring.policy.truth import Lawful, Outcome, Truth
from scoring.policy.verdict_frame import VerdictFrame, verdict_frame
from scoring.policy.verdicts import next_lawful_at, verdicts

__all__ = [
    "CHANNELS",
    "Approval",
    "Breach",
    "CaseReport",
    "Consent",
    "Contact",
    "ContentDuties",
    "Facts",
    "FactsFrame",
    "Lawful",
    "Operations",
    "Outcome",
    "Profile",
    "Truth",
    "VerdictFrame",
    "Verdicts",
    "addresses_on_file",
    "approve_profile",
    "breaches",
    "content_duties",
    "facts_from_portfolio",
    "forbidden_features",
    "forbidden_phrases",
    "late_breaches",
    "load_profile",
    "next_lawful_at",
    "render_page",
    "run_cases",
    "verdict_frame",
    "verdicts",
    "write_page",
]
