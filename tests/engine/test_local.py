import os
import signal

import pytest

from passband.engine.local import Crashed, call_in_process
from passband.errors import InputError, UnknownNameError
from passband.user_modules import import_code


def test_a_call_is_in_another_process():
    assert call_in_process(os.getpid) != os.getpid()


def test_arguments_go_there_and_errors_come_back():
    assert call_in_process(int, "ff", base=16) == 255
    with pytest.raises(ValueError, match="invalid literal"):
        call_in_process(int, "x")


def test_an_error_about_a_name_comes_back_as_one():
    with pytest.raises(UnknownNameError, match="no way named 'abve'. Did you mean 'above'"):
        call_in_process(raise_unknown)


def raise_unknown():
    raise UnknownNameError("way", "abve", ["above", "below"])


def test_what_is_called_may_come_from_a_file_of_the_users(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def double(number):\n    return 2 * number\n")
    assert call_in_process(import_code(str(file)).double, 4) == 8
    double = import_code(str(file)).double
    file.write_text("def double(number):\n    return 3 * number\n")
    with pytest.raises(InputError, match="mine.py has changed since it was imported: start again"):
        call_in_process(double, 4)
    assert call_in_process(import_code(str(file)).double, 4) == 12


def test_a_killed_process_is_a_crash():
    with pytest.raises(Crashed, match="killed, or out of memory"):
        call_in_process(signal.raise_signal, signal.SIGKILL)
