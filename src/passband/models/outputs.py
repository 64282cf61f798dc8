"""Which of several outputs of a program holds the logits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from passband.errors import InputError
from passband.notices import Notice

LOGITS = ("logits", "logit", "scores", "output", "out")
"""What the output of a classifier is called, if it is called anything."""


@dataclass(frozen=True)
class Output:
    """One output, as its program describes it.

    Attributes:
        name: What it is called.
        kind: Its type, in words.
        real: Whether it holds floating-point numbers.
        shape: Its sizes; what is no number may vary.
    """

    name: str
    kind: str
    real: bool
    shape: Sequence[object]

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.name} ({self.kind}, {' x '.join(map(str, self.shape)) or 'one number'})"


def choose_output(
    outputs: Sequence[Output], wanted: str | None, program: str
) -> tuple[int, tuple[Notice, ...]]:
    """Return the number of the output that holds the logits, and what must be known of the choice.

    Of several, that called `logits` (or as logits are called) is taken, else the only one that could be: floating-point
    numbers, one row an image. Of those that have the same number of columns the first is taken, with a warning.

    Args:
        outputs: All of them, in order.
        wanted: The name that the user gave.
        program: The program's file, for messages.

    Raises:
        InputError: If there is no such output, or it cannot be told.
    """
    advice = "Choose it with --output-name (output_name=...)."
    listed = f"{len(outputs)}: {', '.join(map(str, outputs)) or 'nothing'}"
    if wanted is not None:
        for number, output in enumerate(outputs):
            if output.name == wanted:
                return number, ()
        raise InputError(f"{program} has no output named {wanted!r}; it returns {listed}")
    if len(outputs) == 1 and outputs[0].real:
        return 0, ()
    possible = [n for n, output in enumerate(outputs) if output.real and len(output.shape) in (2, 4)]
    if not possible:
        raise InputError(
            f"{program} must return floating-point logits, one row an image; it returns {listed}"
        )
    named = [n for known in LOGITS for n in possible if outputs[n].name.casefold() == known]
    chosen = (named or possible)[0]
    others = ", ".join(output.name for n, output in enumerate(outputs) if n != chosen)
    message = f"of {len(outputs)} outputs of {program}, {outputs[chosen].name!r} is taken for the logits, not {others}"
    if named or len(possible) == 1:
        return chosen, (Notice("model", message, warning=False),)
    if len({tuple(map(str, outputs[n].shape[1:])) for n in possible}) > 1:
        raise InputError(
            f"it cannot be told which output of {program} holds the logits; it returns {listed}. {advice}"
        )
    return chosen, (Notice("model", f"{message}. {advice}"),)
