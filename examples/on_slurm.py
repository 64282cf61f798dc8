"""Each study on a node of its own, by Slurm, through submitit (`pip install submitit`).

python examples/on_slurm.py heuristics label-shuffle --preset laptop --store /shared/results --workers 16 --partition cpu
python examples/on_slurm.py batch-size --store results --cluster local     # without Slurm: processes of this computer
"""

import argparse
from pathlib import Path

import submitit

import passband as pb
from passband.report.studies import verdict_text


class Job(submitit.helpers.Checkpointable):
    """A study on one node. When its time is over, or it is preempted, it is queued again, and goes on from its runs' last epochs."""

    def __call__(self, study: str, **settings: object) -> list[str]:
        """Make what the store does not hold, and return what became of the study's claims."""
        (result,) = pb.run_studies(study, **settings)
        pb.write_study(result)
        failed = [f"{what}: {why}" for what, why in result.failures.items()]
        return failed + [f"{each.claim.quoted}: {verdict_text(each)}" for each in result.judgements]


def main() -> None:
    """Submit the studies, wait for them, and say what they came to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("studies", nargs="+")
    parser.add_argument("--preset", default="smoke")
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--store", type=Path, default=Path("results"), help="a folder that all nodes see")
    parser.add_argument("--workers", type=int, default=2, help="runs at a time on a node")
    parser.add_argument("--gpus", type=int, default=0, help="of each node")
    parser.add_argument("--hours", type=float, default=4)
    parser.add_argument("--partition")
    parser.add_argument("--cluster", help="slurm, local or debug; by default slurm, where there is one")
    asked = parser.parse_args()
    store = asked.store.absolute()
    executor = submitit.AutoExecutor(folder=store / "slurm" / "%j", cluster=asked.cluster)
    executor.update_parameters(
        name="passband",
        nodes=1,
        tasks_per_node=1,
        cpus_per_task=asked.workers,
        gpus_per_node=asked.gpus,
        timeout_min=int(60 * asked.hours),
    )
    if asked.partition:
        executor.update_parameters(slurm_partition=asked.partition)
    jobs = {
        study: executor.submit(
            Job(), study, preset=asked.preset, data=asked.data, store=store, workers=asked.workers
        )
        for study in asked.studies
    }
    for study, job in jobs.items():
        print(study, *job.result(), sep="\n  ")


if __name__ == "__main__":
    main()
