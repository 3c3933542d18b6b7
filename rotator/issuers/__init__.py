"""Where a SAS comes from, and how storage proves it.

An issuer is a module of its own, which knows no other issuer; `interface.py` has what a run asks of each.
"""
