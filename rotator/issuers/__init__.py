"""Where a SAS comes from, and how storage proves it.

Each issuer is a module that imports no other issuer; `interface.py` is what a run needs of it and of storage.
"""
