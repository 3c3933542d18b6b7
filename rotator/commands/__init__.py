"""The command line: `python -m rotator`, one module for each command, and what they share.

`cli.py` is the group; shared are the options (`options.py`), what is printed (`printing.py`, `tables.py`,
`status_line.py`), how a command ends (`error_handling.py`, `interrupts.py`) and the masked `streams.py`.
"""
