from dataclasses import replace

import numpy as np
import pytest

from passband.attacks import PGD
from passband.engine.probe import ANSWER_COST, LEAST, Probe
from passband.errors import UnknownNameError
from passband.studies.catalog import STUDIES
from passband.studies.deviations import of_laptop
from passband.studies.figure4_batch_size import BATCH_SIZES
from passband.studies.presets import PRESETS, find_setting
from passband.studies.study import distinct
from passband.studies.table2_smoothing import RHOS, find_plans
from passband.train.adversarial import Adversary
from passband.train.config import RunConfig

DATA = "fashion-mnist"
CLASSIFIERS = {name: study for name, study in STUDIES.items() if name != "detection"}


def all_runs(preset: str, source: str = "text") -> dict[str, RunConfig]:
    setting = find_setting(preset, DATA, source)
    return {
        f"{name} {label}": config
        for name, study in CLASSIFIERS.items()
        for label, config in study.runs(setting).items()
    }


def test_the_paper_preset_is_the_paper_to_the_letter():
    runs = all_runs("paper")
    vanilla = RunConfig(
        DATA, model="resnet18", optimizer="adam", learning_rate=1e-4, batch_size=100, epochs=100
    )
    assert vanilla.resolved().initialization == "xavier"
    assert runs["heuristics vanilla"] == vanilla
    assert runs["label-shuffle natural"] == vanilla
    assert runs["label-shuffle shuffled"] == replace(vanilla, shuffle_labels=True, epochs=300)
    assert runs["heuristics dropout"] == replace(vanilla, dropout=0.5)
    assert runs["heuristics mixup"] == replace(vanilla, mixup=0.5)
    assert runs["heuristics batchnorm"] == replace(vanilla, batch_norm=True)
    assert runs["heuristics adversarial"] == replace(vanilla, adversarial=Adversary(8 / 255))
    assert runs["train-on-components hfc-12"] == replace(vanilla, component="hfc:12")
    assert runs["batchnorm-on-lfc lfc-4, batchnorm"] == replace(vanilla, component="lfc:4", batch_norm=True)
    assert runs["optimizers sgd"].rate == 1e-2
    assert runs["optimizers adadelta"].rate == 1e-1
    probe = find_setting("paper", DATA).probe
    assert probe == Probe.full((4, 8, 12, 16))
    assert runs["smoothing natural"] == runs["kernels natural"] == runs["corollary natural"] == vanilla
    assert runs["kernels adversarial, 5x5"] == replace(vanilla, model="lenet", adversarial=Adversary(8 / 255))
    assert RHOS["paper"] == (0, 0.1, 0.25, 0.5, 1)
    for plan, samples in zip(find_plans(find_setting("paper", DATA)), (None, None, 1_000), strict=True):
        assert (plan.epsilons, plan.samples) == ((0.03, 0.06, 0.09), samples)


def test_the_code_reading_is_that_of_the_released_code():
    runs = all_runs("paper", "code")
    vanilla = runs["heuristics vanilla"]
    assert (vanilla.model, vanilla.initialization, vanilla.epochs) == ("resnet32", "code", 100)
    attacked = runs["heuristics adversarial"]
    assert attacked.adversarial == Adversary(0.03, PGD(steps=10, step_share=0.1, random_start=False))
    assert attacked.augment
    assert not vanilla.augment
    assert runs["batchnorm-on-lfc lfc-4, batchnorm"].batch_statistics
    assert [runs[f"heuristics {label}"].mixup for label in ("mixup", "mixup, as released")] == [0.5, 1]
    plans = find_plans(find_setting("paper", DATA, "code"))
    assert {plan.epsilons for plan in plans} == {(0.03, 0.06, 0.09)}
    assert [plan.samples for plan in plans] == [100, 100, 1_000]  # the last has no more than the first
    fewer = find_plans(find_setting("smoke", DATA, "code"))
    assert [plan.samples for plan in fewer] == [20, 20, 2]  # fewer stay fewer


@pytest.mark.parametrize("source", ["text", "code"])
@pytest.mark.parametrize("preset", PRESETS)
def test_studies_share_runs(preset, source):
    runs = all_runs(preset, source)
    setting = find_setting(preset, DATA, source)
    kept = distinct(study.runs(setting) for study in CLASSIFIERS.values())
    assert runs["heuristics vanilla"] == runs["optimizers adam"]
    if preset != "laptop":  # whose networks are of one size, larger than the vanilla one's
        assert runs["heuristics vanilla"] == runs["architectures ResNet"]
    assert runs["heuristics vanilla"] == runs[f"batch-size batch {setting.vanilla.batch_size}"]
    assert runs["heuristics vanilla"] == runs["train-on-components original"]
    assert runs["train-on-components lfc-8"] == runs["batchnorm-on-lfc lfc-8"]
    assert runs["kernels natural, 5x5"] == runs["architectures LeNet"]
    for study in ("kernels", "smoothing", "corollary"):
        assert runs[f"{study} natural"] == runs["heuristics vanilla"]
        assert runs[f"{study} adversarial"] == runs["heuristics adversarial"]
    assert len(runs) - len(kept) >= 15


@pytest.mark.parametrize("preset", PRESETS)
def test_batch_sizes_ascend_and_hold_that_of_the_vanilla_run(preset):
    sizes = BATCH_SIZES[preset]
    assert list(sizes) == sorted(sizes)
    assert find_setting(preset, DATA).vanilla.batch_size in sizes


@pytest.mark.parametrize("preset", PRESETS)
def test_the_first_epoch_is_measured_as_a_claim_needs_it(preset):
    setting = find_setting(preset, DATA)
    natural = STUDIES["label-shuffle"].runs(setting)["natural"]
    assert setting.probe.is_due(1, natural.epochs)


def test_images_are_reduced_but_never_enlarged(tmp_path):
    assert find_setting("laptop", DATA).vanilla.size is None
    images = np.zeros((4, 64, 64, 3), np.uint8)
    labels = np.arange(4) % 2
    np.savez(tmp_path / "data.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    assert find_setting("laptop", f"npz:{tmp_path}/data.npz").vanilla.size == 32
    assert find_setting("paper", f"npz:{tmp_path}/data.npz").vanilla.size is None


def test_probes_of_laptop_take_a_tenth_of_the_training_that_they_look_at():
    setting = find_setting("laptop", DATA)
    lengths = {(run.epochs, run.limit) for run in all_runs("laptop").values()}
    assert len(lengths) >= 3  # of nearly all runs, and of those with natural and with shuffled labels
    assert setting.probe_share == 0.1
    for epochs, images in lengths:
        probe = setting.probe.within(epochs, images)
        allowed = 0.1 * epochs * images
        if probe.along == LEAST:  # fewer would say nothing
            allowed *= 1.02
        assert ANSWER_COST * probe.count_answers(epochs, {"train": images, "test": images}) <= allowed
    assert [find_setting(preset, DATA).probe_share for preset in ("smoke", "paper")] == [None, None]


def said(name: str, preset: str, source: str = "text") -> dict[str, str]:
    """Return what a study does otherwise than the paper."""
    return {d.what: d.here for d in STUDIES[name].all_deviations(find_setting(preset, DATA, source))}


@pytest.mark.parametrize("source", ["text", "code"])
@pytest.mark.parametrize("preset", PRESETS)
def test_every_study_says_what_it_changed_once_and_whole(preset, source):
    setting = find_setting(preset, DATA, source)
    for study in STUDIES.values():
        found = study.all_deviations(setting)
        assert len({deviation.what for deviation in found}) == len(found)
        for deviation in found:
            assert all([deviation.what, deviation.paper, deviation.here, deviation.why])


def test_a_study_says_what_its_own_runs_do_otherwise_and_nothing_of_others():
    shuffle, components = said("label-shuffle", "laptop"), said("train-on-components", "laptop")
    runs = STUDIES["label-shuffle"].runs(find_setting("laptop", DATA))
    lengths = [str(config.epochs) for config in runs.values()]
    assert shuffle["epochs"] == ", ".join(lengths)
    assert "resnet14" in shuffle["network"]
    assert "a constant rate" in shuffle["label shuffling"]
    assert "schedule of the rate" not in shuffle  # a constant one is the paper's
    vanilla = find_setting("laptop", DATA).vanilla
    assert components["epochs"] == str(vanilla.epochs)
    assert components["network"] == f"{vanilla.model} of width {vanilla.width}"
    assert "cosine" in components["schedule of the rate"]
    assert not any("resnet14" in here or "shuffl" in what for what, here in components.items())
    assert not set(said("detection", "laptop")) & {"epochs", "learning rate", "probe"}


def test_at_paper_a_study_says_only_what_is_true_there():
    assert said("train-on-components", "paper") == said("label-shuffle", "paper") == {}
    assert said("batchnorm-on-lfc", "paper") == {}
    assert set(said("batch-size", "paper")) == {"batch sizes"}
    for name in STUDIES:
        assert not {"epochs", "learning rate", "training images", "schedule of the rate", "probe"} & set(
            said(name, "paper")
        )
    for name, what in {"smoothing": "images of Table 2", "kernels": "steps of PGD in training"}.items():
        assert what in said(name, "paper")
    assert {"edge of the mask", "original training images"} <= set(
        said("train-on-components", "paper", "code")
    )


@pytest.mark.parametrize(
    ("preset", "seeds", "verdicts"), [("smoke", 1, False), ("laptop", 5, True), ("paper", 3, True)]
)
def test_a_preset_has_seeds_enough_for_its_verdicts(preset, seeds, verdicts):
    setting = find_setting(preset, DATA)
    assert (setting.seeds, setting.verdicts) == (seeds, verdicts)


def test_unknown_names_are_refused(untyped):
    with pytest.raises(UnknownNameError, match="no preset named 'desktop'. .*Known: laptop, paper, smoke"):
        find_setting("desktop", DATA)
    with pytest.raises(UnknownNameError, match="no source named 'codes'. Did you mean 'code'"):
        find_setting("smoke", DATA, "codes")
    with pytest.raises(UnknownNameError, match="no data source named 'cifar'"):
        find_setting("laptop", "cifar")


def test_what_runs_share_with_the_paper_is_no_deviation():
    config = RunConfig(DATA, model="resnet18", epochs=90)
    named = {each.what: each.here for each in of_laptop([config])}
    assert named.keys() == {"network", "epochs", "learning rate", "probe"}
    named = {
        each.what: each.here for each in of_laptop([config, replace(config, limit=1_000, schedule="cosine")])
    }
    assert named["training images"] == "the first 1,000"
    assert named["schedule of the rate"].startswith("a linear warm-up")
