import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

import passband as pb
from helpers import Constant, Memory, noise, same
from passband.attacks import FGSM, PGD
from passband.audit.attack import RobustnessAudit, measure_robustness
from passband.errors import InputError
from passband.frequency.component import Low
from passband.robustness.plan import AttackPlan

DATA = noise(samples=30)
PLANS = (
    AttackPlan(FGSM(Low(2)), (0.1, 0.3), samples=12, sanity_samples=4),
    AttackPlan(PGD("l2", steps=2), (1.5,), sanity_samples=0),
)


@pytest.fixture(scope="module")
def audited():
    return pb.audit(Memory(DATA), DATA, radii=[2, 5], attacks=PLANS)


@pytest.fixture
def saved(audited, tmp_path):
    audited.save(tmp_path / "audit")
    return tmp_path / "audit"


def test_an_audit_is_loaded_equal_in_every_field(audited, saved):
    assert audited.panels
    assert audited.attacks[1].examples
    loaded = pb.Audit.load(saved)
    assert same(loaded, audited)
    assert loaded.check("ceiling-l2@1 >= 0").value == audited.check("ceiling-l2@1 >= 0").value
    assert pb.Audit.load(str(saved)).card == audited.card


def test_an_audit_in_which_nothing_was_found_is_loaded_equal(tmp_path):
    found = pb.audit(Constant(0, 4), DATA, radii=[2], ceiling_samples=0)
    found.save(tmp_path)
    assert same(pb.Audit.load(tmp_path), found)


@pytest.mark.parametrize("keep", [False, True], ids=["no images", "images"])
def test_attacks_alone_are_loaded_equal_with_the_images_that_were_kept(tmp_path, keep):
    found = measure_robustness(Memory(DATA), DATA, PLANS, keep_images=keep)
    found.save(tmp_path)
    assert (found.attacks[0].outcome.images is not None) is keep
    assert same(RobustnessAudit.load(tmp_path), found)


@pytest.mark.parametrize(
    "name",
    ["card.json", "rows.parquet", "samples.parquet", "counterexamples.parquet", "pictures.safetensors"],
)
def test_a_missing_or_damaged_file_is_named(saved, name):
    whole = (saved / name).read_bytes()
    for damaged in (whole[: len(whole) // 2], b"\0" * 100):
        (saved / name).write_bytes(damaged)
        with pytest.raises(InputError, match=f"{name} cannot be read as"):
            pb.Audit.load(saved)
    (saved / name).unlink()
    with pytest.raises(InputError, match=f"{name}"):
        pb.Audit.load(saved)


def test_a_folder_of_version_0_1_says_what_is_missing_and_what_to_do(saved):
    (saved / "pictures.safetensors").unlink()
    with pytest.raises(InputError, match=r"version 0.1 wrote none.*run `passband audit` again"):
        pb.Audit.load(saved)


def test_pictures_of_another_audit_are_refused(saved, tmp_path):
    other = pb.audit(Memory(DATA), noise(samples=30, seed=1), radii=[2], ceiling_samples=0)
    other.save(tmp_path / "other")
    shutil.copy(tmp_path / "other" / "pictures.safetensors", saved)
    with pytest.raises(InputError, match="does not belong to the card beside it"):
        pb.Audit.load(saved)


def test_images_of_other_attacks_are_refused(tmp_path):
    found = measure_robustness(Memory(DATA), DATA, PLANS, keep_images=True)
    found.save(tmp_path)
    archive = dict(np.load(tmp_path / "adversarial.npz"))
    np.savez(tmp_path / "adversarial.npz", images=archive["images"][1:])
    with pytest.raises(InputError, match="does not belong to the attacks beside it"):
        RobustnessAudit.load(tmp_path)
    (tmp_path / "adversarial.npz").write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(InputError, match="cannot be read as an archive of adversarial images"):
        RobustnessAudit.load(tmp_path)
    np.savez(tmp_path / "adversarial.npz", images=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match="cannot be read as an archive"):  # nothing in it is executed
        RobustnessAudit.load(tmp_path)


def test_what_differs_is_told_apart(audited):
    """`same` can fail."""
    strip = replace(audited.strip, low=audited.strip.low + 1e-6)
    assert not same(audited, replace(audited, strip=strip))
    document = json.loads(json.dumps(audited.card.to_dict()))
    document["manifest"]["seconds"] += 1
    assert not same(audited, replace(audited, card=type(audited.card).from_dict(document)))
