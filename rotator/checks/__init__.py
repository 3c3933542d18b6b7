"""Checks every step of a rotation without changing anything: what would fail, and the command that repairs it.

A check is a class in the module of its step, about the plan, a cluster or a target; `interface.py` says what one may
do. `checkup.CHECKS` lists them in their order, and `runner.py` runs them. `remedies.py` has the commands, `findings.py`
what an operator reads.
"""
