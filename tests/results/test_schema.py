import json

import pytest

from made_up_store import SETTINGS, add_run
from passband.errors import InputError
from passband.results.schema import check_schema, find_equal_settings
from passband.studies.run import run_studies
from passband.train.config import SCHEMA, RunConfig


def test_a_store_of_an_older_version_is_refused_with_a_way_to_keep_it(tmp_path):
    add_run(tmp_path, "aaaa", schema=None)
    add_run(tmp_path, "bbbb", schema=None)
    add_run(tmp_path, "cccc")
    with pytest.raises(InputError) as error:
        check_schema(tmp_path)
    for said in (
        f"{tmp_path} holds 2 runs of an older version of passband (schema 1; this version has {SCHEMA})",
        "None of them would be found, and what is needed would be trained anew",
        "Keep them and take another --store",
        f"passband runs remove --older --store {tmp_path}",
    ):
        assert said in str(error.value)


def test_a_store_of_a_newer_version_is_refused_and_nobody_is_told_to_drop_it(tmp_path):
    add_run(tmp_path, "aaaa", schema=SCHEMA + 1)
    with pytest.raises(
        InputError, match=f"1 run of a newer version of passband .schema {SCHEMA + 1};"
    ) as error:
        check_schema(tmp_path)
    assert "remove" not in str(error.value)


def test_a_store_of_this_version_and_what_is_no_run_are_passed(tmp_path):
    check_schema(tmp_path)
    folder = add_run(tmp_path, "aaaa")
    (tmp_path / "runs" / "notes").mkdir()
    (tmp_path / "runs" / "file").touch()
    (folder / "config.json").write_text("{")
    check_schema(tmp_path)


def test_runs_that_are_planned_are_not_looked_at(tmp_path):
    add_run(tmp_path, "aaaa", schema=None)
    check_schema(tmp_path, {"aaaa"})


def test_a_study_is_refused_before_anything_is_trained(tmp_path):
    folder = add_run(tmp_path, "aaaa", schema=None)
    before = sorted(path.name for path in tmp_path.rglob("*"))
    with pytest.raises(InputError, match="of an older version of passband"):
        run_studies("batch-size", store=tmp_path, workers=1, device="cpu")
    assert sorted(path.name for path in tmp_path.rglob("*")) == before
    assert json.loads((folder / "config.json").read_text())["run"] == "aaaa"


def test_equal_settings_are_found_whatever_their_defaults_were_written_as(tmp_path):
    add_run(tmp_path, "aaaa", schema=None)
    add_run(tmp_path, "bbbb", schema=None, seed=1)
    add_run(tmp_path, "cccc")
    folder = tmp_path / "runs" / "aaaa"
    description = json.loads((folder / "config.json").read_text())
    description["config"] |= {"attack_steps": 10, "attack_step_size": None, "attack_random_start": True}
    del description["config"]["schedule"]
    (folder / "config.json").write_text(json.dumps(description))
    assert find_equal_settings(tmp_path / "runs", RunConfig(**SETTINGS)) == {folder: 1}
