"""One run: what is due, the SAS that is issued and proven for it, its delivery, and one outcome for each target.

Account keys are in `keys/`, which a run enters only where a key rotation is due, asked for, or unfinished.
"""
