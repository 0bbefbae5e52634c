"""The real language model for tests, from the package that ships it."""

from tests.language_weights import language_weights

__all__ = ["language_weights"]
