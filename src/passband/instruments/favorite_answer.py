"""Whether a network that is lost always says the same: how often it names the class that it names most."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from passband.analysis.contrast import Term
from passband.analysis.figure import Curve, Figure, Panel
from passband.instruments.catalog import INSTRUMENTS
from passband.instruments.components import Answers, ComponentAccuracy
from passband.instruments.instrument import Cost, Instrument, Reading, Subject
from passband.rows import ComponentRow


@dataclass(frozen=True, eq=False)
class FoundFavorites(Reading):
    """The answers in which they were found."""

    answers: Answers

    def rows(self) -> Iterator[ComponentRow]:
        """Yield the share of the answers that are the most frequent one, of each component; `class` is which one it is."""
        subject = self.answers.subject
        for component, predictions in zip(self.answers.shown, self.answers.predictions, strict=True):
            named = torch.bincount(predictions, minlength=len(subject.dataset.classes))
            for class_name in (None, subject.dataset.classes[int(named.argmax())]):
                yield ComponentRow(
                    **subject.cells,
                    component=component,
                    amplitude=self.answers.amplitude,
                    metric=FavoriteAnswer.name,
                    value=named.max().item() / len(predictions),
                    count=len(predictions),
                    class_name=class_name,
                )

    def figure(self) -> Figure:
        """Return the share by radius: 1 where one answer is given to everything."""
        subject = self.answers.subject
        curves = (
            Curve(
                kind.upper(),
                kind,
                term=Term(subject.run, subject.dataset.subset, kind, metric=FavoriteAnswer.name),
                along="radius",
            )
            for kind in ("lfc", "hfc")
        )
        return Figure(
            ((Panel("The most frequent answer", tuple(curves), x="radius", y="share of all answers"),),)
        )


@dataclass(frozen=True)
class FavoriteAnswer(Instrument[FoundFavorites]):
    """How often the most frequent answer is given to each component."""

    name, summary, source, needs_gradient = INSTRUMENTS.lines["favorite-answer"]

    def cost(self, samples: int, size: tuple[int, int]) -> Cost:
        """Return what the answers cost."""
        return ComponentAccuracy().cost(samples, size)

    def builds_on(self, size: tuple[int, int]) -> ComponentAccuracy:
        """Return the instrument whose answers it counts."""
        return ComponentAccuracy()

    def sharded(self, subject: Subject) -> tuple[Instrument, ...]:
        """Return what the answers are read from."""
        return ComponentAccuracy().sharded(subject)

    def measure(self, subject: Subject) -> FoundFavorites:
        """Ask the network, if that was not done yet."""
        return FoundFavorites(subject.read(ComponentAccuracy()))
