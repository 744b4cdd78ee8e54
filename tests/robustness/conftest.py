"""A model that has learned a copy task."""

from support.copy_task import data_bin, trained

__all__ = ["data_bin", "trained"]
