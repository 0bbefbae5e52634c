"""The report on a large corpus: how long it takes to make, how big it is, how fast it opens.

    python -m benchmarks.report --rows 1000000

A workspace is made up (``benchmarks.report_corpus``). The page is then made in a process of its own
and opened in headless Chromium, served from memory by this machine; times are those of the page's
own clock, from the start of loading: the text is painted, the first chart is drawn, all charts are
drawn (a reader has only those near the window drawn).
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from benchmarks.report_corpus import write_corpus
from benchmarks.usage import run_measured

Json = Any
RUNS = 5
"""Times that the page is opened; the fastest counts, since other work can only slow it."""

_FRAME = b"""<!doctype html><iframe id="page" src="/page?check" width="1280" height="800"></iframe>
<script>
const look = () => {
  const told = document.getElementById("page").contentDocument?.getElementById("check");
  if (told) fetch("/told", { method: "POST", body: told.textContent });
  else setTimeout(look, 20);
};
look();
</script>"""


def opened(page: bytes) -> Json:
    """What the page says of its opening in a browser that has never seen it."""
    told: list[Json] = []
    done = threading.Event()

    class Served(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(page if self.path.startswith("/page") else _FRAME)

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            told.append(json.loads(self.rfile.read(length)))
            self.send_response(204)
            self.end_headers()
            done.set()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        raise SystemExit("there is no Chromium to open the page in: install chromium.")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Served)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory(prefix="tamis-browser-") as profile:
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
        place = f"http://127.0.0.1:{server.server_port}/"
        process = subprocess.Popen(
            [browser, *flags, "--remote-debugging-port=0", "--window-size=1300,900", place],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            if not done.wait(120):
                raise SystemExit("the page did not come to its end within 120 s.")
        finally:
            process.terminate()
            process.wait()
            server.shutdown()
            time.sleep(0.5)  # its children are still writing into the profile
    return told[0]


def main() -> None:
    """Makes the corpus, the page, opens it, and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path("build/report"))
    options = parser.parse_args()
    shutil.rmtree(options.folder, ignore_errors=True)
    begun = time.perf_counter()
    text_bytes = write_corpus(options.folder, options.rows)
    manifest = options.folder / "manifest.json"
    print(
        f"{options.rows:,} documents, {text_bytes / 1e6:,.0f} MB of text, manifest"
        f" {manifest.stat().st_size / 1e6:.1f} MB: made up in {time.perf_counter() - begun:.1f} s"
    )
    place = options.folder / "report.html"
    begun = time.perf_counter()
    memory = run_measured(["-m", "tamis", "report", str(options.folder), "--out", str(place)])
    seconds = time.perf_counter() - begun
    print(
        f"page of {place.stat().st_size / 1e6:.2f} MB made in {seconds:.1f} s,"
        f" {memory.own / 1e6:,.0f} MB of memory"
    )
    runs = [opened(place.read_bytes()) for _ in range(RUNS)]
    if any(run["faults"] for run in runs):
        sys.exit(f"the page has faults: {runs[0]['faults']}")
    fastest = min(runs, key=lambda run: run["first"])
    print(", ".join(f"{told} after {fastest[name]:,.0f} ms" for name, told in TIMES.items()))


TIMES = {
    "paint": "text painted",
    "first": "first chart drawn",
    "ready": "all charts drawn",
}

if __name__ == "__main__":
    main()
