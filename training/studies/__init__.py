"""Slow studies, each a command; the last figures stand in Markdown beside the code."""
