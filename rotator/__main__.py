"""`python -m rotator`."""

from rotator import cli, terminal

terminal.forgiving()
with terminal.writing():
    cli.main(prog_name="python -m rotator", complete_var="_ROTATOR_COMPLETE")
