"""A Markdown document as one HTML file that needs nothing beside it: pictures are inside."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Final

from markdown_it import MarkdownIt

_STYLE: Final = """
body { font: 15px/1.5 system-ui, "Noto Sans SC", sans-serif; color: #1c1c1c; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3 { line-height: 1.25; } h2 { margin-top: 2.2rem; border-bottom: 1px solid #ddd; padding-bottom: .2rem; }
table { border-collapse: collapse; margin: .8rem 0 1.2rem; font-size: 13.5px; display: block; overflow-x: auto; }
th, td { border: 1px solid #ddd; padding: .28rem .6rem; text-align: left; vertical-align: top; } th { background: #f4f6f8; }
img { max-width: 100%; margin: .5rem 0; } code { background: #f4f6f8; padding: 0 .2rem; overflow-wrap: anywhere; }
@media print { body { margin: 0; max-width: none; } h2 { break-after: avoid; } table, img { break-inside: avoid; } }
"""


def page(markdown: str, pictures: Mapping[str, bytes]) -> str:
    """One HTML file.

    Parameters
    ----------
    markdown : str
        Its first line is the title. A picture is named as ``plots/NAME.png``.
    pictures : mapping of str to bytes
        PNG by the path that the Markdown names.

    Examples
    --------
    >>> html = page("# Card\\n\\n![a plot](plots/a.png)", {"plots/a.png": b"png"})
    >>> "<h1>Card</h1>" in html, "data:image/png;base64,cG5n" in html
    (True, True)
    """
    title = markdown.splitlines()[0].lstrip("# ").strip()
    body = MarkdownIt("commonmark").enable("table").render(markdown)

    def inlined(match: re.Match[str]) -> str:
        held = pictures.get(match.group(1))
        return match.group(0) if held is None else f'src="data:image/png;base64,{base64.b64encode(held).decode()}"'

    body = re.sub(r'src="([^"]+\.png)"', inlined, body)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n<style>{_STYLE}</style>\n'
        f"</head>\n<body>\n{body}</body>\n</html>\n"
    )
