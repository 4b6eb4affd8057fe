"""Faces that stay running: HTTP, with a page and Prometheus metrics."""
