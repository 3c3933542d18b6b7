"""The command line: `python -m rotator`, one module for each command, and what they share."""
