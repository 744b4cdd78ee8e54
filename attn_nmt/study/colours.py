"""The colours of lines and arrows in all figures and pages.

Those of Okabe and Ito (2008, "Color Universal Design"), which readers with any common kind of
colour blindness can tell apart, without yellow, which is too pale on white.
"""

from __future__ import annotations

COLOURS = {
    "blue": "#0072B2",
    "vermilion": "#D55E00",
    "bluish green": "#009E73",
    "reddish purple": "#CC79A7",
    "orange": "#E69F00",
    "sky blue": "#56B4E9",
    "black": "#000000",
}
