"""The request of an onboarding: what the operator wants."""

import dataclasses
import datetime
from collections.abc import Mapping

from rotator.plan.host_keys import Pin
from rotator.plan.plan import Cluster, Plan, Target
from rotator.plan.resource_id import ResourceId
from rotator.redaction import SecretText


@dataclasses.dataclass(frozen=True)
class Master:
    """A cluster's master, with the targets there.

    `pins` are the host keys that are expected. None are only where the settings have none yet, for one master: then the
    operator is asked to confirm the key that it shows.
    """

    cluster: Cluster
    pins: tuple[Pin, ...]
    targets: tuple[Target, ...]


@dataclasses.dataclass(frozen=True)
class OnboardingRequest:
    """What the operator wants.

    `ssh_key` and `passphrase` are the operator's own; None means those in the vault, or new ones.
    `auto_regenerate` and `period` (how often the vault regenerates a key) are None to keep what the vault has; a new
    managed account begins with every 30 days, or without regeneration where the plan has a key rotation period.
    With `unseen_host` no master's host key is read; it must be pinned then.
    With `key_rotation` the app gets the permission to regenerate keys.
    """

    plan: Plan
    vault: ResourceId
    account: ResourceId
    function_app: ResourceId | None
    app_principal: str | None
    key_vault_principal: str | None
    active_key: str
    auto_regenerate: bool | None
    period: datetime.timedelta | None
    masters: tuple[Master, ...]
    settings: Mapping[str, str] = dataclasses.field(repr=False)
    ssh_key: SecretText | None = None
    passphrase: SecretText | None = None
    unseen_host: bool = False
    key_rotation: bool = False
