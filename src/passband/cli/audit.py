"""`passband audit` and `passband compare`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from passband.audit.detector_requirement import parse_detector_requirement
from passband.audit.requirement import check_planned, parse_drop, parse_requirement
from passband.choices import COMPARISON, DETECTION, Amplitude, Search
from passband.cli import options
from passband.cli.attack import print_attacks, sanity_lines
from passband.cli.ci import annotate, check_junit, write_junit
from passband.cli.console import duration, percent, print_json, print_lines, print_table, progress_bars, say
from passband.cli.engines import SHARD_DEFAULTS, ShardFlags
from passband.errors import InputError
from passband.files import check_target, remove_unfinished, slug, write_json, written_whole
from passband.instruments.catalog import INSTRUMENTS
from passband.invocation import command_line

if TYPE_CHECKING:
    import passband.audit.card
    import passband.audit.classifier
    import passband.audit.compare
    import passband.audit.gate
    import passband.instruments.instrument


def audit(
    model: options.Model,
    data: options.Data,
    *,
    model_options: options.ModelFlags = options.MODEL_DEFAULTS,
    data_options: options.DataFlags = options.DATA_DEFAULTS,
    attack_options: options.AttackFlags = options.ATTACK_DEFAULTS,
    shard_options: ShardFlags = SHARD_DEFAULTS,
    attack_samples: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    size: options.Size = None,
    radii: Annotated[
        list[float] | None, Parameter(consume_multiple=True, negative="", validator=Number(gte=0))
    ] = None,
    amplitude: Amplitude = "max",
    precision: Annotated[float | None, Parameter(validator=Number(gt=0, lt=1))] = None,
    ceiling: Search = "bounded",
    ceiling_samples: Annotated[int | None, Parameter(validator=Number(gte=0))] = None,
    with_instruments: Annotated[
        list[str] | None, Parameter(name="--with", consume_multiple=True, negative="")
    ] = None,
    require: options.Require = None,
    junit: options.Junit = None,
    report: bool = True,
    out: options.Out = None,
    overwrite: options.Overwrite = False,
    batch_size: options.BatchSize = None,
    device: options.Device = "auto",
    seed: options.Seed = 0,
    json: options.Json = False,
) -> int:
    """Measure which spatial frequencies a model uses, and write a frequency card and a report.

    Writes card.json, rows.parquet, samples.parquet, counterexamples.parquet, attacks.parquet, pictures.safetensors,
    report.html and figures to one folder, and prints a table. With --attack and --epsilon the model is attacked as
    well. The exit code is 1 if a requirement is not met. What was seen is kept beside the folder until it is written: killed, the same
    command goes on from there.

    Args:
        attack_samples: Images to attack; by default all that are evaluated.
        radii: Cut-offs in cycles per image, such as --radii 4 8 12 16; by default about eight, chosen from the size.
        amplitude: What is done to a component before the model sees it: nothing (raw), clip to [0, 1] (clip), divide
            by its maximum (max), stretch to [0, 1] (minmax), or match the image's root mean square (rms).
        precision: Use so many random images that every 95% interval is narrower than this, such as 0.05; by default all.
        ceiling: How Corollary 1's ceiling is looked for: at the radii and by halving between two of them (bounded), or at
            every whole radius (exact), the slowest part on large images.
        ceiling_samples: Images for the ceiling, drawn by the seed from those evaluated; by default 100 where it is bounded, all
            where it is exact; 0 for none.
        with_instruments: Other instruments to look at the model with, such as --with kernels rings:rings=6,equal=energy;
            `passband instruments` lists them, and `passband instruments NAME` what can be set.
        require: A requirement for continuous integration, such as 'lfc@8 >= 0.6', 'clean >= 0.8', or 'clean >= 0.8 at 95%' of its
            interval; may be repeated.
        report: Write report.html and figures.
    """
    attacked = attack_options.measures()
    if attack_samples is not None and not attacked:
        raise InputError(
            "--attack-samples bounds an attack, and none is asked for. Add --attack pgd --epsilon 8/255."
        )
    for text in with_instruments or []:
        INSTRUMENTS.check(text.partition(":")[0])
    requirements = [parse_requirement(text) for text in require or []]
    for requirement in requirements:
        check_planned(requirement, attacked, ceiling=ceiling_samples != 0)
    check_junit(junit, requirements)
    shard_options.check()
    if out is not None:
        check_target(out, overwrite=overwrite)
    if report:
        options.check_report_extra()
    from passband.audit.classifier import audit as run_audit
    from passband.report.page import write_report

    plans = attack_options.plans(samples=attack_samples)
    instruments = _instruments(with_instruments or [])
    loading = options.Loading(
        model=model, data=data, size=size, model_options=model_options, data_options=data_options
    )
    loaded, dataset = loading.here()
    folder = out or Path("audits") / slug(f"{loaded.name}-{dataset.name}")
    check_target(folder, overwrite=overwrite)

    elsewhere = loading.shared_out(shard_options.here)
    with progress_bars() as progress, shard_options.ahead(elsewhere) as ahead:
        found = run_audit(
            loaded,
            dataset,
            radii=radii,
            attacks=plans,
            amplitude=amplitude,
            precision=precision,
            ceiling=ceiling,
            ceiling_samples=ceiling_samples,
            instruments=instruments,
            require=require or (),
            batch_size=batch_size,
            device=device,
            seed=seed,
            result_folder=folder,
            progress=progress,
            expect=partial(_say_expected, alone=shard_options.alone),
            ahead=ahead,
        )
    checked = [found.check(r.text) for r in requirements]
    say("Writing the report" if report else "Writing the card")
    with written_whole(folder) as aside:
        found.save(aside)
        if report:
            write_report(found, aside)
    remove_unfinished(folder)

    suite = f"{found.card.model.name} on {found.card.data.name}"
    if junit is not None:
        write_junit(junit, suite, checked)
    if json:
        print_json(
            {
                "folder": str(folder),
                "card": found.card.to_dict(),
                "requirements": [each.to_dict() for each in checked],
            }
        )
    else:
        _print_audit(found)
        if plans:
            print_attacks(found.card)
            print_lines(sanity_lines(found.card))
        print_lines(list(map(str, checked)))
        print_lines(
            [f"{'Report' if report else 'Card'}: {folder / ('report.html' if report else 'card.json')}"]
        )
    annotate(suite, checked, json=json)
    return 0 if all(each.met for each in checked) else 1


def compare(
    first: Path,
    /,
    *others: Path,
    any_preparation: Annotated[bool, Parameter(negative="")] = False,
    require: options.Require = None,
    junit: options.Junit = None,
    report: bool = True,
    out: options.Out = None,
    overwrite: options.Overwrite = False,
    seed: options.Seed = 0,
    json: options.Json = False,
) -> int:
    """Show audits side by side, of classifiers or of detectors, with paired tests where they saw the same images.

    Each is compared with the first one. The exit code is 1 if one of them does not meet a requirement.

    Args:
        first: Folder or card of the audit to compare with.
        others: Folders or cards of the audits in question, one or more.
        any_preparation: Compare also audits whose pictures were resized or cropped in different ways.
        require: A requirement on what is lost from the first to each other one, such as 'clean-drop <= 0.01', or
            'lfc@8-drop <= 0.02 at 95%' of its interval; may be repeated.
        report: Write comparison.html and figures.
        out: Folder to write comparison.json, the page and its figures to; by default nothing is written.
    """
    audits = (first, *others)
    if not others:
        raise InputError(f"at least two audits are compared, got {first} alone")
    of_detectors = {path: _is_of_detector(path) for path in audits}
    if len(set(of_detectors.values())) > 1:
        other = next(path for path in others if of_detectors[path] != of_detectors[first])
        raise InputError(f"one of {first} and {other} is the audit of a detector, and the other is not")
    if report and out is not None:
        options.check_report_extra()
    texts = require or []
    if of_detectors[first]:
        of_detection = [parse_detector_requirement(text, drop=True) for text in texts]
        _check_comparison(junit, of_detection, out, overwrite=overwrite)
        from passband.audit.detector_compare import check_detector_drop, compare_detectors

        found = compare_detectors(*audits, seed=seed)
        checked = [_held(found, partial(check_detector_drop, requirement)) for requirement in of_detection]
    else:
        requirements = [parse_drop(text) for text in texts]
        _check_comparison(junit, requirements, out, overwrite=overwrite)
        from passband.audit.compare import compare as compare_audits
        from passband.audit.gate import check_drop

        found = compare_audits(*audits, any_preparation=any_preparation, seed=seed)
        checked = [_held(found, partial(check_drop, requirement)) for requirement in requirements]
    from passband.audit.saved_comparison import SavedComparison

    entries = tuple(each.entry for each in checked)
    saved = SavedComparison(
        found.names, found.differences, found.pairing, found.warnings, entries, command_line()
    )
    document = saved.to_dict()
    if out is not None:
        with written_whole(out) as aside:
            write_json(aside / COMPARISON, document)
            if report:
                from passband.report.comparison import write_comparison

                write_comparison(found, aside, entries, command=command_line())
    suite = f"{', '.join(found.names[1:])} compared with {found.names[0]}"
    if junit is not None:
        write_junit(junit, suite, checked)
    if json:
        print_json(document)
    else:
        _print_comparison(found)
        print_lines(list(map(str, checked)))
        if out is not None:
            print_lines(
                [f"Report: {out / 'comparison.html'}" if report else f"Comparison: {out / COMPARISON}"]
            )
    annotate(suite, checked, json=json)
    return 0 if all(each.met for each in checked) else 1


def _instruments(texts: Sequence[str]) -> list[passband.instruments.instrument.Instrument]:
    """Return the instruments that are asked for.

    Raises:
        InputError: If a setting cannot be read, or one instrument is asked for with several settings.
    """
    from passband.instruments.settings import parse_instrument

    asked = {}
    for instrument in map(parse_instrument, texts):
        if asked.setdefault(instrument.name, instrument) != instrument:
            raise InputError(
                f"an audit has each instrument once, and {instrument.name} is asked for in two ways"
            )
    return list(asked.values())


def _is_of_detector(path: Path) -> bool:
    return path.name == DETECTION or (path / DETECTION).is_file()


def _held(
    found: passband.audit.compare.Comparison,
    check: Callable[[Sequence[passband.audit.compare.Difference]], passband.audit.gate.Checked],
) -> passband.audit.gate.Checked:
    """Return what became of a requirement, held against each audit beside the first."""
    from passband.audit.gate import check_each_drop

    _, *others = found.names
    each = [check([d for d in found.differences if d.audit == place]) for place in range(1, len(found.names))]
    return check_each_drop(others, each)


def _check_comparison(
    junit: Path | None, requirements: Sequence[object], out: Path | None, *, overwrite: bool
) -> None:
    check_junit(junit, requirements)
    if out is not None:
        check_target(out, overwrite=overwrite)


def _say_expected(seconds: dict[str, float], *, alone: bool) -> None:
    parts = ", ".join(f"{name} {duration(each)}" for name, each in seconds.items() if each >= 0.5)
    say(f"About {duration(sum(seconds.values()))}{'' if alone else ' of this process alone'}: {parts}")


def _print_audit(found: passband.audit.classifier.Audit) -> None:
    from passband.report.verdict import verdict

    card = found.card
    clean, majority = card.clean.accuracy, card.baselines.majority
    print_table(
        f"{card.model.name} on {card.data.name} ({card.data.subset}, {clean.count} images), "
        "in percent [95% interval]",
        ("Radius", "LFC accuracy", "HFC accuracy", "Energy", "Follow HFC"),
        [
            (
                f"{low.radius:g}",
                percent(low.accuracy),
                percent(high.accuracy),
                f"{100 * low.energy:.1f}",
                f"{flips.count} ({flips.expected:.0f})",
            )
            for low, high, flips in zip(
                card.curve("lfc"), card.curve("hfc"), card.flips.by_radius, strict=True
            )
        ],
        "Energy: the LFC's share. Follow HFC: images right on the whole and on the HFC, wrong on the LFC (and how "
        "many of them are expected by chance).",
    )
    critical = card.critical_radius
    top5 = "" if card.clean.top5 is None else f"top-5 {percent(card.clean.top5)}; "
    lines = [
        f"Whole images: {percent(clean)}; {top5}majority class {100 * majority:.1f}",
        f"Critical radius: half of that {_radius(critical.half)}, 95% of it {_radius(critical.most)}",
    ]
    if (ceiling := card.ceiling) is not None:
        drawn = f"on {ceiling.samples} images" + " drawn at random" * (ceiling.samples < clean.count)
        lines.append(
            f"Corollary 1 ({ceiling.search} search, {drawn}): some LFC changes the prediction on {ceiling.fooled} of the "
            f"{ceiling.correct} predicted right"
            + (
                f", half of these {ceiling.fooled} within an L2 distance of {ceiling.median_l2:.2f}"
                if ceiling.median_l2 is not None
                else ""
            )
        )
    if card.data.preparation is not None:
        lines.append(f"Pictures: {card.data.preparation}")
    lines += [f"{extra.name}: {extra.words}" for extra in found.extra if extra.words]
    lines += [f"Warning: {finding.message}" for finding in card.traces.findings]
    print_lines([*lines, *map(str, card.notices), *verdict(card)])


def _print_comparison(found: passband.audit.compare.Comparison) -> None:
    from passband.report import comparison_words as words

    if len(found.names) > 2:
        _print_several(found)
    else:
        print_table(
            f"{found.names[0]} and {found.names[1]} ({found.pairing}), shares in percent, their differences in points",
            ("Measure", "First", "Second", "Difference", "95% interval", "p (Holm)"),
            [
                (
                    d.measure,
                    words.value_text(d.measure, d.first),
                    words.value_text(d.measure, d.second),
                    words.difference_text(d),
                    words.interval_text(d),
                    words.p_text(d.p),
                )
                for d in found.differences
            ],
        )
    print_lines([*words.story(found), *(f"Warning: {warning}" for warning in found.warnings)])


def _print_several(found: passband.audit.compare.Comparison) -> None:
    """Print a table with a column an audit: the first one's numbers, and how far the others' are from them."""
    from passband.report import comparison_words as words

    firsts: dict[str, float | None] = {}
    cells: dict[str, dict[int, str]] = {}
    for d in found.differences:
        firsts[d.measure] = d.first if firsts.get(d.measure) is None else firsts[d.measure]
        p = "" if d.p is None else f" p={words.p_text(d.p)}"
        apart = words.difference_text(d)
        value = words.value_text(d.measure, d.second)
        cells.setdefault(d.measure, {})[d.audit] = f"{value} ({apart}{p})" if apart else value
    print_table(
        f"Beside {found.names[0]} ({found.pairing}); p by Holm's correction for all of them",
        ("Measure", *found.names),
        [
            (
                measure,
                words.value_text(measure, firsts[measure]),
                *(row.get(place, "") for place in range(1, len(found.names))),
            )
            for measure, row in cells.items()
        ],
        "In parentheses: the difference from the first, on the samples that both have, in points where shares are in percent.",
    )


def _radius(found: passband.audit.card.CriticalRadius) -> str:
    place = "at none" if found.radius is None else f"at {found.radius:.2f}"
    return f"{place} ({found.note})" if found.note else place
