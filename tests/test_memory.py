import platform
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


FAULTS = """
import resource, torch
from passband.memory import kept

def faults(steps):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(steps):
        freed = [torch.ones(12 * 2**20 + number) for number in range(4)]
        del freed
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

with open("/proc/self/statm") as file:
    before = int(file.read().split()[1]) * resource.getpagesize()
usual = faults(5)
with kept(), kept():
    faults(5)
    inside = faults(5)
with kept():
    again = faults(5)
with open("/proc/self/statm") as file:
    print(usual, inside, again, int(file.read().split()[1]) * resource.getpagesize() - before)
"""


def test_what_is_freed_is_kept_inside_and_only_there():
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("another C library than glibc keeps and frees as it likes")
    run = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    usual, inside, again, grown = map(int, run.stdout.split())
    assert inside < usual / 20
    assert again < usual / 2  # they must be handed out once
    assert grown < 40 * 2**20


def test_what_is_freed_is_given_back():
    if not sys.platform.startswith("linux"):
        pytest.skip("memory is read from /proc")
    run = [subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True) for text in (
        PROGRAM, PROGRAM.replace("for _ in range(60)", "for _ in range(0)").replace("del freed", ""),
    )]  # fmt: skip
    grown, before = (float(each.stdout) for each in run)
    assert grown - before < 40
