"""Final answers of mathematical solutions: found in a text, compared, and put to the vote.

Comparing is math-verify's work, which knows fractions, roots, sets, intervals and percent; it is
done in processes that can be killed. What needs no algebra (plain numbers, words, times of day) is
compared here, exactly and without a process.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction

from stages.closing import Closing
from stages.synthesize.answer_worker import READY, RIGHT, UNREADABLE, WRONG
from stages.worker_process import OUT_OF_MEMORY

TIMEOUT = "timeout"
"""The comparison took more time than it may, or ended its process for want of memory."""

LONGEST = 500
"""Characters of a final answer that are read; a longer one is ``unreadable``."""

_DIGITS = r"(?:\d{1,3}(?:,\d{3})+|\d+)"
_NUMERAL = rf"[-+−]?[$€£]?(?:{_DIGITS}(?:\.\d+)?|\.\d+)"
_NUMBER = re.compile(rf"(?<![\w.]){_NUMERAL}(?:/\d+)?%?")
_PLAIN = re.compile(rf"({_NUMERAL})\.?(?:/([1-9]\d*))?")
_AMOUNT = re.compile(rf"({_NUMERAL}(?:/\d+)?)\s+(?!(?:sin|cos|tan|log)\b)[A-Za-z]{{3,}}[A-Za-z ]*")
_MARK = re.compile(r"(?:####|\b(?:A|[Aa]nswer)\s*:|\b[Aa]nswer\s+is\b:?)[ \t]*([^\n]+)")
_TEXT = re.compile(r"[^\W\d_]{3,}(?: [^\W\d_]+)*|\d+:\d\d(?::\d\d)?")
_FRAMES = (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"), ("**", "**"))

# math-verify rounds decimals to six places; numbers nearer than this are left to it.
_CLEARLY_APART = Fraction(1, 10_000)

_BOOT = "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); "
_BOOT += "from stages.synthesize.answer_worker import main; main()"
_EXTERNAL = (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGHUP)


def final_answer(text: str) -> str | None:
    """The final answer that a solution states, or None.

    In this order: the last ``\\boxed{…}``; what follows the last ``####``, ``A:``, ``Answer:`` or
    ``answer is`` on its line, without a unit in words; the last number.
    """
    boxed = _last_boxed(text)
    if boxed is not None:
        return _unframed(boxed)
    marked = _MARK.findall(text)
    if marked:
        return _unframed(re.split(r"\.(?:\s|$)", marked[-1], maxsplit=1)[0])
    numbers = _NUMBER.findall(text)
    return _unframed(numbers[-1]) if numbers else None


def _last_boxed(text: str) -> str | None:
    """What stands in the braces of the last ``\\boxed``, or None without one that is closed."""
    begin = text.rfind("\\boxed{") + len("\\boxed{")
    if begin < len("\\boxed{"):
        return None
    depth = 1
    for place in range(begin, len(text)):
        depth += (text[place] == "{") - (text[place] == "}")
        if depth == 0:
            return text[begin:place]
    return None


def _unframed(answer: str) -> str | None:
    """An answer without the marks of LaTeX or Markdown around it and the unit after it; None when
    nothing is left."""
    bare = answer.strip()
    for opening, closing in _FRAMES:
        if len(bare) > len(opening + closing) and bare.endswith(closing):
            bare = bare.removeprefix(opening).removesuffix(closing).strip()
    bare = bare.rstrip(".").strip()
    amount = _AMOUNT.fullmatch(bare)
    return (amount[1] if amount else bare) or None


def plain_number(answer: str) -> Fraction | None:
    """The value of an answer that is written as an integer, decimal or fraction, with a sign, a
    currency or commas between thousands; None for everything else."""
    found = _PLAIN.fullmatch(answer.strip())
    if found is None:
        return None
    digits = found[1].replace("−", "-").translate({ord(mark): None for mark in "$€£,"})
    return Fraction(digits) / int(found[2] or 1)


def compare_plainly(gold: str, answer: str) -> str | None:
    """The verdict on two answers that need no algebra; None when it takes math-verify."""
    if max(len(gold), len(answer)) > LONGEST:
        return UNREADABLE
    if gold.strip() == answer.strip():
        return RIGHT
    numbers = plain_number(gold), plain_number(answer)
    if numbers[0] is not None and numbers[1] is not None:
        apart = abs(numbers[0] - numbers[1])
        if apart == 0:
            return RIGHT
        return WRONG if apart > _CLEARLY_APART * (1 + abs(numbers[0])) else None
    if _TEXT.fullmatch(gold.strip()):
        return RIGHT if gold.strip().casefold() == answer.strip().casefold() else WRONG
    return None


class AnswerChecker(Closing):
    """A context manager over processes that run math-verify; they start when first needed.

    ``seconds`` is CPU time a comparison, so that a busy machine changes no verdict (ten times as
    much real time ends it too); ``memory_bytes`` the address space of a process. May be used from
    any thread, by one at a time.
    """

    def __init__(
        self, workers: int = 1, seconds: float = 3.0, memory_bytes: int = 2_000_000_000
    ) -> None:
        self._workers = [_Worker(seconds, memory_bytes) for _ in range(workers)]

    def close(self) -> None:
        """Ends the processes."""
        for worker in self._workers:
            worker.stop()

    def check(self, pairs: Sequence[tuple[str, str]]) -> list[str]:
        """The verdict on each pair of known answer and answer given: ``right``, ``wrong``,
        ``unreadable`` (no mathematics) or ``timeout``.

        Raises RuntimeError when a process is killed from outside twice over one pair.
        """
        verdicts = [compare_plainly(gold, answer) for gold, answer in pairs]
        hard = [index for index, verdict in enumerate(verdicts) if verdict is None]
        count = len(self._workers)
        shares = [[pairs[index] for index in hard[start::count]] for start in range(count)]
        with ThreadPoolExecutor(count) as threads:
            compared = list(threads.map(_Worker.compare, self._workers, shares))
        for start, found in enumerate(compared):
            for index, verdict in zip(hard[start::count], found, strict=True):
                verdicts[index] = verdict
        return [verdict or UNREADABLE for verdict in verdicts]


class _Worker:
    """One process, restarted after each comparison that ends it."""

    def __init__(self, seconds: float, memory_bytes: int) -> None:
        self._settings = json.dumps({"seconds": seconds, "memory_bytes": memory_bytes})
        self._process: subprocess.Popen[str] | None = None

    def compare(self, pairs: Sequence[tuple[str, str]]) -> list[str]:
        """The verdicts on pairs, one after the other."""
        return [self._compare_one(pair) for pair in pairs]

    def _compare_one(self, pair: tuple[str, str]) -> str:
        """The verdict on a pair. Only the time limit counts at once: any other death may be due to
        the pairs before, so the pair gets a process of its own."""
        verdict, status = self._ask(pair)
        if verdict is None and status not in (-signal.SIGPROF, -signal.SIGALRM):
            verdict, status = self._ask(pair)
        if verdict is not None:
            return verdict
        if status in _EXTERNAL:
            raise RuntimeError(
                f"the process that compares answers was killed with"
                f" {signal.Signals(-status).name} twice over {pair}, by the kernel or a person."
                " Free memory or use fewer workers, then run the same command again."
            )
        return (
            TIMEOUT if status in (-signal.SIGPROF, -signal.SIGALRM, OUT_OF_MEMORY) else UNREADABLE
        )

    def _ask(self, pair: tuple[str, str]) -> tuple[str | None, int]:
        """The verdict, or None and the exit status of the process that died over the pair."""
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(pair) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if line.endswith("\n"):
            return line.strip(), 0
        status = process.wait()
        self.stop()
        return None, status

    def _running(self) -> subprocess.Popen[str]:
        """The process, started when there is none. Raises RuntimeError when it does not start."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _BOOT, self._settings, json.dumps(sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            assert self._process.stdout is not None
            if self._process.stdout.readline() != READY:
                status = self._process.wait()
                self.stop()
                raise RuntimeError(
                    f"the process that compares answers did not start (status {status})."
                    " `python -m stages.synthesize.answer_worker` with the settings"
                    f" '{self._settings}' shows why."
                )
        return self._process

    def stop(self) -> None:
        """Kills the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


@dataclass(frozen=True)
class Vote:
    """Answers to one problem, grouped by equivalence."""

    groups: tuple[tuple[int, ...], ...]
    """Indices of answers, largest group first, then by first index; no group for None."""
    share: float
    """Size of the first group over the number of all answers, None included; 0 without groups."""
    answer: str | None
    """The winning answer as its first voter wrote it; None when nobody has a sufficient share."""

    @property
    def winners(self) -> tuple[int, ...]:
        """Indices of the answers that won."""
        return self.groups[0] if self.answer is not None else ()


def majority(answers: Sequence[str | None], checker: AnswerChecker, min_share: float) -> Vote:
    """The answer that most samples agree on (self-consistency, Wang et al., arXiv 2203.11171).

    An answer joins the first group whose first member it equals. The largest group wins when it
    holds at least ``min_share`` of all samples and no other group is as large.
    """
    groups: list[list[int]] = []
    for index, answer in enumerate(answers):
        if answer is None:
            continue
        pairs = [(str(answers[group[0]]), answer) for group in groups]
        verdicts = checker.check(pairs)
        if RIGHT in verdicts:
            groups[verdicts.index(RIGHT)].append(index)
        else:
            groups.append([index])
    groups.sort(key=lambda group: (-len(group), group[0]))
    share = len(groups[0]) / len(answers) if groups else 0.0
    tied = len(groups) > 1 and len(groups[1]) == len(groups[0])
    wins = bool(groups) and share >= min_share and not tied
    return Vote(
        tuple(tuple(group) for group in groups),
        share,
        answers[groups[0][0]] if wins else None,
    )
