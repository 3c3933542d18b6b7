"""From an empty vault and a new master to a rotation that works: the steps that no deployment template can do.

`request.py` has what the operator wants, `onboard.py` the order. `requirements.py` checks what must be in place before
anything is changed, `tasks.py` what is missing and how it is made, through `vault_setup.py` and Resource Manager.
"""
