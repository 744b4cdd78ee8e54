"""The version, in a file of its own, so that setup.cfg can read it without importing PyTorch."""

__version__ = "0.1.0"
