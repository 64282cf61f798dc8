"""`passband reproduce`: all studies of the paper by one command, and one page of what came of them."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from passband.cli import options
from passband.cli.console import duration, print_json, print_lines, print_table, say
from passband.cli.engines import ENGINE_DEFAULTS, EngineFlags
from passband.cli.study import DEFAULTS, Flags, check_made
from passband.cli.trackers import TRACK_DEFAULTS, TrackFlags
from passband.invocation import command_line
from passband.studies.catalog import STUDIES

if TYPE_CHECKING:
    import passband.studies.budget
    import passband.studies.reproduction

LAPTOP = replace(DEFAULTS, preset="laptop")


def reproduce(
    *,
    study_options: Flags = LAPTOP,
    out: options.Out = None,
    detection_data: str | None = None,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    engine_options: EngineFlags = ENGINE_DEFAULTS,
    track_options: TrackFlags = TRACK_DEFAULTS,
    device: options.Device = "auto",
    json: options.Json = False,
) -> int:
    """Rerun the paper: all of its figures and tables, and what they say about each of its claims, on one page.

    Runs that several studies share are made once. Stopped at any moment, the same command goes on from there. Results are in
    STORE/studies, the page in STORE/reproductions/PRESET-DATA.

    Args:
        out: Folder of the page, replaced if it is there.
        detection_data: Images with boxes for the preset paper, such as coco:FOLDER; without them it leaves detection out.
        dry_run: Only say which runs there are, which are shared, and what they will cost: time and memory here, hours of a GPU.
    """
    engine_options.check()
    if not dry_run:
        options.check_report_extra()
    from passband.studies.reproduction import Reproduction, plan_reproduction, reproduction_folder

    engine = engine_options.open()
    engine.devices(device)
    say(f"Loading the data {study_options.data}")
    planned, left_out = plan_reproduction(
        list(STUDIES), detection_data=detection_data, **asdict(study_options)
    )
    if left_out:
        say(f"Left out: {', '.join(left_out)}, which wants images with boxes: --detection-data coco:FOLDER")
    if dry_run:
        from passband.studies.budget import plan_budget

        say("Timing a few steps of each kind")
        with engine:
            budget = plan_budget(planned, engine=engine, device=device, threads=engine_options.threads)
        if json:
            print_json(asdict(budget))
        else:
            _print_budget(budget, engine.at_once)
        return 0
    from passband.cli.live import choose_watch
    from passband.engine.watch import Watches
    from passband.report.reproduction import write_reproduction
    from passband.report.studies import write_study
    from passband.studies.result import conclude, describe_claims
    from passband.studies.run import do_studies
    from passband.tracking.trackers import Trackers

    watch = Watches([choose_watch(), Trackers(track_options.open(), say)])
    began, command = time.monotonic(), command_line() or ""
    ended = do_studies(planned, engine=engine, device=device, threads=engine_options.threads, watch=watch)
    say("Deciding the claims, and drawing the figures")
    results = tuple(conclude(study, ended) for study in planned)
    for result in results:
        write_study(result, command=command)
    made = sum(one.status == "done" for one in ended.values())
    found = Reproduction(
        results, command=command, made=made, seconds=time.monotonic() - began, left_out=left_out
    )
    page = write_reproduction(found, out or reproduction_folder(study_options.store, planned))
    if json:
        claims = {result.planned.study.name: describe_claims(result) for result in results}
        print_json({"page": str(page), "claims": claims})
    else:
        _print_found(found, page)
    check_made(results)
    return 0


def _print_budget(budget: passband.studies.budget.Budget, workers: int) -> None:
    print_table(
        "Studies",
        ("study", "runs", "shared", "measurements", "alone"),
        [
            (each.study, str(each.runs), str(each.shared), str(each.measurements), duration(each.seconds))
            for each in budget.shares
        ],
        "Shared runs are those that another study has too; they are made once.",
    )
    at_once = f"{workers} at a time" if workers > 1 else "one after the other"
    lines = [
        "",
        f"In all {budget.runs} runs and {budget.measurements} measurements of finished networks, of which the store holds {budget.held}.",
        f"Time here: {duration(budget.wall)} with {at_once} at best, from a few real steps, each alone on the machine; "
        f"{duration(budget.seconds)} one after the other.",
    ]
    if budget.memory is not None:
        each = budget.memory / 2**30
        lines.append(
            f"Memory: {each:.2f} GiB a process, {each * workers:.2f} GiB for {workers}, from a real step of the largest network."
        )
    gpu = budget.gpu
    lines.append(
        f"Arithmetic: {budget.flops:.2g} floating-point operations, detectors aside. One {gpu.name} would take about "
        f"{budget.gpu_seconds / 3600:.2g} GPU hours for them, if it is as fast as when it trained {gpu.network} on {gpu.images_per_second:,.0f} images "
        f"a second, and takes no less than {1000 * gpu.seconds_a_step:g} ms a step; one run at a time."
    )
    print_lines(lines)


def _print_found(found: passband.studies.reproduction.Reproduction, page: Path) -> None:
    counts = found.counts
    print_table(
        "What became of the claims",
        ("study", *found.VERDICTS),
        [
            (name, *(str(of_study[verdict] or "") for verdict in found.VERDICTS))
            for name, of_study in counts.items()
        ],
    )
    failures = [f"{what} failed: {why}" for result in found.results for what, why in result.failures.items()]
    print_lines([*dict.fromkeys(failures), found.sentence(), f"Page: {page}"])
