"""What the options of a search are to fairseq's."""

from __future__ import annotations

import pytest

from attn_nmt.search import SearchOptions


def test_a_search_has_its_options_and_the_lengths_of_fairseq_generate() -> None:
    found = vars(SearchOptions(beam=3, lenpen=1.2, nbest=2).generator_args())
    assert found == {
        "beam": 3,
        "lenpen": 1.2,
        "nbest": 2,
        "sampling": False,
        "sampling_topk": -1,
        "sampling_topp": -1.0,
        "max_len_a": 0,
        "max_len_b": 200,
    }


@pytest.mark.parametrize("option", [{"sampling_topk": 5}, {"sampling_topp": 0.3}])
def test_sampling_takes_the_place_of_the_search(option: dict[str, float]) -> None:
    found = vars(SearchOptions(**option).generator_args())  # type: ignore[arg-type]
    assert found["sampling"] and found.items() >= option.items()
