"""Which models nothing beats: the upper envelope of BLEU over cost."""

from __future__ import annotations

from collections.abc import Mapping

Point = tuple[float, float]
"""Cost and score."""


def envelope(points: Mapping[str, Point]) -> list[str]:
    """Return the names of the points on the upper envelope, from the cheapest on.

    A point is on it unless another one has at least its score for at most its cost, and is better
    in one of the two. Equal points are on it together.
    """
    best = float("-inf")
    found: list[str] = []
    # Among equal costs the best score comes first.
    for name, (cost, score) in sorted(points.items(), key=lambda item: (item[1][0], -item[1][1])):
        if score > best or (found and points[found[-1]] == (cost, score)):
            found.append(name)
            best = score
    return found
