"""The command line, on top of all: `main` runs one command and returns its exit code.

Nothing heavy may be imported at the head of any module here: ``scaffoldsim --help`` answers in
less than 0.3 s because a verb imports what it needs when it is called.
"""

from scaffoldsim.cli.app import main

__all__ = ["main"]
