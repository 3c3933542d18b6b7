"""Which actions on blobs an identity needs for what a user delegation SAS of its allows.

A SAS is no wider than its identity's roles when it is used
(https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas#assign-permissions-with-rbac). The
actions: https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory
"""

from collections.abc import Mapping

from rotator.azure import permissions
from rotator.azure.permissions import Roles

_BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
# By the SAS's letter; any of the actions is enough.
_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "r": ("read",),
    "l": ("read",),
    "e": ("read",),
    "a": ("add/action", "write"),
    "c": ("add/action", "write"),
    "w": ("write",),
    "d": ("delete",),
    "x": ("deleteBlobVersion/action",),
    "y": ("permanentDelete/action",),
    "m": ("move/action",),
    "t": ("tags/write",),
    "i": ("immutableStorage/runAsSuperUser/action",),
}
_READER = frozenset("rle")
_CONTRIBUTOR = _READER | frozenset("acwdm")


def not_held(letters: str, roles: Roles) -> str:
    """Return those of a SAS's permission letters that these roles do not include, in their order."""
    return "".join(
        letter for letter in letters if not any(roles.open(f"{_BLOBS}/{action}") for action in _ACTIONS.get(letter, ()))
    )


def role_for(letters: str) -> str:
    """Return the name of the least built-in role that includes these permission letters."""
    if set(letters) <= _READER:
        return permissions.BLOB_READER_NAME
    return permissions.BLOB_CONTRIBUTOR_NAME if set(letters) <= _CONTRIBUTOR else permissions.BLOB_OWNER_NAME
