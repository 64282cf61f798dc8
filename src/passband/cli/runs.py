"""`passband runs`: what a store holds, one of its runs, what goes, and what is taken elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from passband.cli import options
from passband.cli.console import print_columns, print_json, print_lines, say, size
from passband.cli.run_lines import counted, entry_line, entry_plain, entry_status, entry_words, totals
from passband.errors import InputError, few
from passband.results.places import Store

if TYPE_CHECKING:
    import passband.results.listing

runs = App(name="runs", help="The runs of a store: those of studies, and those of `passband train`.")

At = Annotated[
    Path,
    Parameter(
        name="--store",
        help="Folder of all results, with `runs`, `measurements` and `studies` in it; that of `passband train` is `.` by default.",
    ),
]
Flag = Annotated[bool, Parameter(negative="")]
RESULTS = Path("results")
MANY = 20  # lines of what is to be removed


@runs.command(name="list")
def list_runs(
    *,
    measurements: Flag = False,
    failed: Flag = False,
    interrupted: Flag = False,
    data: str | None = None,
    model: str | None = None,
    study: str | None = None,
    store: At = RESULTS,
    json: options.Json = False,
) -> int:
    """List the runs and detectors of a store, the oldest first, one a line.

    This reads what describes them and looks whether their files are there; `passband runs show` reads all of their files.

    Args:
        measurements: List the measurements of finished runs instead.
        failed: Only those that failed: their loss was no longer finite.
        interrupted: Only those that were interrupted; the command that began them goes on with them.
        data: Only those on these data, such as mnist or phantom:shape=1,texture=0.
        model: Only those of this network, such as resnet8.
        study: Only those that the result of a study rests on: heuristics, or heuristics-laptop-mnist.
    """
    found, measured = _read(store)
    chosen = measured if measurements else found
    if not measurements:
        from passband.results.accuracy import with_accuracies

        chosen = with_accuracies(chosen)
    if study is not None:
        from passband.results.uses import find_uses, read_uses

        uses = find_uses(read_uses(Store(store)), study)
        chosen = [entry for entry in chosen if any(use.names(entry) for use in uses)]
    wanted = {"failed": failed, "interrupted": interrupted}
    statuses = {status for status, asked in wanted.items() if asked}
    chosen = [
        entry
        for entry in sorted(chosen, key=lambda entry: entry.changed)
        if (not statuses or entry.status in statuses)
        and (data is None or data in (entry.data, entry.description.get("data", {}).get("name")))
        and (model is None or entry.settings.get("model") == model)
    ]
    if json:
        print_json([entry_plain(entry) for entry in chosen])
        return 0
    rows = [entry_line(entry, measurements=measurements) for entry in chosen]
    head = ["id", "status", "test", "epochs", "seed", "size", "age", "data", "what"]
    if measurements:
        head = ["id", "status", "run", "size", "age", "data", "what"]
    print_columns(head, rows, numbers=("test", "epochs", "seed", "size", "age"))
    print_lines(["", *totals(chosen, "measurement" if measurements else "run")])
    return 0


@runs.command
def show(name: str, *, store: At = RESULTS, json: options.Json = False) -> int:
    """Show all that is known of a run, a detector or a measurement, and whether its files are whole.

    Args:
        name: Its id, or so much of the beginning that no other has it.
    """
    found, measured = _read(store)
    from passband.results.listing import find_entries

    (entry,) = find_entries([*found, *measured], [name])
    from passband.cli.run_words import run_lines, run_plain
    from passband.results.summary import summarize
    from passband.results.uses import read_uses

    summary = summarize(entry, measured, read_uses(Store(store)))
    if json:
        print_json(entry_plain(summary.entry) | run_plain(summary))
    else:
        print_lines(run_lines(summary))
    return 0


@runs.command
def remove(
    *names: str,
    failed: Flag = False,
    interrupted: Flag = False,
    unused: Flag = False,
    older: Flag = False,
    yes: Flag = False,
    store: At = RESULTS,
) -> int:
    """Remove runs with their measurements and curves, or measurements alone. What a process is making stays.

    The tables and figures of studies stay too, whatever they rest on.

    Args:
        names: Their ids, or so much of the beginnings that no others have them.
        failed: Those that failed: their loss was no longer finite.
        interrupted: What was interrupted: checkpoints, and what was measured of a measurement that is not whole.
        unused: Those that no study's result rests on, measurements of runs that are not there, and what killed processes have left.
        older: Those of an older version, which this one does not find again.
        yes: Remove them without asking.
    """
    if not (names or failed or interrupted or unused or older):
        raise InputError("say what to remove: ids, or --failed, --interrupted, --unused, --older")
    found, measured = _read(store)
    from passband.results.listing import find_entries
    from passband.results.removal import find_leftovers, find_unused, remove_entry, remove_leftovers
    from passband.results.uses import read_uses

    everything = [*found, *measured]
    uses = read_uses(Store(store))
    chosen = find_entries(everything, names)
    for entry in chosen:
        if entry.status == "running":
            raise InputError(f"{entry.name} cannot be removed: {entry.why}. Wait for it, or end it.")
    wanted = {"failed": failed, "interrupted": interrupted, "older": older}
    chosen += [entry for entry in everything if wanted.get(entry.status)]
    if unused:
        chosen += find_unused(Store(store), everything, uses)
    networks = {entry.id for entry in chosen if entry.kind != "measurement"}
    chosen += [m for m in measured if m.description.get("run") in networks and m.status != "running"]
    # Measurements first: what is left, if this is interrupted, has its run.
    chosen = sorted(
        {each.folder: each for each in chosen}.values(), key=lambda each: each.kind != "measurement"
    )
    left = find_leftovers(Store(store)) if unused else []
    if not chosen and not left:
        print_lines(["There is nothing to remove."])
        return 0
    named = sorted({use.study for use in uses for entry in chosen if use.names(entry)})
    lines = [
        f"  {entry.name}  {entry_status(entry)}  {size(entry.size)}  {entry_words(entry)}" for entry in chosen
    ]
    print_lines(
        [
            *lines[:MANY],
            *([f"  and {len(lines) - MANY:,} more"] if len(lines) > MANY else []),
            *([f"  what killed processes have left: {len(left):,} files and folders"] if left else []),
            *([f"Studies whose results rest on them, and stay: {few(named, 5)}"] if named else []),
            *totals(chosen, "result"),
        ]
    )
    if not yes and not _agreed("Remove them?"):
        print_lines(["Nothing was removed."])
        return 0
    freed, kept = 0, []
    for entry in chosen:
        why = remove_entry(Store(store), entry)
        if why is None:
            freed += entry.size
        else:
            kept.append(f"{entry.name} stays: {why}")
    if unused:
        remove_leftovers(Store(store))
    print_lines([f"Removed {len(chosen) - len(kept):,}, {size(freed)}.", *kept])
    return 0


@runs.command
def export(
    *names: str,
    study: str | None = None,
    weights: Flag = False,
    bare: Flag = False,
    without_pictures: Flag = False,
    out: Path,
    overwrite: options.Overwrite = False,
    store: At = RESULTS,
) -> int:
    """Write the rows of runs and of their measurements as one table, their networks as folders with a card, or all but networks.

    A table has the columns of all rows, what a study calls the run, and its settings as config.SETTING. The folder of a network
    is a MODEL, as that of a run is.

    Args:
        names: Ids of runs, or so much of the beginnings that no others have them; by default all that have ended.
        study: Those that the result of a study rests on: heuristics, or heuristics-laptop-mnist.
        weights: Write networks, not rows.
        bare: Write a store without networks, which is small: studies find in it all that they judge and draw.
        without_pictures: With --bare, leave out the images too that measurements keep as examples: for data that may not be passed on.
        out: File of the table, which ends in .parquet or .csv; with --weights or --bare a folder.
    """
    if names and study is not None:
        raise InputError("name runs or a study, not both")
    if weights and bare:
        raise InputError("--weights writes networks and --bare leaves them out: choose one")
    if without_pictures and not bare:
        raise InputError(
            "--without-pictures goes with --bare: nothing else that is exported holds images of the data"
        )
    from passband.files import check_target
    from passband.results.listing import find_entries

    found, measured = _read(store)
    labels: dict[str, str] = {}
    if study is not None:
        from passband.results.uses import find_uses, read_uses

        uses = find_uses(read_uses(Store(store)), study)
        chosen = [e for e in (*found, *measured) if any(use.names(e) for use in uses)]
        labels = {run: label for use in uses for run, label in use.runs.items()}
    else:
        chosen = find_entries([*found, *measured], names) if names else found
        networks = {entry.id for entry in chosen if entry.kind != "measurement"}
        chosen += [m for m in measured if m.description.get("run") in networks and m not in chosen]
    if not names:
        unended = [entry for entry in chosen if entry.status in ("interrupted", "running")]
        chosen = [entry for entry in chosen if entry not in unended]
        if unended:
            say(f"Left out, since they have not ended: {few([entry.name for entry in unended], 5)}")
    if weights:
        check_target(out, overwrite=overwrite)
        from passband.results.export import export_networks

        networks = [entry for entry in chosen if entry.kind != "measurement"]
        if not names:
            networks = [entry for entry in networks if entry.description.get("weights_hash")]
        export_networks(networks, out, overwrite=overwrite)
        print_lines([f"{counted(len(networks), 'network')}: {out}"])
        return 0
    if bare:
        from passband.results.export import export_without_weights

        export_without_weights(chosen, out, pictures=not without_pictures, overwrite=overwrite)
        print_lines([f"{counted(len(chosen), 'run or measurement', 'runs and measurements')}: {out}"])
        return 0
    from passband.results.export import check_file, gather_rows, write_rows

    check_file(out, overwrite=overwrite)
    table = gather_rows(chosen, labels, runs=found)
    write_rows(table, out, overwrite=overwrite)
    print_lines(
        [
            f"{counted(len(table), 'row')} of {counted(len(chosen), 'run or measurement', 'runs and measurements')}: {out}"
        ]
    )
    return 0


def _read(
    place: Path,
) -> tuple[list[passband.results.listing.Entry], list[passband.results.listing.Entry]]:
    """Return the runs and the measurements of a store."""
    from passband.results.listing import list_measurements
    from passband.results.listing import list_runs as find_runs

    store = Store(place)
    store.check()
    found = find_runs(store)
    return found, list_measurements(store, found)


def _agreed(question: str) -> bool:
    if not sys.stdin or not sys.stdin.isatty():
        raise InputError("nobody can be asked here whether to remove them: say --yes")
    print_lines([f"{question} [y/N]"])
    return sys.stdin.readline().strip().lower() in ("y", "yes")
