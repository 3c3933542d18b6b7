"""How the settings about what a Secret has fit together, and fit to where SAS come from."""

import dataclasses

from rotator.plan import presets, secret_builtin_types, secret_template
from rotator.plan.consistency import Written
from rotator.plan.plan import Plan
from rotator.plan.presets import Preset, PresetDefinition
from rotator.plan.secret_template import SAS_BEARING, Placeholder
from rotator.plan.secret_types import Templates

_OF_A_CONTAINER = frozenset({Placeholder.CONTAINER, Placeholder.CONTAINER_URL})


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where SAS come from: whether the issuer has account keys at hand, and whether SAS are for one container.

    Each with the assignments, for a remedy, with which it would.
    """

    has_keys: bool
    with_keys: str
    has_container: bool
    with_container: str


@dataclasses.dataclass(frozen=True)
class Choice:
    """What one setting, which messages call `origin`, says that a Secret has."""

    origin: str
    placeholders: frozenset[Placeholder]
    data_keys: frozenset[str] = frozenset()
    needs_key: bool = False
    needs_container: bool = False


def of_data(origin: str, data: Templates) -> Choice:
    """What templates need."""
    found = _choice(origin, frozenset().union(*(each.placeholders for each in data.values())))
    return dataclasses.replace(found, data_keys=frozenset(data))


def of_preset(origin: str, preset: Preset) -> Choice:
    """What a preset needs."""
    ready: PresetDefinition = presets.of(preset)
    used = (secret_template.parse(text).placeholders for text in ready.data.values())
    found = _choice(f"{origin}={preset}", frozenset().union(*used))
    return dataclasses.replace(
        found,
        data_keys=frozenset(ready.data),
        needs_key=found.needs_key or ready.needs_key,
        needs_container=found.needs_container or ready.needs_container,
    )


def _choice(origin: str, used: frozenset[Placeholder]) -> Choice:
    in_container = bool(used & _OF_A_CONTAINER)
    return Choice(origin, used, needs_key=Placeholder.ACCOUNT_KEY in used, needs_container=in_container)


def problems_of_choices(data: str | None, preset: str | None, one_key: list[str]) -> list[str]:
    """What is wrong if more than one of these settings, each by its name, says what the data is."""
    found = []
    if data and preset:
        found.append(f"{data} and {preset} both say what the Secret's data is: remove one of them")
    if data:
        found += [
            f"{each} is for a Secret with one data key, but {data} names them all: remove {each}" for each in one_key
        ]
    if preset:
        found += [
            f"{each} is for a Secret with one data key, but {preset} has its own: remove {each}" for each in one_key
        ]
    return found


def problems_of_type(secret_type: Written[str | None], data_keys: Written[frozenset[str]]) -> list[str]:
    """What is wrong if Kubernetes requires data keys of a Secret of this type which it does not get."""
    missing = secret_builtin_types.missing(secret_type.value or "", data_keys.value)
    if not missing:
        return []
    return [
        f"{secret_type.origin}={secret_type.value} needs {missing} among the data keys, which {data_keys.origin} "
        f"does not have: write that there, or remove {secret_type.origin}"
    ]


def problems_of_placeholders(choice: Choice, source: Origin) -> list[str]:
    """What is wrong if a value is wanted that there is not, or no credential at all."""
    found = []
    if choice.needs_key and not source.has_keys:
        what = _used(choice, frozenset({Placeholder.ACCOUNT_KEY}), "the account key")
        found.append(
            f"{choice.origin} needs {what}, and the issuer has no account key: set {source.with_keys}, or do without it"
        )
    if choice.needs_container and not source.has_container:
        what = _used(choice, _OF_A_CONTAINER, "a container")
        found.append(
            f"{choice.origin} needs {what}, and the SAS is for the whole account: set {source.with_container}, or do "
            "without it"
        )
    if not choice.placeholders & (SAS_BEARING | {Placeholder.ACCOUNT_KEY}):
        found.append(f"{choice.origin} has no SAS in any value: write {Placeholder.SAS.written} where it belongs")
    return found


def _used(choice: Choice, kinds: frozenset[Placeholder], otherwise: str) -> str:
    used = sorted(each.written for each in choice.placeholders & kinds)
    return " and ".join(used) or otherwise


def warnings(plan: Plan) -> list[str]:
    """Warn of each Secret that has the account key itself."""
    return [
        f"{target.origin('preset' if target.preset else 'data')}: Secret {target} holds the account key itself, which "
        "allows everything on the account until it is regenerated; prefer a SAS where the consumer takes one"
        for target in plan.targets
        if target.form.has_account_key
    ]
