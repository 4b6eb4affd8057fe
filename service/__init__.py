"""Faces that stay running."""
