import os
import signal
import subprocess
import sys
import time
from multiprocessing import active_children
from threading import Thread

import pytest

from passband.engine.engine import Crashed
from passband.engine.local import Local
from passband.errors import InputError, UnknownNameError
from passband.user_modules import import_code


def test_a_call_is_in_another_process():
    assert Local().call(os.getpid) != os.getpid()


def test_arguments_go_there_and_errors_come_back():
    assert Local().call(int, "ff", base=16) == 255
    with pytest.raises(ValueError, match="invalid literal"):
        Local().call(int, "x")


def test_an_error_about_a_name_comes_back_as_one():
    with pytest.raises(UnknownNameError, match="no way named 'abve'. Did you mean 'above'"):
        Local().call(raise_unknown)


def raise_unknown():
    raise UnknownNameError("way", "abve", ["above", "below"])


def test_what_is_called_may_come_from_a_file_of_the_users(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def double(number):\n    return 2 * number\n")
    assert Local().call(import_code(str(file)).double, 4) == 8
    double = import_code(str(file)).double
    file.write_text("def double(number):\n    return 3 * number\n")
    with pytest.raises(InputError, match="mine.py has changed since it was imported: start again"):
        Local().call(double, 4)
    assert Local().call(import_code(str(file)).double, 4) == 12


def test_what_is_told_there_is_heard_here_before_the_answer():
    heard = []
    assert Local().call(count_to, 3, tell=heard.append) == 3
    assert heard == [1, 2, 3]


def count_to(number, tell):
    for each in range(1, number + 1):
        tell(each)
    return number


def test_a_listener_that_fails_ends_the_call():
    def fail(event):
        raise ZeroDivisionError("heard too much")

    with pytest.raises(ZeroDivisionError, match="heard too much"):
        Local().call(count_to, 3, tell=fail)
    assert not active_children()


def test_a_killed_process_is_a_crash():
    with pytest.raises(Crashed, match="killed, or out of memory"):
        Local().call(signal.raise_signal, signal.SIGKILL)


def test_processes_that_run_are_ended_and_no_others_are_started():
    processes, found = Local(2), []

    def wait():
        with pytest.raises(Crashed):
            processes.call(time.sleep, 600)
        found.append("ended")

    waiting = Thread(target=wait)
    waiting.start()
    while not active_children():
        time.sleep(0.01)
    processes.end()
    waiting.join(10)
    assert found == ["ended"]
    assert not active_children()
    with pytest.raises(Crashed, match="it was not started"):
        processes.call(os.getpid)


def test_an_error_that_cannot_be_sent_comes_back_as_its_text():
    with pytest.raises(RuntimeError, match="Odd: a lock"):
        Local().call(raise_odd)
    with pytest.raises(RuntimeError, match="SystemExit: 1"):
        Local().call(sys.exit, 1)


def raise_odd():
    class Odd(Exception):
        pass

    raise Odd("a lock")


def test_a_process_ends_when_the_one_that_called_it_is_killed(tmp_path):
    program = (
        "import time; from passband.engine.local import Local; from passband.user_modules import import_code\n"
        "Local().call(import_code('said.py').say_and_wait)"
    )
    (tmp_path / "said.py").write_text(
        "import os, time\ndef say_and_wait():\n    print(os.getpid(), flush=True)\n    time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as caller:
        assert caller.stdout is not None
        assert int(caller.stdout.readline()) != caller.pid
        caller.kill()
        assert caller.stdout.read() == ""  # which ends once nobody can write any more
