"""Settings of synthetic code."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from pipeline.stage import StageConfig, file_setting, setting
from stages.synthesize.config import GeneratorConfig, SamplingConfig
from stages.synthesize.diversity import DiversityConfig
from stages.synthesize.reward_config import RewardConfig
from stages.synthesize.sandbox import Limits

IMPLEMENT, TESTS, TASK = "implement", "tests", "task"


class FunctionSeedsConfig(StageConfig):
    """Functions of the corpus: pure ones with docstrings, whose answers can be tested."""

    sources: tuple[str, ...] = setting((), about="Sources to look in; empty: all of them")
    count: int = setting(1000, about="Functions, chosen by a hash of document and name", ge=1)
    make: tuple[Literal["implement", "tests"], ...] = setting(
        (IMPLEMENT, TESTS),
        about="What is asked for each: the function anew from its signature and docstring (checked"
        " against the answers of the original), or tests for it as it is",
        min_length=1,
    )
    max_lines: int = setting(40, about="Lines of a function at most", ge=2)
    seed: int = setting(0, about="Another number chooses other functions", ge=0)


class TaskFileConfig(StageConfig):
    """A file of tasks: JSON lines, .gz or not, with ``task`` (what the function does) and, where
    they are known, ``name`` (what it is called) and ``tests`` (a list of assertions)."""

    path: str = file_setting(about="JSON lines, .gz or not")
    count: int | None = setting(None, about="Tasks taken, from the first on; null: all", ge=1)


class CodeTestsConfig(StageConfig):
    """When tests are good enough."""

    count: int = setting(6, about="Assertions of a document", ge=1)
    min_own: int = setting(
        1,
        about="Assertions that the model must have written right where it wrote the tests, or where"
        " nothing else says what is right",
        ge=0,
    )
    mutants: int = setting(8, about="Changed versions that are run against the tests", ge=1)
    min_killed: float = setting(
        0.5,
        about="Share of them that must fail; some compute the same as the original, so 1 asks too"
        " much",
        ge=0.0,
        le=1.0,
    )


class SandboxConfig(StageConfig):
    """Where programs run, and what each may use."""

    weakest: Literal["bubblewrap", "landlock", "limits"] = setting(
        "landlock",
        about="The weakest level that is accepted (docs/sandbox.md); `limits` has no walls at all",
    )
    seconds: float = setting(
        3.0,
        about="CPU time of one program, in whole seconds; in real time it may take four times that",
        gt=0.0,
    )
    memory_bytes: int = setting(512 << 20, about="Address space of one program", ge=64 << 20)

    @property
    def limits(self) -> Limits:
        """The same for one program. CPU time is the measure; real time only ends what sleeps."""
        cpu = max(1, round(self.seconds))
        return Limits(seconds=4 * self.seconds, cpu_seconds=cpu, memory_bytes=self.memory_bytes)


class CodeConfig(StageConfig):
    """Settings of synthetic code."""

    generator: GeneratorConfig = setting(about="The model that writes")
    sampling: SamplingConfig = setting(SamplingConfig(), about="How programs are drawn")
    n: int = setting(2, about="Samples of each request", ge=1)
    seeds: FunctionSeedsConfig | None = setting(None, about="Functions of the corpus")
    tasks: TaskFileConfig | None = setting(None, about="Tasks of a file")
    tests: CodeTestsConfig = setting(CodeTestsConfig(), about="When tests are good enough")
    sandbox: SandboxConfig = setting(SandboxConfig(), about="Where programs run")
    reward: RewardConfig | None = setting(
        None, about="The reward model that chooses among verified samples; null keeps them all"
    )
    diversity: DiversityConfig = setting(DiversityConfig(), about="What is too near, or too much")
    part_bytes: int = setting(
        128_000_000, about="A documents part is closed when its text reaches this size", ge=1
    )

    @model_validator(mode="after")
    def _something_to_start_from(self) -> Self:
        if not (self.seeds or self.tasks):
            raise ValueError(
                "there is nothing to start from. Give `seeds` or `tasks`: `seeds: {sources:"
                " [code]}` takes functions of the corpus."
            )
        if self.reward and self.reward.model is None:
            raise ValueError(
                "reward.model is missing: the reward model that is trained here knows arithmetic"
                " only. Name one that knows code, or take `reward` out."
            )
        return self
