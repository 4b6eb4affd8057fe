"""Text to vectors. Nothing here knows of a store."""
