"""How a SAS gets into a Secret: its manifest, its owner, and how it is written and read back.

Each channel to a cluster is a package of its own, which imports no other; `interface.py` has what they share.
"""
