"""`python -m econchatr`: the same as the `econchatr` command."""

from econchatr.cli import main

main()
