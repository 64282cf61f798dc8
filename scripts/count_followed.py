"""Count the modules of passband in which a command runs a function: those that one may have to open to follow it.

    python scripts/count_followed.py audit demo/model fashion-mnist --limit 40 --no-report --out /tmp/a --overwrite
    python scripts/count_followed.py study run batch-size --preset smoke --store /tmp/store

Processes that the command starts count too. What only runs while a module is imported does not.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

WATCH = """
import atexit, os, sys, threading

seen = set()

def watch(frame, event, argument):
    code = frame.f_code
    if event == "call" and "/passband/" in code.co_filename and code.co_name not in ("<module>", "__getattr__"):
        seen.add((code.co_filename.split("/passband/")[-1], code.co_name))

def write():
    sys.setprofile(None)
    with open(os.path.join(os.environ["FOLLOWED"], str(os.getpid())), "w") as file:
        # A class is defined by a call that has its name, and that is import too.
        file.write("\\n".join({name for name, function in seen if not function[:1].isupper()}))

sys.setprofile(watch)
threading.setprofile(watch)
atexit.register(write)
"""


def main() -> int:
    """Run the command, and print the modules and how many they are."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "sitecustomize.py").write_text(WATCH)
        path = os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))
        with tempfile.TemporaryDirectory() as found:
            environment = {**os.environ, "PYTHONPATH": path, "FOLLOWED": found}
            code = subprocess.run(
                [sys.executable, "-m", "passband", *sys.argv[1:]], env=environment
            ).returncode
            modules = {line for file in Path(found).iterdir() for line in file.read_text().splitlines()}
    print("\n".join(sorted(modules)))
    print(f"{len(modules)} modules")
    return code


if __name__ == "__main__":
    sys.exit(main())
