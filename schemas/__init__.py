"""Plain data that every layer shares: documents, spaces, manifests, requests, hits, errors.

This package does no I/O and imports no other layer.
"""
