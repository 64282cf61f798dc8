"""`python -m passband` is the command `passband`."""

from passband.cli.main import main

main()
