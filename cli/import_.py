"""``xunyi import``."""

from cli.exchange import import_ as command

__all__ = ["command"]
