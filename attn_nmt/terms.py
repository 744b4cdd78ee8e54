"""The four attention terms of Equation 8: the one file that knows which bit is which.

A setting is written as four bits, as the paper's beta_1..4: ``1111`` is full Transformer-XL
attention, ``0010`` looks at key content only, ``0000`` is uniform over the allowed keys.
"""

from __future__ import annotations

import re
from dataclasses import astuple, dataclass, fields


@dataclass(frozen=True)
class AttentionTerms:
    """Which of the four energies are summed; the fields stand in the order of the bits."""

    query_key: bool = True
    query_position: bool = True
    key_only: bool = True
    position_only: bool = True

    @classmethod
    def parse(cls, bits: str) -> AttentionTerms:
        """Read ``bits`` such as ``"0110"``.

        Raises:
            ValueError: if ``bits`` is not exactly four characters, each ``0`` or ``1``.
        """
        if not cls.is_valid(bits):
            raise ValueError(
                f"`terms` must be four bits, each 0 or 1, such as '1111', but is {bits!r} instead."
            )
        return cls(*(bit == "1" for bit in bits))

    @staticmethod
    def is_valid(bits: str) -> bool:
        """Return whether ``bits`` is four characters, each ``0`` or ``1``."""
        return re.fullmatch("[01]{4}", bits) is not None

    def __str__(self) -> str:
        return "".join("1" if enabled else "0" for enabled in astuple(self))

    @property
    def enabled(self) -> tuple[str, ...]:
        """Names of the enabled terms, in the order of the bits."""
        return tuple(f.name for f in fields(self) if getattr(self, f.name))

    @property
    def uses_query(self) -> bool:
        """True if an energy depends on the content of the query, so that it must be projected."""
        return self.query_key or self.query_position

    @property
    def uses_key(self) -> bool:
        """True if an energy depends on the content of the key."""
        return self.query_key or self.key_only

    @property
    def uses_position(self) -> bool:
        """True if an energy depends on the distance from query to key."""
        return self.query_position or self.position_only

    @property
    def uses_key_at_most(self) -> bool:
        """True if no energy depends on anything but the key, so that all queries share them."""
        return set(self.enabled) <= {"key_only"}


ALL_TERMS = tuple(f"{number:04b}" for number in range(16))
"""The sixteen settings, from "0000" to "1111"."""
