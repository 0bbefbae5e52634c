"""Synthesis: documents that a model writes, verified, judged by a reward model, with provenance."""
