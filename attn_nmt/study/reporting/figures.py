"""What the figures have in common: how they look, and how they become files."""

from __future__ import annotations

import io
from collections.abc import Callable

from matplotlib import style
from matplotlib.figure import Figure

FORMATS = ("svg", "png")
_STYLE = {
    "text.parse_math": False,  # a dollar sign in a name is one
    "svg.fonttype": "path",  # letters look the same everywhere
    "svg.hashsalt": "attn_nmt",  # the same figure is the same file
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
}
_DPI = 150


def draw(make: Callable[[], Figure], title: str) -> dict[str, bytes]:
    """Return a figure by its format, with a title for those who do not see it.

    A ``matplotlibrc`` of the user does not change it.
    """
    with style.context(["default", _STYLE]):
        figure = make()
        return {form: _saved(figure, form, title) for form in FORMATS}


def _saved(figure: Figure, form: str, title: str) -> bytes:
    file = io.BytesIO()
    metadata = {"Title": title} | ({"Date": None} if form == "svg" else {})
    figure.savefig(file, format=form, dpi=_DPI, metadata=metadata)
    return file.getvalue()
