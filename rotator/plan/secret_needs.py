"""What the consumer of a Secret needs of its SAS, beside what the settings say that the SAS allows."""

from collections.abc import Iterator

from rotator.plan import addresses, presets
from rotator.plan.account import Account, Grant
from rotator.plan.consistency import Written
from rotator.plan.plan import Plan, Target
from rotator.plan.presets import Need
from rotator.plan.secret_consistency import Choice
from rotator.plan.secret_template import Placeholder

_BLOB = "b"
_LIST = "l"
# Which a template takes as it is written.
_OWN_ENDPOINTS = (
    "write a template with the endpoints that the consumer needs, such as "
    f"QueueEndpoint=https://…;SharedAccessSignature={Placeholder.SAS.written}"
)


def problems_of_connection_string(choice: Choice, services: Written[str], endpoint: Written[str | None]) -> list[str]:
    """What is wrong if a connection string has an endpoint of blobs only, and the SAS is not for them."""
    used = Placeholder.CONNECTION_STRING in choice.placeholders
    if not used or _BLOB in services.value or not _is_unusual(endpoint.value):
        return []
    return [
        f"{choice.origin} has {_only_blobs(endpoint.origin)}, and {services.origin} ({services.value}) is not for "
        f"blobs: {_OWN_ENDPOINTS}"
    ]


def warnings(plan: Plan) -> list[str]:
    """Warn of each Secret whose consumer needs more than its SAS allows, or than its connection string has."""
    found = [warning for target in plan.targets for warning in _of_preset(target, plan.grant)]
    return found + [warning for target in plan.targets for warning in _of_services(target, plan.account, plan.grant)]


def _is_unusual(endpoint: str | None) -> bool:
    return endpoint is not None and addresses.usual_blob_endpoint(endpoint) is None


def _only_blobs(endpoint: str) -> str:
    return (
        f"{Placeholder.CONNECTION_STRING.written}, which names no endpoint but BlobEndpoint, as {endpoint} is not the "
        "usual one"
    )


def _of_services(target: Target, account: Account, grant: Grant) -> Iterator[str]:
    others = "".join(letter for letter in grant.services if letter != _BLOB)
    used = Placeholder.CONNECTION_STRING in target.form.placeholders
    if others and used and _is_unusual(account.blob_endpoint):
        yield (
            f"{target.origin('preset' if target.preset else 'data')}: Secret {target} has "
            f"{_only_blobs(account.origin('blob_endpoint'))}; for the others of {grant.origin('services')} ({others}), "
            f"{_OWN_ENDPOINTS}"
        )


def _of_preset(target: Target, grant: Grant) -> Iterator[str]:
    needs = presets.of(target.preset).needs if target.preset else ()
    if not needs or not all(list(_lacking(grant, need)) for need in needs):
        return  # the SAS is enough, at least for one use of this consumer
    need = next((each for each in needs if each.service in grant.services), needs[0])
    yield (
        f"{target.origin('preset')}: the consumer of {target.preset} needs more than the SAS of Secret {target} "
        "allows: " + "; ".join(_lacking(grant, need))
    )


def _lacking(grant: Grant, need: Need) -> Iterator[str]:
    """What the SAS lacks, by setting, with what to write."""
    yield from _lacking_letters(grant, "services", need.service)
    if grant.container is None:  # only an account SAS has types
        yield from _lacking_letters(grant, "resource_types", need.resource_types)
    yield from _lacking_letters(grant, "permissions", need.permissions)
    if grant.blob is not None and _LIST in need.permissions:
        yield f"one blob is not listed ({_LIST}), so remove {grant.origin('blob')}"


def _lacking_letters(grant: Grant, field: str, needed: str) -> Iterator[str]:
    allowed: str = getattr(grant, field)
    lacking = [letter for letter in needed if letter not in allowed]
    if lacking:
        yield f"{grant.origin(field)} ({allowed}) lacks {', '.join(lacking)}, so write {needed} there"
