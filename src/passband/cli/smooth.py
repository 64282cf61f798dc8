"""`passband smooth`: kernel smoothing of a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from passband.checks import check_rho
from passband.cli import options
from passband.cli.console import print_json, print_lines, print_table, say
from passband.files import check_target, slug

if TYPE_CHECKING:
    import passband.kernels


def smooth(
    model: options.Model,
    *,
    rho: float,
    normalize: Annotated[bool, Parameter(negative="")] = False,
    layer: str = "first",
    model_options: options.ModelFlags = options.MODEL_DEFAULTS,
    size: options.Size = None,
    out: options.Out = None,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
) -> int:
    """Smooth the kernels of a model's first convolution, and write the model to a folder.

    Each weight gets rho times its eight neighbors added (Eq. 3 of the paper); nothing is trained. The folder is a MODEL
    for every other command.

    Args:
        rho: Strength: 0 changes nothing, the paper goes to 1.
        normalize: Divide by 1 + 8 rho, so that a constant image gets the same response as before.
        layer: Name of another convolution, such as features.0; by default the one that runs first.
    """
    check_rho(rho)
    if out is not None:
        check_target(out, overwrite=overwrite)
    from passband.kernels import NEIGHBORS, roughness
    from passband.models.smoothed import save_smoothed
    from passband.robustness.smoothing import find_convolution, smoothed

    say(f"Loading the model {model}")
    loaded = model_options.load(model, size)
    name, before = find_convolution(loaded, layer)
    changed = smoothed(loaded, rho, layer=name, normalize=normalize)
    folder = out or Path("smoothed") / slug(changed.name)
    check_target(folder, overwrite=overwrite)
    save_smoothed(changed, folder)

    _, after = find_convolution(changed, name)
    rough = {"before": roughness(before.weight), "after": roughness(after.weight)}
    gain = 1.0 if normalize else 1 + NEIGHBORS * rho
    if json:
        print_json(
            {
                "folder": str(folder),
                "model": changed.name,
                "layer": name,
                "rho": rho,
                "normalized": normalize,
                "gain": gain,
                "roughness": {when: number._asdict() for when, number in rough.items()},
            }
        )
        return 0
    height, width = before.kernel_size
    print_table(
        f"{loaded.name}: {name}, {before.out_channels} filters of {height}x{width}, "
        f"smoothed by {rho:g}{' and normalized' if normalize else ''}",
        ("Roughness", "Before", "After"),
        _rows(**rough),
        "Difference: mean squared difference of neighboring weights over their mean square. High frequency: share of "
        "the kernels' energy beyond half the Nyquist frequency.",
    )
    lines = [f"Response of this layer to a constant image: {gain:g} times as before (bias aside)"]
    if (height, width) == (1, 1):
        lines.append("Warning: a 1x1 kernel has no neighbors, so it was scaled and not smoothed")
    print_lines([*lines, f"Model: {folder}"])
    return 0


def _rows(
    before: passband.kernels.Roughness, after: passband.kernels.Roughness
) -> list[tuple[str, str, str]]:
    return [
        (what, f"{first:.3f}", f"{second:.3f}")
        for what, first, second in zip(("Difference", "High frequency"), before, after, strict=True)
    ]
