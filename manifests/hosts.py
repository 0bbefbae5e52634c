"""Hosts of URLs."""

from __future__ import annotations

from typing import TypeVar

import polars as pl

Url = TypeVar("Url", pl.Series, pl.Expr)

_HOST = r"^[a-z][a-z0-9+.-]*://(?:[^/?#@]*@)?([^/?#:]+)"


def host_of(url: Url) -> Url:
    """The host of URLs in small letters, without user and port; null where there is none."""
    return url.str.to_lowercase().str.extract(_HOST)
