"""The command line: thin shells around the library. What is printed, is printed here."""
