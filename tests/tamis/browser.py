"""A real browser for tests of pages: headless Chromium, one start for all questions."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from html import unescape
from pathlib import Path
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--allow-file-access-from-files",
    "--virtual-time-budget=60000",
    "--dump-dom",
)
_ROOM = """<!doctype html>
<meta charset="utf-8">
%(frames)s
<pre id="told"></pre>
<script>
const questions = {%(questions)s};
const pause = () => new Promise((done) => setTimeout(done, 50));
(async () => {
  const told = {};
  for (const [name, ask] of Object.entries(questions)) {
    const frame = document.getElementById(name);
    while (!frame.contentDocument?.getElementById("check")) await pause();
    const page = frame.contentDocument;
    told[name] = JSON.parse(page.getElementById("check").textContent);
    told[name].answer = await ask(page, frame.contentWindow, pause);
  }
  document.getElementById("told").textContent = JSON.stringify(told);
})();
</script>
"""


def find_browser() -> str:
    """Chromium's path; the test skips where there is none."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip(f"no browser to look at the page with: install {_NAMES[0]}")
    return found


def look_at(folder: Path, page: Path, questions: Mapping[str, tuple[str, int, str]]) -> Any:
    """What a page says of itself (``?check``), and the answers to questions, by name.

    A question is a query, the width of the window in pixels, and the body of an asynchronous
    JavaScript function of ``page``, ``view`` (its window) and ``pause``; it returns the answer.
    """
    frames = "\n".join(
        f'<iframe id="{name}" src="{page.as_uri()}?{query}" width="{width}" height="800"></iframe>'
        for name, (query, width, _) in questions.items()
    )
    asked = ",\n".join(
        f"{json.dumps(name)}: async (page, view, pause) => {{ {body} }}"
        for name, (_, _, body) in questions.items()
    )
    room = folder / "room.html"
    room.write_text(_ROOM % {"frames": frames, "questions": asked})
    shown = subprocess.run(
        [find_browser(), *_FLAGS, f"--user-data-dir={folder / 'profile'}", room.as_uri()],
        capture_output=True,
        timeout=120,
        check=True,
    ).stdout.decode()
    found = re.search(r'<pre id="told">(.+?)</pre>', shown, re.DOTALL)
    assert found is not None, "the page's script did not come to its end"
    return json.loads(unescape(found[1]))
