"""The models' flags, as a command line and as a configuration."""

from __future__ import annotations

import pytest

from attn_nmt.command_line import UsageError
from attn_nmt.study.flags import as_command_line, read_config


def test_flags_become_a_command_line_without_those_that_are_off() -> None:
    flags = {
        "self_attn_terms": "0110",
        "log_offsets": True,
        "layernorm_embedding": False,
        "encoder_self_attn_type": None,
        "encoder_layers": 3,
    }
    words = ["--self-attn-terms", "0110", "--log-offsets", "--encoder-layers", "3"]
    assert as_command_line(flags) == words


def test_a_flag_that_breaks_its_rule_is_refused() -> None:
    with pytest.raises(UsageError, match="^--self-attn-terms must be four bits.* but is '011'"):
        read_config("attn_transformer_tiny", {"self_attn_terms": "011"})
