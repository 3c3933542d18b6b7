"""`python -m rotator`."""

from rotator import cli

cli.main(prog_name="python -m rotator")
