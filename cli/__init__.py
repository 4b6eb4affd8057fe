"""The command line: thin translations of options into calls of ``ingest`` and ``search``."""
