"""Vectors and payloads to and from Qdrant: embedded, or a server."""
