import os
import signal

import pytest

from passband.engine.local import Crashed, call_in_process


def test_a_call_is_in_another_process():
    assert call_in_process(os.getpid) != os.getpid()


def test_arguments_go_there_and_errors_come_back():
    assert call_in_process(int, "ff", base=16) == 255
    with pytest.raises(ValueError, match="invalid literal"):
        call_in_process(int, "x")


def test_a_killed_process_is_a_crash():
    with pytest.raises(Crashed, match="killed, or out of memory"):
        call_in_process(signal.raise_signal, signal.SIGKILL)
