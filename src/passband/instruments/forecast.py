"""How long instruments will look at a network, known before they start: a few real answers and gradients, and arithmetic."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial

import torch

from passband.attacks import fgsm
from passband.data.batches import Samples, batches, choose_batch_size
from passband.environment import choose_device
from passband.frequency.component import FULL, Component
from passband.instruments.components import ComponentAccuracy, show
from passband.instruments.instrument import GRADIENT, Cost, Instrument, Subject
from passband.models.pixels import evaluating

SHORT = 10.0
"""Seconds that nobody needs to be told of."""

TIMED = 0.4
"""Seconds that answers, and gradients, are timed for, about."""


def forecast(
    subject: Subject, answers: ComponentAccuracy, asked: Sequence[tuple[str, Instrument]]
) -> dict[str, float]:
    """Return the seconds that instruments will take, about.

    The network answers to one image after a warm-up. Where that says that all takes more than ten seconds, it is timed again,
    for less than a second, with as many images as are shown at a time; its gradient too, where one will be asked for. What
    instruments ask for is what they say themselves: see `Instrument.cost`. Work without the network is not counted.

    Nothing is left changed: neither modes, nor statistics, nor what is drawn at random afterwards.

    Args:
        subject: The network, and the samples that `answers` asks about.
        answers: Shows components in the way that is timed; the other instruments look at as many samples as it does.
        asked: Instruments and what they are to be called. Several that build on the same answers cost them once, the first.

    Returns:
        Seconds by name; nothing where all of it takes less than ten seconds.
    """
    size, count = subject.dataset.size, len(subject.samples)
    evaluated, seen = answers.enough(count), set[Instrument]()
    costs: list[tuple[str, Cost]] = []
    for name, instrument in asked:
        source = instrument.builds_on(size).resolved(size)
        if source not in seen:
            costs.append((name, instrument.cost(evaluated, size)))
            seen.add(source)
    place = choose_device(subject.device)
    subject.model.to(place)
    most = min(choose_batch_size(subject.batch_size, subject.dataset, place), evaluated)
    devices = [place] if place.type == "cuda" else []
    with torch.random.fork_rng(devices):
        one = _first(subject, 1, place)
        answer = partial(_answer, subject, answers, size)
        answer(one)  # warms up
        slow = answer(one)
        if sum(cost.in_answers for _, cost in costs) * slow < SHORT:
            return {}
        several = _first(subject, max(1, min(most, int(TIMED / slow))), place)
        an_answer = _median(partial(answer, several))
        a_gradient = 0.0
        if any(cost.gradients for _, cost in costs):
            several = _first(subject, max(1, min(most, int(TIMED / (GRADIENT * an_answer)))), place)
            a_gradient = _median(partial(_gradient, subject, several))
    seconds = dict.fromkeys((name for name, _ in costs), 0.0)
    for name, cost in costs:
        seconds[name] += cost.answers * an_answer + cost.gradients * a_gradient
    return seconds if sum(seconds.values()) >= SHORT else {}


def _first(subject: Subject, count: int, place: torch.device) -> Samples:
    order = subject.samples[:count]
    return next(batches(subject.dataset, batch_size=count, device=place, order=order))


def _answer(
    subject: Subject, instrument: ComponentAccuracy, size: tuple[int, int], samples: Samples
) -> float:
    """Return the seconds that one answer takes, with the making of the component that it is to."""
    _, *parts = instrument.shown(size)
    lows, highs = parts[: len(parts) // 2], parts[len(parts) // 2 :]
    shown: tuple[Component, ...] = (FULL, lows[len(lows) // 2], highs[len(highs) // 2])
    start = time.perf_counter()
    with evaluating(subject.model):
        _, _, loss, _ = show(
            subject.model, samples, shown, instrument.amplitude, len(subject.dataset.classes)
        )
        loss.sum().item()  # waits for the device
    return (time.perf_counter() - start) / (len(shown) * len(samples.labels))


def _gradient(subject: Subject, samples: Samples) -> float:
    """Return the seconds that one gradient with respect to an image takes."""
    start = time.perf_counter()
    fgsm(subject.model, samples.images, samples.labels, 1 / 255).sum().item()
    return (time.perf_counter() - start) / len(samples.labels)


def _median(timed: Callable[[], float]) -> float:
    """Return the median of what is timed again and again, once at least."""
    taken, start = [], time.perf_counter()
    while not taken or time.perf_counter() - start < TIMED:
        taken.append(timed())
    return statistics.median(taken)
