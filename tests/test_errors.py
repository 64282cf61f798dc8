import pytest

from passband.errors import InputError, MissingDependencyError, PassbandError, UnknownNameError


def test_an_unknown_name_suggests_the_nearest_and_lists_what_is_known():
    error = UnknownNameError("study", "label-shufle", ["label-shuffle", "batch-size"])
    assert str(error) == (
        "no study named 'label-shufle'. Did you mean 'label-shuffle'? Known: batch-size, label-shuffle"
    )


def test_a_name_like_no_other_gets_no_suggestion_and_a_long_list_is_cut():
    error = UnknownNameError("model", "xyz", [f"net{i:03}" for i in range(100)])
    assert str(error).startswith("no model named 'xyz'. Known: net000, ")
    assert str(error).endswith("net019 and 80 more")


@pytest.mark.parametrize(
    ("error", "builtin"), [(InputError, ValueError), (MissingDependencyError, ImportError)]
)
def test_errors_are_also_pythons_own_kinds(error, builtin):
    assert issubclass(error, builtin)
    assert issubclass(error, PassbandError)
