"""How a SAS gets into a Secret: what the Secret is to hold, whose it is, and how it is written and read back.

A way to a cluster is a package of its own, which knows no other; `interface.py` has what they have in common.
"""
