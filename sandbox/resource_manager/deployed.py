"""What a function app's host knows of the package that was deployed: its functions, their keys, and its own state.

The switches are what users report: after a deployment only WarmUp is listed until the triggers have been synced
(https://github.com/Azure/azure-functions-host/issues/10169), or for good, where the host cannot load the package.
"""

import dataclasses
import secrets
from collections.abc import Collection

WARM_UP = "WarmUp"  # the platform's own function, which every app on Flex Consumption lists

# The host's errors, as Azure words them.
SETTING_ERROR = (
    "Microsoft.Azure.WebJobs.Host: Error indexing method 'Functions.rotate_on_schedule'. "
    "Microsoft.Azure.WebJobs.Host: '%ROTATION_SCHEDULE%' does not resolve to a value."
)
IMPORT_ERROR = (
    "Worker failed to index functions\nResult: Failure\n"
    "Exception: ModuleNotFoundError: No module named 'croniter'. "
    "Please check the requirements.txt file for the missing module."
)
STORAGE_ERROR = (
    "Azure.Storage.Blobs: This request is not authorized to perform this operation using this permission.\n"
    "Status: 403 (This request is not authorized to perform this operation using this permission.)\n"
    "ErrorCode: AuthorizationPermissionMismatch"
)
# Python 3.11 and older run on an image whose C library is too old for the wheels of today's packages
# (https://github.com/Azure/azure-functions-python-worker/issues/1651).
IMAGE_ERROR = (
    "Worker failed to index functions\nResult: Failure\n"
    "Exception: ImportError: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.33' not found (required by "
    "/home/site/wwwroot/.python_packages/lib/site-packages/cryptography/hazmat/bindings/_rust.abi3.so)"
)


def _new_key() -> str:
    return f"{secrets.token_urlsafe(40)}=="


@dataclasses.dataclass
class Deployed:
    """The functions in the package; `listed_after` is the number of syncs until they are listed, None for never.

    `disabled` are functions that are listed as such, `host_key` opens all of them. `state` and `errors` are what the
    host says of itself.
    """

    functions: Collection[str] = ()
    disabled: set[str] = dataclasses.field(default_factory=set)
    listed_after: int | None = 0
    state: str = "Running"
    errors: tuple[str, ...] = ()
    syncs: int = 0
    keys: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict, repr=False)
    host_key: str = dataclasses.field(default_factory=_new_key, repr=False)

    def fail(self, error: str) -> None:
        """Let the host fail with this error: our functions are never listed."""
        self.listed_after, self.state, self.errors = None, "Error", (error,)

    def listed(self) -> list[str]:
        """What the platform lists now."""
        known = self.listed_after is not None and self.syncs >= self.listed_after
        return [*(self.functions if known else ()), WARM_UP]

    def keys_of(self, function: str) -> dict[str, str]:
        """Return a function's keys by name; the host makes the first one, `default`, when it is asked for."""
        return self.keys.setdefault(function, {"default": _new_key()})

    def set_key(self, function: str, name: str, value: str | None) -> str:
        """Make or replace a function's key, where no value is given with one of its own; return its value."""
        made = value or _new_key()
        self.keys_of(function)[name] = made
        return made

    def accepts(self, function: str, key: str) -> bool:
        """Whether a request with this key may call the function."""
        valid = [self.host_key, *self.keys.get(function, {}).values()]
        return any(secrets.compare_digest(key.encode(), each.encode()) for each in valid)

    def secret_values(self) -> list[str]:
        """Return every key there is."""
        return [self.host_key, *(key for keys in self.keys.values() for key in keys.values())]
