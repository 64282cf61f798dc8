import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

from passband import files
from passband.errors import DamagedError, InputError
from passband.files import (
    SEAL,
    amended,
    check_seal,
    check_target,
    digest,
    drop_unwritten,
    place_of,
    read_json,
    remove_leftovers,
    remove_unfinished,
    seal,
    slug,
    write_file,
    write_json,
    written_whole,
)


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


def test_a_folder_that_another_process_writes_meanwhile_is_replaced(tmp_path, monkeypatch):
    target, real = tmp_path / "result", os.rename

    def rename(source, to):
        if not target.exists():  # at the last moment before it would take the place
            target.mkdir()
            (target / "theirs").touch()
        real(source, to)

    monkeypatch.setattr(os, "rename", rename)
    with written_whole(target) as aside:
        (aside / "ours").touch()
    assert [path.name for path in target.iterdir()] == ["ours"]
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


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


STEPS = {
    "os": ("fsync", "rename", "replace", "unlink", "rmdir", "mkdir", "open"),
    "shutil": ("rmtree",),
    "tempfile": ("mkdtemp",),
    "files": ("_exchange", "_sync"),
}
"""Whatever touches names on the disk while a folder is replaced."""


def replace_and_be_killed(target: Path, at: int, *, exchange: bool) -> int:
    """Replace a folder in a process that is killed before its step number `at`; return the process's exit code."""
    process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    try:
        if not exchange:
            files.ctypes.CDLL = lambda name: None
        steps = iter(range(at))
        for module, names in STEPS.items():
            owner = {"os": os, "shutil": shutil, "tempfile": tempfile, "files": files}[module]
            for name in names:
                setattr(owner, name, killing(getattr(owner, name), steps))
        with written_whole(target) as aside:
            write_json(aside / "a.json", "new")
            write_json(aside / "b.json", "new")
    finally:
        os._exit(0)


def killing(function, steps):
    def wrapped(*arguments, **settings):
        if next(steps, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **settings)

    return wrapped


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # the child does nothing but write
def test_a_kill_between_any_two_steps_leaves_the_old_or_the_new_whole(tmp_path):
    target = tmp_path / "result"
    seen = []
    for at in range(200):
        with written_whole(target) as aside:
            write_json(aside / "a.json", "old")
            write_json(aside / "b.json", "old")
        code = replace_and_be_killed(target, at, exchange=True)
        found = {read_json(target / name) for name in ("a.json", "b.json")}
        assert len(found) == 1, at
        seen.append(found.pop())
        if code == 0:
            break
    assert code == 0
    assert seen == sorted(seen, key=["old", "new"].index)
    assert seen.count("old") > 10
    assert seen.count("new") > 1  # killed after the exchange, before the old one is gone
    remove_leftovers(target)
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # the child does nothing but write
def test_where_folders_cannot_be_exchanged_the_old_one_is_whole_in_its_place_or_beside(tmp_path):
    for at in range(200):
        target = tmp_path / str(at) / "result"
        with written_whole(target) as aside:
            write_json(aside / "a.json", "old")
        code = replace_and_be_killed(target, at, exchange=False)
        places = [target, *target.parent.glob(".result-old-*/result")]
        assert any((place / "a.json").is_file() for place in places), at
        if code == 0:
            break
    assert code == 0
    assert read_json(target / "a.json") == "new"
    assert [path.name for path in target.parent.iterdir()] == ["result"]


def test_new_files_are_on_the_disk_before_the_old_ones_go(tmp_path, monkeypatch):
    target, events = tmp_path / "result", []
    with written_whole(target) as aside:
        (aside / "old").touch()

    def noted(owner, name):
        original = getattr(owner, name)

        def wrapped(path, *rest, **settings):
            events.append((name, Path(path).name))
            return original(path, *rest, **settings)

        monkeypatch.setattr(owner, name, wrapped)

    noted(files, "_sync")
    noted(files, "_exchange")
    noted(shutil, "rmtree")
    with written_whole(target) as aside:
        (aside / "deep").mkdir()
        (aside / "deep" / "new").write_text("1")
    names = [(name, path if path in ("deep", "new", tmp_path.name) else "aside") for name, path in events]
    assert sorted(names[:3]) == [("_sync", "aside"), ("_sync", "deep"), ("_sync", "new")]
    assert names[3:] == [("_exchange", "aside"), ("_sync", tmp_path.name), ("rmtree", "aside")]


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    write_file(tmp_path / "a", b"old")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(28, "No space left")))
        with pytest.raises(OSError, match="No space left"):
            write_file(tmp_path / "a", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"
    write_file(tmp_path / "a", b"n", b"ew")
    assert (tmp_path / "a").read_bytes() == b"new"


def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    with written_whole(tmp_path / "result") as aside:
        write_json(aside / "a.json", "old")
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(OSError, match="No space left"), written_whole(tmp_path / "result") as aside:
        (aside / "a.json").write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["result"]
    assert read_json(tmp_path / "result" / "a.json") == "old"


def test_a_file_in_the_place_of_a_folder_stays(tmp_path):
    (tmp_path / "result").write_text("mine")
    with pytest.raises(InputError, match="exists and is not a folder"), written_whole(tmp_path / "result"):
        pass
    assert (tmp_path / "result").read_text() == "mine"


def test_leftovers_of_another_folder_stay(tmp_path):
    for name in (".run-aside-abcdefgh", ".run-aside-aside-abcdefgh", ".run2-aside-abcdefgh"):
        (tmp_path / name).mkdir()
    remove_leftovers(tmp_path / "run")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".run-aside-aside-abcdefgh", ".run2-aside-abcdefgh"]


def sealed(folder: Path) -> Path:
    for name in ("a", "b"):
        (folder / name).write_text(name * 9)
    seal(folder)
    return folder


def test_a_sealed_folder_is_checked_by_us_and_by_sha256sum(tmp_path):
    check_seal(sealed(tmp_path), ("a", "b"))
    assert subprocess.run(["sha256sum", "--check", "--quiet", SEAL], cwd=tmp_path).returncode == 0
    (tmp_path / "notes").touch()  # of somebody else
    check_seal(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a", b"aaaaaaaab", "a is damaged: it is no longer what SHA256SUMS says"),
        ("b", b"bbbb", "b is damaged"),
        ("b", b"", "b is damaged"),
        ("b", None, "b is missing"),
        (SEAL, None, "SHA256SUMS is missing"),
        (SEAL, b"", "SHA256SUMS is damaged: it lacks a, b"),
        (SEAL, b"0" * 64 + b"  a\n", "SHA256SUMS is damaged: it lacks b"),
        (SEAL, b"0" * 64 + b"  a\n" + b"0" * 64 + b"  b", "SHA256SUMS is damaged: it has the line"),
        (SEAL, b"0" * 63 + b"  a\n" + b"0" * 64 + b"  b\n", "SHA256SUMS is damaged: it has the line"),
        (SEAL, b"\xff\xff", "SHA256SUMS is damaged"),
        (SEAL, b"0" * 64 + b"  ../a\n", "SHA256SUMS is damaged"),
    ],
)
def test_damage_is_named(tmp_path, name, content, message):
    sealed(tmp_path)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DamagedError, match=message):
        check_seal(tmp_path, ("a", "b"))


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


def test_leftovers_of_a_result_are_removed_and_no_others(tmp_path):
    mine, other = place_of(tmp_path / "out", "a"), place_of(tmp_path / "out2", "a")
    assert mine != place_of(tmp_path / "out", "b")
    for each in (mine, other):
        each.mkdir()
    remove_unfinished(tmp_path / "out")
    assert (mine.exists(), other.exists()) == (False, True)


def test_parents_that_were_made_for_a_result_go_with_it_where_nothing_came_of_it(tmp_path):
    (tmp_path / "there").mkdir()
    with pytest.raises(KeyboardInterrupt), written_whole(tmp_path / "there" / "a" / "b" / "result"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == [tmp_path / "there"]
    assert list((tmp_path / "there").iterdir()) == []
    with pytest.raises(KeyboardInterrupt), written_whole(tmp_path / "c" / "d" / "result"):
        (tmp_path / "c" / "mine").write_text("by somebody else")
        raise KeyboardInterrupt
    assert [path.name for path in (tmp_path / "c").iterdir()] == ["mine"]
    with written_whole(tmp_path / "e" / "result") as aside:
        (aside / "file").write_text("whole")
    assert (tmp_path / "e" / "result" / "file").read_text() == "whole"


def test_what_is_being_written_can_be_removed_by_whoever_ends_the_process(tmp_path):
    with written_whole(tmp_path / "a" / "result") as aside:
        (aside / "file").write_text("half")
        drop_unwritten()
        assert list(tmp_path.iterdir()) == []
        aside.mkdir(parents=True)  # so that the block ends in good order
    assert (tmp_path / "a" / "result").is_dir()


def test_what_was_removed_does_not_take_the_place_of_what_was_there(tmp_path):
    (tmp_path / "result").mkdir()
    (tmp_path / "result" / "file").write_text("before")
    with pytest.raises(OSError), written_whole(tmp_path / "result") as aside:
        (aside / "file").write_text("new")
        drop_unwritten()
    assert [path.name for path in tmp_path.iterdir()] == ["result"]
    assert (tmp_path / "result" / "file").read_text() == "before"
