"""Deduplication: documents that are the same (``exact``) and nearly the same (``near``)."""
