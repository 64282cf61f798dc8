import pytest

from passband.report import theme


def luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("colors", [theme.LIGHT, theme.DARK], ids=["light", "dark"])
@pytest.mark.parametrize(
    "role", ["lfc", "hfc", "full", "energy", "magenta", "violet", "ochre", "ink", "muted"]
)
def test_colors_of_text_are_readable(colors, role):
    """WCAG 2.1 AA asks for a contrast of 4.5 for small text."""
    darker, lighter = sorted((luminance(colors[role]), luminance(colors["paper"])))
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def test_light_and_dark_have_the_same_roles_and_no_color_stands_for_two():
    assert theme.LIGHT.keys() == theme.DARK.keys()
    assert len(set(theme.LIGHT.values())) == len(theme.LIGHT)


@pytest.mark.parametrize(("radii", "corner"), [([1, 4, 20], 22.6), ([0], 0.0), ([0.5], 1.4), ([4], 5.7)])
def test_radius_axis_holds_every_radius_and_has_a_width(radii, corner):
    low, high = theme.radius_axis(radii, corner).to_dict()["scale"]["domain"]
    assert low <= min(radii) <= max(radii) <= high
    assert low < high


def test_missing_altair_says_what_to_install(monkeypatch):
    import sys

    from passband.errors import MissingDependencyError

    monkeypatch.setitem(sys.modules, "altair", None)
    with pytest.raises(
        MissingDependencyError, match=r'writing a report needs altair.*pip install "passband\[report\]"'
    ):
        theme.load_altair()
