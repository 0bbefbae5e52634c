"""Hosts of URLs, as provenance tells them and as lines are counted by."""

import polars as pl
import pytest

from manifests.hosts import host_of


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("HTTPS://North.Example/Page", "north.example"),
        ("http://name:word@north.example:8080/", "north.example"),
        ("ftp://north.example?q=http://south.example", "north.example"),
        ("north.example/page", None),
        ("file:///page", None),
        ("", None),
        (None, None),
    ],
)
def test_hosts(url: str | None, host: str | None) -> None:
    series = pl.Series("url", [url], pl.String)
    assert host_of(series).to_list() == [host]
    assert pl.DataFrame({"url": series}).select(host_of(pl.col("url"))).item() == host
