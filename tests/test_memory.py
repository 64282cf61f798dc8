import subprocess
import sys

import pytest

PROGRAM = """
import resource, torch
from passband.memory import give_back
kept = []
for _ in range(60):
    freed = [torch.ones(2**20 + 7) for _ in range(20)]
    kept.append(torch.ones(2**14))
    del freed
give_back()
with open("/proc/self/statm") as file:
    print(int(file.read().split()[1]) * resource.getpagesize() / 2**20)
"""


def test_what_is_freed_is_given_back():
    if not sys.platform.startswith("linux"):
        pytest.skip("memory is read from /proc")
    run = [subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True) for text in (
        PROGRAM, PROGRAM.replace("for _ in range(60)", "for _ in range(0)").replace("del freed", ""),
    )]  # fmt: skip
    grown, before = (float(each.stdout) for each in run)
    assert grown - before < 40
