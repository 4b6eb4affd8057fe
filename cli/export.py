"""``xunyi export``."""

from cli.exchange import export as command

__all__ = ["command"]
