import pytest

from passband.errors import MissingDependencyError
from passband.optional import require


def test_what_is_installed_is_returned():
    assert require("os.path", extra="report", purpose="nothing").join("a", "b")


def test_what_is_missing_says_how_to_install_it():
    with pytest.raises(MissingDependencyError) as caught:
        require("no_such_module.part", extra="report", purpose="writing a report")
    assert str(caught.value) == (
        'writing a report needs no_such_module.part. Install it with: pip install "passband[report]"'
    )


def test_a_dependency_that_is_itself_broken_is_not_called_missing(tmp_path, monkeypatch):
    (tmp_path / "half_installed.py").write_text("import not_there_at_all")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="not_there_at_all") as caught:
        require("half_installed", extra="report", purpose="writing a report")
    assert not isinstance(caught.value, MissingDependencyError)
