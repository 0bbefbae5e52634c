"""Sandboxes of both levels; a level that this machine cannot have skips its tests, and says why."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from stages.synthesize.sandbox import Sandbox, SandboxError
from stages.synthesize.sandboxed.syscalls import landlock_version
from stages.synthesize.self_test import find_sandbox


@pytest.fixture(scope="session", params=["bubblewrap", "landlock"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A sandbox of each level in turn."""
    level = request.param
    if level == "bubblewrap" and shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed (apt-get install bubblewrap)")
    if level == "landlock" and landlock_version() == 0:
        pytest.skip("this kernel has no Landlock")
    with Sandbox(level) as opened:
        try:
            opened.run("pass")
        except SandboxError as error:
            pytest.skip(f"this machine permits no namespaces: {error}")
        yield opened


@pytest.fixture(scope="session")
def strong_sandbox() -> Iterator[Sandbox]:
    """The strongest sandbox that this machine can have, for tests of what is built on it."""
    try:
        found = find_sandbox()
    except SandboxError as error:
        pytest.skip(str(error))
    with found:
        yield found
