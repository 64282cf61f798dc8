import pytest

from passband.detection.view import WHOLE, View, all_views, parse_view
from passband.errors import InputError


@pytest.mark.parametrize("view", all_views([4, 64.5], [0.2]), ids=str)
def test_views_are_read_as_they_are_written(view):
    assert parse_view(str(view)) == view


@pytest.mark.parametrize("text", ["lfc", "lfc:", "full:3", "lfc:-1", "lfc:nan", "lfc:0.2p", "mfc:3", ""])
def test_what_is_no_view_is_refused(text):
    with pytest.raises(InputError):
        parse_view(text)


@pytest.mark.parametrize("values", [("full", 3.0, "index"), ("lfc", None, None), ("lfc", 3.0, None)])
def test_what_cannot_be_is_refused(values):
    with pytest.raises(InputError):
        View(*values)


def test_the_whole_image_comes_first_and_no_cut_off_twice():
    assert all_views([8], [])[0] == WHOLE
    with pytest.raises(InputError, match="each cut-off is measured once, got 8, 8"):
        all_views([8, 8.0], [])
