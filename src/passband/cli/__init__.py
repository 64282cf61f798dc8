"""The command line: thin shells around the library. What is printed, is printed here.

Help, lists and refusals must not wait seconds for torch. So a command's module imports what is light; the command refuses
what it can, and then imports what computes, in one block.
"""
