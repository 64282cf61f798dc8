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
    *,
    out: options.Out = None,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
) -> int:
    """Make the page and figures again from what is on disk, without model or data.

    Args:
        folder: Folder of `passband audit`, `passband attack`, `passband detect`, `passband spectrum` or `passband compare`.
        out: Folder to write the page and figures to; by default they replace those in FOLDER.
    """
    kind = _kind(folder)
    check_target(out or folder, overwrite=overwrite or out is None)
    options.check_report_extra()
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
            lambda found, aside: write_comparison(found, aside, found.requirements),
        ),
        "spectrum.json": (lambda found: read_tensors(found / PICTURES, DataSpectrum), write_spectrum_report),
    }
    load, write = ways[kind]
    say(f"Loading {folder}")
    found = load(folder)
    say("Writing the report")
    with _target(folder, out, PAGES[kind]) as aside:
        write(found, aside)
    page = (out or folder) / PAGES[kind]
    if json:
        print_json({"report": str(page)})
    else:
        print_lines([f"Report: {page}"])
    return 0


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
    raise InputError(
        f"{folder} has none of {', '.join(PAGES)}: give the folder that `passband audit`, `attack`, `detect`, `spectrum` or "
        "`compare` wrote."
    )


def _target(folder: Path, out: Path | None, page: str) -> AbstractContextManager[Path]:
    return amended(folder, without=("figures", page)) if out is None else written_whole(out)
