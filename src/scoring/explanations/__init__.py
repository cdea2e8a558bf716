"""Explanations: one decision in words, read from its record; for three audiences, in English and Chinese.

Last stage of the flow. Nothing here runs a model, reads an event table or looks at another customer.
"""

from scoring.explanations.explaining import explain, explanation
from scoring.explanations.html import page_html
from scoring.explanations.sections import Explanation, Section

__all__ = ["Explanation", "Section", "explain", "explanation", "page_html"]
