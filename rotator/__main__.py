"""`python -m rotator`."""

from rotator import cli, terminal

terminal.forgiving()
cli.main(prog_name="python -m rotator", complete_var="_ROTATOR_COMPLETE")
