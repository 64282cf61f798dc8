"""`passband report`: a page again, from what is on disk."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from passband.choices import COMPARISON
from passband.cli import options
from passband.cli.console import print_json, print_lines, say
from passband.errors import InputError
from passband.files import amended, check_target, written_whole

PAGES = {
    "card.json": "report.html",
    "attack.json": "attack.html",
    "detection.json": "detection.html",
    "spectrum.json": "spectrum.html",
    COMPARISON: "comparison.html",
}
"""What a folder's page is called, by the file that shows what kind of folder it is."""


def report(
    folder: Path,
    /,
    *folders: Path,
    out: options.Out = None,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
) -> int:
    """Make pages and figures again from what is on disk, without model or data.

    Args:
        folder: Folder of `passband audit`, `passband attack`, `passband detect`, `passband spectrum` or `passband compare`.
        folders: More of them.
        out: Folder to write the page and figures of one folder to; by default they replace those that are there.
    """
    every = (folder, *folders)
    if out is not None and folders:
        raise InputError(f"--out takes the page of one folder, got {len(every)}. Leave it out, or give one.")
    kinds = [_kind(each) for each in every]  # all of them before any is written
    check_target(out or folder, overwrite=overwrite or out is None)
    options.check_report_extra()
    pages = [_write(each, kind, out) for each, kind in zip(every, kinds, strict=True)]
    if json:
        print_json({"reports": list(map(str, pages))})
    else:
        print_lines([f"Report: {page}" for page in pages])
    return 0


def _write(folder: Path, kind: str, out: Path | None) -> Path:
    """Make a folder's page and figures again, and return the page."""
    from passband.audit.attack import RobustnessAudit
    from passband.audit.classifier import Audit
    from passband.audit.detector import DetectorAudit
    from passband.audit.pictures import PICTURES
    from passband.audit.saved_comparison import SavedComparison
    from passband.instruments.spectrum import DataSpectrum
    from passband.report.comparison import write_comparison
    from passband.report.detector import write_detector_report
    from passband.report.page import write_attack_report, write_report, write_spectrum_report
    from passband.serial import read_tensors

    ways: dict[str, tuple[Callable[[Path], Any], Callable[[Any, Path], Path]]] = {
        "card.json": (Audit.load, write_report),
        "attack.json": (RobustnessAudit.load, write_attack_report),
        "detection.json": (DetectorAudit.load, write_detector_report),
        COMPARISON: (
            SavedComparison.load,
            lambda found, aside: write_comparison(found, aside, found.requirements, command=found.command),
        ),
        "spectrum.json": (lambda found: read_tensors(found / PICTURES, DataSpectrum), write_spectrum_report),
    }
    load, write_page = ways[kind]
    say(f"Loading {folder}")
    found = load(folder)
    say("Writing the report")
    with _target(folder, out, PAGES[kind]) as aside:
        write_page(found, aside)
    return (out or folder) / PAGES[kind]


def _kind(folder: Path) -> str:
    """Return which of the files in `PAGES` a folder has.

    Raises:
        InputError: If it is no folder, or holds nothing that can be reported.
    """
    for name in PAGES:
        if (folder / name).is_file():
            return name
    if not folder.is_dir():
        raise InputError(f"no folder {folder}")
    if (folder / "study.md").is_file():
        raise InputError(
            f"{folder} is of a study, whose page `passband study run` makes again from its store, in seconds once that holds its runs."
        )
    raise InputError(
        f"{folder} has none of {', '.join(PAGES)}: give the folder that `passband audit`, `attack`, `detect`, `spectrum` or "
        "`compare` wrote."
    )


def _target(folder: Path, out: Path | None, page: str) -> AbstractContextManager[Path]:
    return amended(folder, without=("figures", page)) if out is None else written_whole(out)
