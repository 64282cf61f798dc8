"""The server's routes, and who may ask them."""

import pytest
from starlette.testclient import TestClient

from explorer_scenes import explored, looked_at, make_scene
from passband.errors import InputError
from passband.explorer import gallery
from passband.explorer.app import make_app
from passband.explorer.safety import COOKIE, POLICY
from passband.explorer.serve import address_of, listen
from passband.explorer.view import View
from passband.explorer.wire import decode
from pictures_sent import BAD, GOOD

BASE = "http://127.0.0.1:8765"


def client(scene=None, **options) -> TestClient:
    base = options.pop("base_url", BASE)
    return TestClient(
        make_app(explored(scene or make_scene()), **options),
        base_url=base,
        follow_redirects=False,
        raise_server_exceptions=False,
    )


def test_the_page_and_its_parts_are_there_and_nothing_else():
    asking = client()
    page = asking.get("/")
    assert page.status_code == 200
    assert "<title>passband explorer" in page.text
    for name in ("style.css", "main.js", "wire.js"):
        assert asking.get(f"/{name}").status_code == 200
    assert asking.get("/main.js").headers["content-type"].startswith("text/javascript")
    for path in (
        "/etc/passwd", "/../app.py", "/..%2f..%2fapp.py", "/%2e%2e/app.py", "/page/main.js", "/__init__.py",
        "//etc/passwd", "/api", "/api/look/..", "/main.js%00", "/data/about.json",
    ):  # fmt: skip
        answer = asking.get(path)
        assert answer.status_code == 404, path
        assert "root" not in answer.text


def test_every_answer_says_what_the_page_may_do():
    for answer in (client().get("/"), client().get("/api/look?image=x"), client().get("/none")):
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
    assert "unsafe" not in POLICY


def test_looking_is_what_is_computed():
    scene = make_scene()
    answer = client(scene).get("/api/look?image=3&cut=ring&width=2&amplitude=clip")
    frames = decode(answer.content)
    image, whole, _, kinds = looked_at(
        scene, 3, View.read({"cut": "ring", "width": "2", "amplitude": "clip"})
    )
    assert frames[0].header == image
    assert frames[1].header["models"] == whole
    assert [frame.header["kind"] for frame in frames] == kinds


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("image=30", "there is no image 30: 30 images"),
        ("image=-1", "whole number"),
        ("image=" + "9" * 4000, "whole number"),
        ("image=../../x", "whole number"),
        ("image=0&cut=wave", "no cut named 'wave'"),
        ("image=0&rho=9", "rho is between"),
        ("image=0&at=nan", "number or a fraction"),
        ("upload=0123", "Upload it again"),
    ],
)
def test_what_cannot_be_looked_at_is_said(query, words):
    answer = client().get(f"/api/look?{query}")
    assert answer.status_code == 400
    assert words in answer.json()["error"]


def test_an_error_along_the_way_is_the_last_frame(monkeypatch):
    from passband.explorer import classifier
    from passband.explorer.wire import Frame

    def broken(*_):
        yield Frame({"kind": "image"})
        raise InputError("it broke")

    monkeypatch.setattr(classifier, "look", broken)
    frames = decode(client().get("/api/look?image=0").content)
    assert frames[-1].header == {"kind": "error", "message": "it broke"}


def test_thumbnails_are_few_and_small():
    scene = make_scene(size=(100, 80))
    (frame,) = decode(client(scene).get("/api/thumbs?images=2,5").content)
    assert frame.header["size"] == [64, 51]
    assert frame.header["images"] == [[2, int(scene.dataset.labels[2])], [5, int(scene.dataset.labels[5])]]
    assert len(frame.payload) == 2 * 64 * 51 * 3
    many = ",".join(["0"] * 61)
    assert "at most 60" in client(scene).get(f"/api/thumbs?images={many}").json()["error"]


def test_uploads_are_looked_at():
    asking = client()
    for name, content in GOOD.items():
        sent = asking.post(f"/api/upload?name={name}", content=content)
        assert sent.status_code == 200, sent.text
        frames = decode(asking.get(f"/api/look?upload={sent.json()['upload']}").content)
        assert frames[0].header["name"] == name
        assert frames[-1].header == {"kind": "end"}
    for name, (content, words) in BAD.items():
        sent = asking.post(f"/api/upload?name={name}", content=content)
        assert sent.status_code == 400
        assert words in sent.json()["error"]


def test_an_upload_is_not_read_further_than_it_may_be():
    read = 0

    def endless():
        nonlocal read
        while read < 10**9:
            read += 2**20
            yield bytes(2**20)

    answer = client().post("/api/upload", content=endless())
    assert answer.status_code == 400
    assert "20 MiB" in answer.json()["error"]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "", "[::1", "localhost."]
)
def test_another_host_is_not_answered(host):
    assert client().get("/api/about", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost:8765", "LOCALHOST", "[::1]:8765"])
def test_this_machine_is_answered(host):
    assert client().get("/api/about", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"},
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "null"},
    ],
)
def test_another_page_is_not_answered(headers):
    assert client().post("/api/upload", content=GOOD["gray.png"], headers=headers).status_code == 403
    assert client().get("/api/look?image=0", headers=headers).status_code == 403


def test_a_link_leads_to_the_page():
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert client().get("/", headers=headers).status_code == 200
    assert client().get("/api/about", headers=headers).status_code == 403


def test_another_address_asks_for_the_token():
    options = {"host": "0.0.0.0", "token": "secret-token", "base_url": "http://192.0.2.7:8765"}
    asking = client(**options)
    for path in ("/", "/api/about", "/main.js", "/?token=wrong", "/api/about?token=secret-token", "/?token="):
        assert asking.get(path).status_code == 401, path
    welcome = asking.get("/?token=secret-token")
    assert welcome.status_code == 303
    assert welcome.headers["location"] == "/"
    cookie = welcome.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert asking.get("/api/about").status_code == 200  # the client has kept the cookie
    stranger = client(**options)
    assert stranger.get("/api/about", headers={"cookie": f"{COOKIE}=wrong"}).status_code == 401
    assert stranger.get("/api/about", headers={"cookie": b"=;;;\x80"}).status_code == 401


@pytest.mark.parametrize("most", [60, 25])
def test_flips_are_those_of_the_instrument(monkeypatch, most):
    monkeypatch.setattr(gallery, "LOOKED_AT", most)
    scene = make_scene(samples=60)
    found = client(scene).get("/api/flips?amplitude=max").json()
    assert (found["looked_at"], found["of"]) == (most, 60)
    flips = found["lists"]["flips"]
    for flip in flips:
        image, whole, answers, _ = looked_at(scene, flip["sample"], View())
        low, high = answers[0][image["places"].index(flip["radius"])]
        assert whole[0]["top"][0][0] == high["top"][0][0] == image["label"] != low["top"][0][0]
        assert scene.images.classes[low["top"][0][0]] == flip["lfc"]
    drawn = set(gallery.drawn_images(60, most).tolist())
    assert {flip["sample"] for flip in flips} <= drawn
    assert len(drawn) == most
    assert most == 60 or not drawn <= set(range(50))
    assert sum(each["flips"] for each in found["radii"]) >= len(flips) > 0


def test_addresses():
    listening = listen("127.0.0.1", 0)
    port = listening.getsockname()[1]
    assert address_of(listening, "127.0.0.1") == f"http://127.0.0.1:{port}/"
    assert address_of(listening, "::1", "t") == f"http://[::1]:{port}/?token=t"
    with pytest.raises(InputError, match="Choose another --port"):
        listen("127.0.0.1", port)
    listening.close()
    with pytest.raises(InputError, match="no address of this machine|cannot listen"):
        listen("192.0.2.1", 0)
