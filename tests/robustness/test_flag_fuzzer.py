"""A sample of the flag space; ``scripts/fuzz.py flags`` draws any number."""

from __future__ import annotations

from support.fuzz_flags import check, draw_flags, refusal


def test_random_flags_are_refused_by_name_or_train_and_decode() -> None:
    accepted = 0
    for seed in range(100):
        flags = draw_flags(seed)
        if refusal(flags) is None:
            try:
                check(flags)
            except Exception as error:
                raise AssertionError(f"seed {seed}: {flags}") from error
            accepted += 1
    assert 30 < accepted < 90
