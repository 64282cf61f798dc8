import pytest
from hypothesis import given
from hypothesis import strategies as st

from passband.explorer.wire import Frame, decode

HEADERS = st.dictionaries(st.text(), st.integers() | st.text() | st.none() | st.lists(st.booleans()))


@given(st.lists(st.builds(Frame, HEADERS, st.binary())))
def test_what_is_written_is_read(frames):
    assert decode(b"".join(frame.encode() for frame in frames)) == frames


def test_a_frame_to_the_byte():
    assert Frame({"a": "é"}, b"xyz").encode() == b'\x0e\0\0\0\x03\0\0\0{"a":"\\u00e9"}xyz'


@pytest.mark.parametrize("length", [1, 7, 8, 10, 20])
def test_a_stream_that_ends_too_early_is_no_stream(length):
    with pytest.raises(ValueError, match="ends within a frame"):
        decode(Frame({"kind": "x"}, b"0123").encode()[:length])


def test_what_is_no_number_is_never_sent():
    with pytest.raises(ValueError):
        Frame({"share": float("nan")}).encode()
