import os
import signal
import subprocess
import sys
import textwrap

import pytest

from passband.errors import InputError
from passband.files import amended, check_target, digest, read_json, slug, write_json, written_whole


def test_a_folder_appears_whole(tmp_path):
    target = tmp_path / "new" / "result"
    with written_whole(target) as aside:
        (aside / "a").write_text("1")
        assert not target.exists()
    assert (target / "a").read_text() == "1"
    assert [p.name for p in target.parent.iterdir()] == ["result"]
    assert oct(target.stat().st_mode & 0o777) == "0o755"


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    target = tmp_path / "result"
    for content in ("old", "new"):
        with written_whole(target) as aside:
            (aside / content).touch()
    assert [p.name for p in target.iterdir()] == ["new"]
    assert [p.name for p in tmp_path.iterdir()] == ["result"]


def test_after_an_error_everything_is_as_before(tmp_path):
    target = tmp_path / "result"
    target.mkdir()
    (target / "old").touch()
    with pytest.raises(RuntimeError), written_whole(target) as aside:
        (aside / "new").touch()
        raise RuntimeError
    assert [p.name for p in target.iterdir()] == ["old"]
    assert [p.name for p in tmp_path.iterdir()] == ["result"]


def test_a_killed_writer_leaves_the_old_result_untouched(tmp_path):
    target = tmp_path / "result"
    target.mkdir()
    (target / "old").touch()
    program = textwrap.dedent(f"""
        import time
        from pathlib import Path
        from passband.files import written_whole
        with written_whole(Path({str(target)!r})) as aside:
            (aside / "new").touch()
            print("writing", flush=True)
            time.sleep(60)
    """)
    writer = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"writing\n"
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    assert [p.name for p in target.iterdir()] == ["old"]


def test_targets_that_cannot_be_written_are_refused_before_the_work(tmp_path):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(InputError, match="exists and is not a folder"):
        check_target(file)
    with pytest.raises(InputError, match="cannot write to"):
        check_target(file / "below")
    with pytest.raises(
        InputError, match="is not empty. Choose another --out, or replace it with --overwrite"
    ):
        check_target(tmp_path)
    check_target(tmp_path, overwrite=True)
    check_target(tmp_path / "new" / "one")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_refused(tmp_path):
    tmp_path.chmod(0o555)
    with pytest.raises(InputError, match="cannot write to"):
        check_target(tmp_path / "new")


def test_json_is_read_as_written_and_nan_is_refused(tmp_path):
    value = {"a": [1, 2.5, None, "é"]}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == value
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "b.json", float("nan"))
    with pytest.raises(InputError, match="no file"):
        read_json(tmp_path / "none.json")


def test_a_digest_knows_where_its_parts_end():
    assert digest(b"ab", b"c") != digest(b"a", b"bc")
    assert digest(b"abc") == digest(memoryview(b"abc"))
    assert len(digest()) == 16


@pytest.mark.parametrize(
    ("text", "name"), [("a b/c", "a-b-c"), ("../..", "unnamed"), ("phantom (shape 1)", "phantom-shape-1")]
)
def test_slugs_are_names_of_folders(text, name):
    assert slug(text) == name


def test_an_amended_folder_keeps_what_is_not_written_anew(tmp_path):
    folder = tmp_path / "result"
    (folder / "figures").mkdir(parents=True)
    for name in ("table", "page", "figures/old"):
        (folder / name).write_text("old")
    with pytest.raises(ZeroDivisionError), amended(folder, without=("figures", "page")) as aside:
        (aside / "page").write_text("new")
        raise ZeroDivisionError
    assert {p.name: p.read_text() for p in folder.rglob("*") if p.is_file()} == dict.fromkeys(
        ("table", "page", "old"), "old"
    )
    with amended(folder, without=("figures", "page")) as aside:
        assert [path.name for path in aside.iterdir()] == ["table"]
        (aside / "page").write_text("new")
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"table": "old", "page": "new"}
    assert [path.name for path in tmp_path.iterdir()] == ["result"]
