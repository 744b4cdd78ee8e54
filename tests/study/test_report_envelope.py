"""The upper envelope against its definition."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from attn_nmt.study.reporting.envelope import Point, envelope

# Few values, so that many are equal.
POINTS = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=2),
    st.tuples(st.integers(0, 4).map(float), st.integers(0, 4).map(float)),
    min_size=1,
)


def beats(one: Point, other: Point) -> bool:
    return one[0] <= other[0] and one[1] >= other[1] and one != other


@given(POINTS)
def test_nothing_beats_what_is_on_it(points: dict[str, Point]) -> None:
    expected = {
        name
        for name, point in points.items()
        if not any(beats(other, point) for other in points.values())
    }
    found = envelope(points)
    assert set(found) == expected and len(found) == len(expected)
    assert [points[name] for name in found] == sorted(points[name] for name in found)
