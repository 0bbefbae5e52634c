"""Fixtures of the stages' tests."""

from tests.language_weights import language_weights

__all__ = ["language_weights"]
