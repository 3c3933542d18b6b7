"""Checks every step of a rotation without changing anything: what would fail, and the command that repairs it.

A check is a class in the module of its step; `checkup.CHECKS` lists them in their order, and `runner.py` says what one
may do. `remedies.py` has the commands, and `findings.py` what an operator reads.
"""
