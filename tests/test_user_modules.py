"""Files of the user's that another computer has imported."""

import pickle
import subprocess
import sys

import pytest

from passband import user_modules
from passband.errors import InputError

SOURCE = "from dataclasses import dataclass\n@dataclass\nclass Mine:\n    number: int = 3\n"

ELSEWHERE = """
import pickle, sys
from passband.user_modules import bring_files, code_hash, import_again, is_there
code, files, home, content = pickle.load(sys.stdin.buffer)
bring_files(files, home)
import_again(code)
found = pickle.loads(content)
assert is_there("mine.py") and not is_there("other.py")
print(found.number, code_hash("mine.py"))
"""


def imported(folder, monkeypatch):
    """What another computer needs to know of a file that was imported, and is gone."""
    monkeypatch.chdir(folder)
    for name in ("_HASHES", "_FILES"):  # other tests import again what was imported
        monkeypatch.setattr(user_modules, name, {})
    file = folder / "mine.py"
    file.write_text(SOURCE)
    module = user_modules.import_code("mine.py")
    file.unlink()
    return (
        user_modules.imported_code(),
        user_modules.imported_files(),
        str(folder),
        pickle.dumps(module.Mine(4)),
    )


def elsewhere(given, folder) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", ELSEWHERE], input=pickle.dumps(given), cwd=folder, capture_output=True
    )


def test_a_file_that_is_not_there_is_imported_as_it_was(tmp_path, monkeypatch):
    given, folder = imported(tmp_path, monkeypatch), tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "mine.py").write_text("raise ValueError")  # what it would be here
    found = elsewhere(given, folder)
    assert found.stdout.decode().split() == ["4", *given[0].values()], found.stderr.decode()
    assert [path.name for path in folder.iterdir()] == ["mine.py"]  # no __pycache__


def test_a_file_that_does_not_come_with_its_source_is_missed(tmp_path, monkeypatch):
    code, _, home, content = imported(tmp_path, monkeypatch)
    found = elsewhere((code, {}, home, content), tmp_path)
    assert "no file" in found.stderr.decode()
    with pytest.raises(InputError, match="no file"):
        user_modules.import_code("mine.py")


def test_a_file_that_comes_with_another_source_is_noticed(tmp_path, monkeypatch):
    code, files, home, content = imported(tmp_path, monkeypatch)
    found = elsewhere((code, dict.fromkeys(files, b"number = 3"), home, content), tmp_path)
    assert "mine.py has changed since it was imported: start again" in found.stderr.decode()
