import pytest
import torch

from explorer_scenes import explored, make_network, make_scene
from passband.data.images import Request, decode_images
from passband.errors import InputError
from passband.explorer import uploads
from passband.explorer.scene import Scene
from passband.explorer.uploads import Uploads
from pictures_sent import BAD, GOOD, claims, picture, saved


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_become_what_a_data_set_would_have(name, channels):
    scene = make_scene(channels)
    found = explored(scene).decode(GOOD[name], name)
    expected = decode_images([GOOD[name]], [name], Request(preparation=scene.preparation, channels=channels))
    assert found.pixels.shape == (channels, 12, 10)
    assert torch.equal(found.pixels, expected[0])
    assert found.label is None


@pytest.mark.parametrize(
    ("name", "words"), [("turned.jpg", "EXIF"), ("deep.png", "16 bits"), ("tiny.png", "enlarged")]
)
def test_what_is_odd_about_a_picture_is_said(name, words):
    notices = explored(make_scene()).decode(GOOD[name], name).notices
    assert any(words in notice.message for notice in notices)


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_with_a_reason(name):
    content, words = BAD[name]
    with pytest.raises(InputError, match=words):
        explored(make_scene()).decode(content, name)


def test_nothing_is_decoded_of_what_is_too_large(monkeypatch):
    monkeypatch.setattr(uploads, "decode_with_notices", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(InputError, match="at most 50 million"):
        explored(make_scene()).decode(claims(10_000, 5_001), "claims.png")
    with pytest.raises(InputError, match="at most 20 MiB"):
        explored(make_scene()).decode(bytes(20 * 2**20 + 1), "long.png")


def test_the_last_sixteen_are_kept():
    kept, scene = Uploads(), make_scene()
    names = []
    for shade in range(17):
        content = saved(picture(20 + shade, 20), "PNG")
        names.append(kept.add(content, explored(scene).decode(content, "p.png")))
    assert len(set(names)) == 17
    kept.find(names[1])
    with pytest.raises(InputError, match="no longer here"):
        kept.find(names[0])
    with pytest.raises(InputError, match="no longer here"):
        kept.find("../../etc/passwd")


def test_without_data_the_model_says_what_its_pictures_are():
    model = make_network(1)
    with pytest.raises(InputError, match="Give DATA too, or --size"):
        Scene.of([model], device="cpu")
    model.size, model.channels = (16, 16), 1
    scene = Scene.of([model], device="cpu")
    assert scene.images.classes == ("class 0", "class 1", "class 2", "class 3")
    assert explored(scene).decode(GOOD["photo.jpg"], "photo.jpg").pixels.shape == (1, 16, 16)
    with pytest.raises(InputError, match="0 images were loaded"):
        scene.picture(0)
