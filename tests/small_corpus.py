"""A small real corpus for end-to-end tests: the standard library's own documentation and source.

Written anew by each test session from files of the running Python, with planted near-duplicates,
exact copies, a benchmark problem inside a document, and damaged records.
"""

from __future__ import annotations

import gzip
import inspect
import json
import re
import statistics
import textwrap
from html import escape
from pathlib import Path
from pydoc_data.topics import topics
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

LIBRARY = Path(inspect.__file__).parent
MODULES = ("bisect", "calendar", "colorsys", "difflib", "fnmatch", "fractions", "graphlib", "heapq")
FOREIGN = {
    "de": "Die Bibliothek stellt Funktionen bereit, mit denen sich Texte lesen und schreiben"
    " lassen. Wer eine Datei öffnet, sollte sie am Ende schließen, damit nichts verloren geht.",
    "fr": "La bibliothèque fournit des fonctions qui permettent de lire et d'écrire des textes."
    " Celui qui ouvre un fichier devrait le refermer à la fin, pour que rien ne soit perdu.",
    "ru": "Библиотека предоставляет функции, с помощью которых можно читать и записывать тексты."
    " Тот, кто открывает файл, должен закрыть его в конце, чтобы ничего не пропало.",
    "ja": "このライブラリは、テキストを読み書きするための関数を提供します。"
    "ファイルを開いた人は、何も失われないように、最後に閉じるべきです。",
}


def write_small_corpus(folder: Path, language_model: Path, judge: Path | None = None) -> Path:
    """Writes raw files, a benchmark and a recipe under ``folder``; returns the recipe's path. With
    a ``judge`` (a Hugging Face folder) documents are judged; the trainer takes five steps."""
    raw = folder / "raw"
    raw.mkdir(parents=True)
    names = sorted(name for name in topics if len(topics[name]) > 1500)
    _write_docs(raw / "docs.jsonl.gz", names)
    _write_web(raw / "web.warc.gz", names[:12])
    _write_math(raw / "math.parquet")
    _write_code(raw / "code")
    _write_benchmark(folder / "problems.jsonl.gz")
    recipe = folder / "small.yaml"
    recipe.write_text(yaml.safe_dump(_recipe(language_model, judge), sort_keys=False))
    return recipe


def _recipe(language_model: Path, judge: Path | None) -> dict[str, Any]:
    settings = {"sample_size": 24, "max_tokens": 32, "chunk": 16, "threads": 1}
    return {
        "name": "small",
        "ingest": {"part_bytes": 200_000, "task_bytes": 200_000},
        "sources": [
            {"name": "docs", "path": "raw/docs.jsonl.gz"},
            {"name": "web", "path": "raw/web.warc.gz"},
            {"name": "math", "path": "raw/math.parquet"},
            {"name": "code", "path": "raw/code"},
        ],
        "stages": {
            "kind": None,
            "language": {"model": str(language_model)},
            "heuristics": {
                "rules": {"prose": ["gopher_quality"]},
                "thresholds": {"prose": {"gopher_quality.alphabetic_words": 0.5}},
            },
            "exact_dedupe": None,
            "near_dedupe": None,
            "quality": {"judge": {"model": str(judge), **settings} if judge else None},
            "domain": None,
            "decontaminate": {"benchmarks": {"humaneval": {"path": "problems.jsonl.gz"}}},
            "tokenize": {"vocabulary_size": 1024, "train_bytes": 400_000},
            "balance": None,
            "shard": {"shard_tokens": 100_000},
            "train": {
                "steps": 5,
                "sequence_length": 64,
                "batch_size": 2,
                "width": 32,
                "layers": 1,
                "heads": 2,
                "kv_heads": 1,
                "mlp_width": 64,
                "held_out_min_tokens": 1024,
                "held_out_max_tokens": 2048,
                "threads": 1,
            },
        },
    }


def problem(module: ModuleType, name: str) -> tuple[str, str]:
    """A function of the library cut into a prompt (signature, docstring) and a solution."""
    source = textwrap.dedent(inspect.getsource(getattr(module, name)))
    end = source.index('"""', source.index('"""') + 3) + 3
    return source[:end] + "\n", source[end:]


def problems() -> list[tuple[str, str, str]]:
    """Three benchmark items: name, prompt, solution."""
    return [(name, *problem(statistics, name)) for name in ("median", "quantiles", "covariance")]


def _write_docs(path: Path, names: list[str]) -> None:
    records: list[dict[str, str]] = []
    for name in names:
        text = topics[name].strip()
        records.append({"text": text, "url": f"https://docs.example/{name}", "topic": name})
        if name in names[::6]:
            words = text.split(" ")
            words[3 :: max(40, len(words) // 6)] = ["otherwise"] * len(
                words[3 :: max(40, len(words) // 6)]
            )
            records.append({"text": " ".join(words), "topic": f"{name}-edited"})
    records += [records[1], records[2]]
    name, prompt, solution = problems()[0]
    preface = topics["functions" if "functions" in topics else names[0]].strip()[:1500]
    records.append({"text": f"{preface}\n\nA problem:\n\n{prompt}{solution}", "topic": "planted"})
    records += [{"text": f"{text} {text}", "language": code} for code, text in FOREIGN.items()]
    lines = [json.dumps(record, ensure_ascii=False) for record in records]
    lines.insert(5, '{"text": "cut in the mid')
    lines.insert(9, '{"title": "no text here"}')
    path.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode(), mtime=0))


def _write_web(path: Path, names: list[str]) -> None:
    members = []
    for name in names:
        paragraphs = "".join(
            f"<p>{escape(part)}</p>" for part in re.split(r"\n\n+", topics[name].strip())
        )
        page = (
            f"<html><head><title>{name}</title></head><body><nav><a href='/'>Home</a>"
            f"<a href='/index'>Index</a></nav><main><h1>About {name}</h1>{paragraphs}</main>"
            "<footer>All rights reserved. Cookies.</footer></body></html>"
        )
        head = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
        payload = head.encode() + page.encode()
        headers = (
            "WARC/1.1\r\nWARC-Type: response\r\n"
            f"WARC-Record-ID: <urn:topic:{name}>\r\n"
            f"WARC-Target-URI: https://web.example/{name}\r\n"
            "WARC-Date: 2026-01-01T00:00:00Z\r\n"
            "Content-Type: application/http; msgtype=response\r\n"
            f"Content-Length: {len(payload)}\r\n\r\n"
        )
        members.append(gzip.compress(headers.encode() + payload + b"\r\n\r\n", mtime=0))
    path.write_bytes(b"".join(members))


def _write_math(path: Path) -> None:
    texts = []
    for n in range(2, 14):
        texts.append(
            f"Theorem {n}. Let $p_{n}$ be a polynomial of degree {n} over a field $F$. Then"
            f" $p_{n}$ has at most {n} roots in $F$.\n\nProof. We argue by induction on the degree."
            f" If $\\alpha$ is a root, then $p_{n}(x) = (x - \\alpha) q(x)$ with"
            f" $\\deg q = {n - 1}$, and by the hypothesis $q$ has at most ${n - 1}$ roots."
            f" Hence $p_{n}$ has at most $1 + {n - 1} = {n}$ roots. In particular"
            f" $$\\sum_{{k=0}}^{{{n}}} \\binom{{{n}}}{{k}} = {2**n}, \\qquad"
            f" \\int_0^1 x^{{{n}}}\\,dx = \\frac{{1}}{{{n + 1}}}.$$\n\nExample. For $n = {n}$ the"
            f" sum of the first {n} squares is ${n * (n + 1) * (2 * n + 1) // 6}$."
        )
    pq.write_table(pa.table({"text": texts, "id": list(range(len(texts)))}), path)


def _write_code(folder: Path) -> None:
    folder.mkdir()
    for name in MODULES:
        (folder / f"{name}.py").write_bytes((LIBRARY / f"{name}.py").read_bytes())
    (folder / "latin1.txt").write_bytes("caf\xe9 ".encode("latin-1") * 20)


def _write_benchmark(path: Path) -> None:
    lines = [
        json.dumps(
            {
                "task_id": f"HumanEval/{index}",
                "prompt": prompt,
                "canonical_solution": solution,
                "entry_point": name,
                "test": f"assert {name}",
            }
        )
        for index, (name, prompt, solution) in enumerate(problems())
    ]
    path.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode(), mtime=0))
