import polars as pl
import pytest
from filelock import FileLock
from polars.testing import assert_frame_equal

from blobs import Blobs, write_scenes
from passband.detection import detect as module
from passband.detection.detect import Found, Showing, detect
from passband.detection.folder import open_folder
from passband.detection.shown import Shown
from passband.detection.view import WHOLE, View, all_views
from passband.errors import InputError

VIEWS = all_views([4], [0.2])


@pytest.fixture
def dataset(tmp_path):
    return open_folder(*write_scenes(tmp_path / "scenes"))


def run(dataset, folder, detector=None, views=VIEWS, **options):
    settings = {"batch_size": 1} | options
    split_at = settings.pop("split_at", "original")
    return detect(detector or Blobs(), dataset, Showing(views, Shown(), split_at), folder, **settings)


def everything(found, views=VIEWS):
    return {view: found.of(view) for view in views}


def test_what_is_found_is_that_of_each_view_alone(dataset, tmp_path):
    found = everything(run(dataset, tmp_path / "all"))
    for view in (WHOLE, View("lfc", 4.0, "index"), View("control", 0.2, "pixel")):
        alone = run(dataset, tmp_path / f"alone {view}", views=tuple(dict.fromkeys((WHOLE, view)))).of(view)
        assert_frame_equal(alone, found[view])
    assert len(found[WHOLE]) >= 12
    assert found[WHOLE]["image"].is_sorted()


@pytest.mark.parametrize("batch_size", [2, 7])
def test_the_size_of_batches_changes_nothing(dataset, tmp_path, batch_size):
    one = everything(run(dataset, tmp_path / "one"))
    for view, table in everything(run(dataset, tmp_path / "more", batch_size=batch_size)).items():
        assert_frame_equal(table, one[view])


def test_after_an_interrupt_it_goes_on_where_it_was(dataset, tmp_path, monkeypatch):
    whole = everything(run(dataset, tmp_path / "whole"))
    monkeypatch.setattr(module, "SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        run(dataset, tmp_path / "cut", Blobs(fails_at=3 * len(VIEWS) + 2))
    assert Found(tmp_path / "cut").missing(range(6)) == [range(3, 6)]
    detector = Blobs()
    again = everything(run(dataset, tmp_path / "cut", detector))
    assert detector.seen == 3 * len(VIEWS)
    for view in VIEWS:
        assert_frame_equal(again[view], whole[view])
    idle = Blobs()
    run(dataset, tmp_path / "cut", idle)
    assert idle.seen == 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda part: part.unlink(),
        lambda part: part.write_bytes(part.read_bytes()[:-9]),
        lambda part: part.write_bytes(part.read_bytes().replace(b"PAR1", b"PAR2", 1)),
        lambda part: part.rename(part.with_name("images-000000002-000000003.parquet")),
    ],
)
def test_a_part_that_is_missing_or_damaged_is_looked_for_again_and_no_other(
    dataset, tmp_path, monkeypatch, damage
):
    monkeypatch.setattr(module, "SECONDS", 0.0)
    whole = everything(run(dataset, tmp_path / "parts"))
    damage(sorted((tmp_path / "parts").glob("*.parquet"))[2])
    detector = Blobs()
    again = everything(run(dataset, tmp_path / "parts", detector))
    assert detector.seen == len(VIEWS)
    for view in VIEWS:
        assert_frame_equal(again[view], whole[view])


def test_parts_of_several_processes_are_those_of_one(dataset, tmp_path):
    whole = everything(run(dataset, tmp_path / "whole"))
    for images in (range(4, 6), range(2), range(2, 4)):
        told = []
        run(dataset, tmp_path / "parts", images=images, progress=lambda *each, told=told: told.append(each))
        assert told == [("images", 1, 2), ("images", 2, 2)]
    idle = Blobs()
    joined = everything(run(dataset, tmp_path / "parts", idle))
    assert idle.seen == 0
    for view in VIEWS:
        assert_frame_equal(joined[view], whole[view])


def test_two_processes_do_not_measure_the_same(dataset, tmp_path):
    (tmp_path / "parts").mkdir()
    with FileLock(tmp_path / "parts" / ".lock"), pytest.raises(InputError, match="another process"):
        run(dataset, tmp_path / "parts")


def test_whole_images_are_handed_on(dataset, tmp_path):
    seen = {}
    found = run(dataset, tmp_path / "parts", on_image=lambda name, what: seen.update({name: what}))
    assert list(seen) == [0, 10, 20, 30, 40, 50]
    assert sum(map(len, seen.values())) == len(found.of(WHOLE))


def test_images_without_detections_are_no_gap(dataset, tmp_path):
    high = View("hfc", 20.0, "index")
    found = run(dataset, tmp_path / "parts", views=(WHOLE, high))
    assert found.of(high).schema == found.of(WHOLE).schema
    assert found.missing(range(6)) == []


def test_a_split_of_the_input_is_not_rounded(dataset, tmp_path):
    original = run(dataset, tmp_path / "original").of(WHOLE)
    assert_frame_equal(run(dataset, tmp_path / "input", split_at="input").of(WHOLE), original)


def test_tables_say_nothing_of_other_views(dataset, tmp_path):
    found = run(dataset, tmp_path / "parts")
    total = sum(len(table) for table in everything(found).values())
    assert total == sum(len(pl.read_parquet(part)) for part in found.parts())
