"""What mkdocs calls: docstrings have roles and double colons, which Markdown does not know."""

from __future__ import annotations

import re
from typing import Any


def on_page_content(html: str, **_: Any) -> str:
    """Show ``:class:`` and others as code only, and ``::`` before a block as one colon."""
    html = re.sub(r":(?:class|meth|func|mod|attr):(?=<)", "", html)
    return html.replace("::</p>", ":</p>")
