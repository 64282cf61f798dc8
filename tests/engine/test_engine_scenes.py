"""Images that several processes show a detector: an audit finds in them what it finds alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from polars.testing import assert_frame_equal

from blobs import Blobs, write_scenes
from passband.audit.detector import audit_detector
from passband.detection.folder import open_folder
from passband.errors import PassbandError
from passband.files import remove_unfinished
from shown_scenes import SETTINGS, Scenes, audited_by


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return Scenes(*write_scenes(tmp_path_factory.mktemp("scenes"), 11))


@pytest.fixture(scope="module")
def whole(scenes):
    return audit_detector(Blobs(), open_folder(scenes.images, scenes.annotations), **SETTINGS)


def test_two_processes_find_what_one_finds_and_one_that_is_killed_costs_time_only(scenes, whole, tmp_path):
    told = []
    found, here = audited_by(
        2,
        replace(scenes, marker=tmp_path / "killed"),
        tmp_path / "a",
        progress=lambda *each: told.append(each),
    )
    assert (tmp_path / "killed").exists()
    assert here.seen == 2  # asked about one image, whether it is steady
    for name in ("rows", "images", "objects", "detections"):
        assert_frame_equal(getattr(found, name), getattr(whole, name))
    assert ("images", 11, 11) in told
    remove_unfinished(tmp_path / "a")
    assert [path.name for path in tmp_path.iterdir()] == ["killed"]


def test_another_detector_than_the_audits_is_refused(scenes, tmp_path):
    with pytest.raises(PassbandError, match="the detector or what is in the images has changed"):
        audited_by(1, replace(scenes, name="others"), tmp_path / "a")
