"""Pages that passband writes: what they consist of, and how they open in a browser."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

HOSTILE = "</script><img src=x onerror=window.hacked=1>'\"{{7*7}}<b>"
"""A name that would do harm in a page that did not escape it."""

VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(HTMLParser):
    """What a page consists of: its tags with attributes, its text, its charts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.charts: list[dict[str, Any]] = []
        self.feed(text)
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["script"]:
            self.text += data
        elif self.tags[-1][1].get("type") == "application/json":
            self.charts.append(json.loads(data))

    def all(self, *names: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in names]


def read(path: Path) -> Page:
    """Return what a page consists of."""
    return Page(path.read_text(encoding="utf-8"))


def faults(browser, path: Path, width: int = 1280, scheme: str = "light") -> list[tuple[str, list[str]]]:
    """Return what axe-core finds to be hard to use on a page, and where."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    tab = browser.new_page(
        viewport={"width": width, "height": 844},
        color_scheme=scheme,
        bypass_csp=True,
        reduced_motion="reduce",
    )
    tab.goto(path.as_uri())
    tab.wait_for_function(
        "document.querySelectorAll('.stage').length === document.querySelectorAll('.stage.vega-embed svg').length"
    )
    found = axe.run(tab).response["violations"]
    tab.close()
    return [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in found]


def opened(browser, path, width: int, **options) -> tuple[Any, list[str], list[str]]:
    """Open a page; return it, the addresses that it asked for, and what it complained about."""
    tab = browser.new_page(viewport={"width": width, "height": 844}, **options)
    requests: list[str] = []
    complaints: list[str] = []
    tab.on("request", lambda request: requests.append(request.url))
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.goto(path.as_uri())
    return tab, requests, complaints
