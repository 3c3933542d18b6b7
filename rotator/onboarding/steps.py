"""The request of an onboarding, what it finds in Azure, its tasks, and the steps that it reports."""

import dataclasses
import datetime
import enum
from collections.abc import Callable, Mapping

from rotator.azure.resource_facts import AccountFacts, AppFacts, VaultFacts
from rotator.azure.resource_id import ResourceId
from rotator.plan.host_keys import HostKey, Pin
from rotator.plan.plan import Cluster, Plan
from rotator.redaction import SecretText

# Asks the operator; False stops the onboarding. It gets the host keys that are not pinned, and the changes as text.
Confirm = Callable[[tuple[HostKey, ...], list[str]], bool]


@dataclasses.dataclass(frozen=True)
class OnboardingRequest:
    """What the operator wants.

    `ssh_key` and `passphrase` are the operator's own; None means those in the vault, or new ones.
    `auto_regenerate` and `period` (how often the vault regenerates a key) are None to keep what the vault has; a new
    managed account begins with every 30 days, or without regeneration where the plan has a key rotation period.
    With `unseen_host` the master's host key is not read; it must be pinned then.
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
    pins: tuple[Pin, ...]
    settings: Mapping[str, str] = dataclasses.field(repr=False)
    ssh_key: SecretText | None = None
    passphrase: SecretText | None = None
    unseen_host: bool = False
    key_rotation: bool = False

    @property
    def cluster(self) -> Cluster:
        """The cluster whose master is connected to."""
        return self.plan.targets[0].cluster


@dataclasses.dataclass(frozen=True)
class Facts:
    """What Resource Manager returns before anything is changed; `operator` is the object id of who is signed in."""

    vault: VaultFacts
    account: AccountFacts
    app: AppFacts | None
    operator: str


class StepOutcome(enum.Enum):
    """What onboarding did for a step; the value is the JSON field `did`."""

    CHECKED = "checked"
    UNCHANGED = "unchanged"
    WOULD = "would do"
    DONE = "done"


@dataclasses.dataclass(frozen=True)
class Step:
    """One line of onboarding's output; `equivalent` is a shell command that does the same, or empty."""

    title: str
    outcome: StepOutcome
    text: str
    equivalent: str = ""


@dataclasses.dataclass(frozen=True)
class Task:
    """Something that a rotation needs; `change` makes it, and is None where it is there already."""

    title: str
    text: str
    equivalent: str
    change: Callable[[], None] | None

    def step(self, outcome: StepOutcome) -> Step:
        """Return the line that reports this task; its outcome is UNCHANGED where there is nothing to change."""
        return Step(self.title, outcome if self.change else StepOutcome.UNCHANGED, self.text, self.equivalent)
