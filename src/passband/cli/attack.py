"""`passband attack`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from passband.attacks.epsilon import write_epsilon
from passband.cli import options
from passband.cli.console import percent, print_json, print_lines, print_table, progress_bars, say
from passband.cli.engines import SHARD_DEFAULTS, ShardFlags
from passband.files import check_target, remove_unfinished, slug, written_whole

if TYPE_CHECKING:
    import passband.audit.card

NORMS = {"linf": "L-infinity", "l2": "L2"}


def attack(
    model: options.Model,
    data: options.Data,
    *,
    attack_options: options.AttackFlags = options.ATTACK_DEFAULTS,
    model_options: options.ModelFlags = options.MODEL_DEFAULTS,
    data_options: options.DataFlags = options.DATA_DEFAULTS,
    shard_options: ShardFlags = SHARD_DEFAULTS,
    size: options.Size = None,
    save: Annotated[bool, Parameter(negative="")] = False,
    report: bool = True,
    out: options.Out = None,
    overwrite: options.Overwrite = False,
    batch_size: options.BatchSize = None,
    device: options.Device = "auto",
    seed: options.Seed = 0,
    json: options.Json = False,
) -> int:
    """Attack a model, and say what is left of its accuracy, which frequencies the attack used, and whether to believe it.

    Without --attack it is PGD. Writes attack.json, rows.parquet, samples.parquet, pictures.safetensors,
    attack.html and figures to one folder, and prints a table. What was seen is kept beside the folder until it is written: killed, the
    same command goes on from there.

    Args:
        save: Write all adversarial images, unrounded, to adversarial.npz.
        report: Write attack.html and figures.
    """
    attack_options.measures(default=("pgd",))
    shard_options.check()
    if out is not None:
        check_target(out, overwrite=overwrite)
    if report:
        options.check_report_extra()
    from passband.audit.attack import measure_robustness
    from passband.report.page import write_attack_report

    plans = attack_options.plans(default=("pgd",))
    loading = options.Loading(
        model=model, data=data, size=size, model_options=model_options, data_options=data_options
    )
    loaded, dataset = loading.here()
    folder = out or Path("attacks") / slug(f"{loaded.name}-on-{dataset.name}")
    check_target(folder, overwrite=overwrite)

    elsewhere = loading.shared_out(shard_options.here)
    with progress_bars() as progress, shard_options.ahead(elsewhere) as ahead:
        found = measure_robustness(
            loaded,
            dataset,
            plans,
            keep_images=save,
            batch_size=batch_size,
            device=device,
            seed=seed,
            result_folder=folder,
            progress=progress,
            ahead=ahead,
        )
    say("Writing the report" if report else "Writing the results")
    with written_whole(folder) as aside:
        found.save(aside)
        if report:
            write_attack_report(found, aside)
    remove_unfinished(folder)

    if json:
        print_json({"folder": str(folder), **found.card.to_dict()})
    else:
        print_attacks(found.card)
        clean, majority = found.card.clean.accuracy, found.card.baselines.majority
        print_lines(
            [
                f"Clean accuracy {percent(clean)}; majority class {100 * majority:.1f}",
                *sanity_lines(found.card),
                *map(str, found.card.notices),
                f"{'Report' if report else 'Results'}: {folder / ('attack.html' if report else 'attack.json')}",
            ]
        )
    return 0


def print_attacks(card: passband.audit.card.AttackedCard) -> None:
    """Print what each attack left, a line an attack and epsilon."""
    norms = {attack.norm for attack in card.attacks}
    print_table(
        f"{card.model.name} on {card.data.name} under attack ({card.data.subset}, "
        f"{max(attack.samples for attack in card.attacks)} images), in percent [95% interval]",
        ("Attack", "Epsilon", "Robust accuracy"),
        [
            (
                attack.label,
                f"{write_epsilon(point.epsilon)} {NORMS[attack.norm]}",
                percent(point.accuracy),
            )
            for attack in card.attacks
            for point in attack.points
        ],
        None if norms != {"linf"} else "Epsilon: the most by which any pixel may change, from 0 to 1.",
    )


def sanity_lines(card: passband.audit.card.AttackedCard) -> list[str]:
    """Return what the sanity report says: each failed check as a warning, or that all of them passed."""
    lines = []
    for attack in card.attacks:
        failed = [finding for finding in attack.findings if not finding.passed]
        lines += [f"Warning ({attack.label}): {finding.message}" for finding in failed]
        if attack.findings and not failed:
            lines.append(f"Sanity of {attack.label}: all {len(attack.findings)} checks passed")
    return lines
