"""Where the work of a command is done, and how much of it at a time: options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from cyclopts import Parameter

from passband.checks import check_at_least_one, check_workers
from passband.errors import InputError

if TYPE_CHECKING:
    import passband.audit.detector
    import passband.audit.kept
    import passband.engine.engine
    import passband.engine.scenes
    import passband.engine.shard_group


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """Where work is done.

    Attributes:
        workers: Processes at a time: 2 here where nothing is said, and on a cluster as many as its nodes have room for.
        threads: Threads of each; they decide how sums are rounded.
        engine: local (processes of this computer) or ray (a Ray cluster).
        address: The Ray cluster, HOST:PORT or auto; by default one is started that is this computer alone.
        gpus: GPUs of the Ray cluster that each process takes: 0.25 lets four share one.
        shared: A path or URL, such as s3://bucket/folder, through which results come back from nodes that do not see the store.
    """

    workers: int | None = None
    threads: int = 1
    engine: Literal["local", "ray"] = "local"
    address: str | None = None
    gpus: float = 0
    shared: str | None = None

    usual: ClassVar[int] = 2
    """Processes of this computer at a time, where nothing is said."""

    @property
    def here(self) -> int:
        """How many processes of this computer there are at a time."""
        return self.usual if self.workers is None else self.workers

    def check(self) -> None:
        """Refuse impossible numbers, and what only a cluster has, before anything heavy is imported.

        Raises:
            InputError: If there is no worker, or no thread, or the engine does not have what is asked for.
        """
        check_workers(self.here)
        check_at_least_one("threads", self.threads)
        for name in ("address", "gpus", "shared"):
            if getattr(self, name) and self.engine != "ray":
                raise InputError(f"--{name} is of a Ray cluster: add --engine ray")

    def open(self) -> passband.engine.engine.Engine:
        """Return the engine, which is to be closed."""
        if self.engine == "ray":
            from passband.engine.cluster import Cluster

            return Cluster(
                self.address, at_once=self.workers, threads=self.threads, gpus=self.gpus, shared=self.shared
            )
        from passband.engine.local import Local

        return Local(self.here)


@dataclass(frozen=True, kw_only=True)
class ShardOptions(EngineOptions):
    """Where the shards of an audit are looked at.

    Attributes:
        workers: Processes that look at images side by side, each GPU its own where there are several; with 1, this one alone does. On a
            cluster as many as its nodes have room for, where nothing is said.
        threads: Threads of each where there are several.
    """

    usual: ClassVar[int] = 1

    @property
    def alone(self) -> bool:
        """Whether this process looks at all images itself."""
        return self.here == 1 and self.engine == "local"

    def check(self) -> None:
        """Refuse impossible numbers, and threads of processes that there are not.

        Raises:
            InputError: As `EngineOptions`, or if threads are given to this process.
        """
        super().check()
        if self.alone and self.threads != 1:
            raise InputError(
                f"--threads {self.threads} is for several processes: give --workers too, or OMP_NUM_THREADS for this one"
            )

    @contextmanager
    def ahead(self, load: passband.engine.shard_group.Load) -> Generator[passband.audit.kept.Ahead | None]:
        """Yield what looks at shards ahead of an audit of the model and data that `load` loads; None where this process does."""
        if self.alone:
            yield None
            return
        from passband.engine.shards import side_by_side

        with self.open() as engine:
            yield side_by_side(engine, load=load, threads=self.threads)

    @contextmanager
    def ahead_of_detector(
        self, load: passband.engine.scenes.LoadDetector, device: str
    ) -> Generator[Callable[[passband.audit.detector.Detecting], None] | None]:
        """Yield the same for the images of a detector that `load` loads."""
        if self.alone:
            yield None
            return
        from passband.engine.scenes import detect_side_by_side

        with self.open() as engine:
            yield detect_side_by_side(engine, load, device=device, threads=self.threads)


ENGINE_DEFAULTS = EngineOptions()
EngineFlags = Annotated[EngineOptions, Parameter(name="*")]
SHARD_DEFAULTS = ShardOptions()
ShardFlags = Annotated[ShardOptions, Parameter(name="*")]
