"""Data sets: labelled images in memory, from files, folders, packages and rules."""
