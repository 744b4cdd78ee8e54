"""Rules that the arguments of several modules share."""

from __future__ import annotations


def require_heads(embed_dim: int, num_heads: int) -> None:
    """Raise ValueError unless the heads divide the channels."""
    if num_heads < 1 or embed_dim < 1 or embed_dim % num_heads:
        raise ValueError(
            "`embed_dim` must be a positive multiple of `num_heads`, "
            f"but is {embed_dim} for {num_heads} heads instead."
        )


def require_positive(name: str, value: int) -> None:
    """Raise ValueError unless the number is at least 1."""
    if value < 1:
        raise ValueError(f"`{name}` must be positive, but is {value} instead.")


def require_probability(name: str, value: float) -> None:
    """Raise ValueError unless the number lies between 0 and 1."""
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"`{name}` must lie between 0 and 1, but is {value} instead.")
