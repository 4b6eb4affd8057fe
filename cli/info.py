"""``xunyi info``: ``xunyi corpora info`` by its short name."""

from cli.corpora import info as command

__all__ = ["command"]
