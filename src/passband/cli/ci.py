"""Requirements for whoever reads them by machine: JUnit XML, and annotations of GitHub."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from passband.errors import InputError
from passband.files import write_file

if TYPE_CHECKING:
    import passband.audit.gate

NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def check_junit(path: Path | None, requirements: Sequence[object]) -> None:
    """Refuse a file of results that could not be written, before the work that gives them.

    Raises:
        InputError: If there is no requirement whose result it would hold, it is a folder, or its folder cannot be written.
    """
    if path is None:
        return
    if not requirements:
        raise InputError(
            "--junit holds what became of requirements, and there is none. Add --require 'clean >= 0.8'."
        )
    if path.is_dir():
        raise InputError(f"{path} is a folder. Give --junit a file, such as {path / 'passband.xml'}.")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise InputError(f"cannot write to {path.parent}. Choose another --junit.")


def write_junit(path: Path, suite: str, checked: Sequence[passband.audit.gate.Checked]) -> None:
    """Write one testcase a requirement, whole or not at all; a file that is there already is replaced.

    Args:
        path: The file.
        suite: What was held against the requirements, for people.
        checked: What became of each.
    """
    failed = sum(not each.met for each in checked)
    counts = {"tests": str(len(checked)), "failures": str(failed), "errors": "0", "skipped": "0"}
    root = ElementTree.Element("testsuites", counts)
    element = ElementTree.SubElement(root, "testsuite", {"name": _allowed(suite)} | counts)
    for each in checked:
        names = {"classname": _allowed(suite), "name": _allowed(each.requirement.text)}
        case = ElementTree.SubElement(element, "testcase", names)
        said = _allowed(f"{each.requirement.text}: {each.detail}")
        if each.met:
            ElementTree.SubElement(case, "system-out").text = said
        else:
            about = {"type": "requirement", "message": said}
            ElementTree.SubElement(case, "failure", about).text = said
    ElementTree.indent(root)
    write_file(path, ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def annotate(suite: str, checked: Sequence[passband.audit.gate.Checked], *, json: bool) -> None:
    """Print an annotation for each requirement that is not met, where this is a workflow of GitHub.

    GitHub reads them from either stream: where standard output is JSON, they go to standard error.
    """
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return
    for each in checked:
        if not each.met:
            title = _escaped(f"{suite}: {each.requirement.text}").replace(":", "%3A").replace(",", "%2C")
            line = f"::error title={title}::{_escaped(f'not met: {each.detail}')}"
            print(line, file=sys.stderr if json else sys.stdout)


def _allowed(text: str) -> str:
    """Return text without what XML has no letters for."""
    return NOT_IN_XML.sub("\ufffd", text)


def _escaped(text: str) -> str:
    """Return text as GitHub's commands hold it."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
