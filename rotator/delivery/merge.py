"""Merges a SAS into what a cluster holds: how the Secret has to be written, and the manifest to write."""

import dataclasses
from collections.abc import Mapping

from rotator.delivery import held_values, live_secret, manifest
from rotator.delivery.errors import ConflictError, DeliveryError
from rotator.delivery.interface import Write, WriteMethod
from rotator.delivery.live_secret import LiveSecret
from rotator.plan.plan import Strategy, Target
from rotator.redaction import SecretText

UNCHANGED = "nothing was changed"


@dataclasses.dataclass(frozen=True)
class ReplacedSecret:
    """The Secret that a recreate deletes.

    `version` is its uid and resourceVersion. Replacing it by the manifest `reversioned` changes only that version.
    `restorable` creates it again; None if nobody can use what it holds.
    """

    version: Mapping[str, str]
    reversioned: SecretText
    restorable: SecretText | None


@dataclasses.dataclass(frozen=True)
class Change:
    """One attempt to write: the Secret before it, the manifest to write, and the digests that are expected after it.

    `former` is the Secret before it, or the one that an earlier attempt deleted. `replaced` is for a recreate. `digest`
    is that of our own values, and `secrets` are all values, which are masked as long as the change lives.
    """

    method: WriteMethod
    held: LiveSecret | None
    former: LiveSecret | None
    new: SecretText
    replaced: ReplacedSecret | None
    digests: dict[str, str]
    digest: str
    secrets: tuple[SecretText, ...] = dataclasses.field(repr=False, default=())


def parse_own(text: str, target: Target) -> LiveSecret:
    """Parse a Secret that may be written to; raises NotOursError, or DeliveryError if it is no Secret."""
    try:
        held = live_secret.parse(text)
    except ValueError:
        # The text is not quoted: it may be a part of a Secret.
        raise DeliveryError(
            f"what kubectl printed for {target} is not a Secret in JSON; {UNCHANGED}",
            remedy="Run `kubectl get secret -o json` on the master as that user.",
        ) from None
    manifest.check_owner(held, target)
    return held


def choose_method(target: Target, held: LiveSecret | None) -> WriteMethod:
    """Choose how to write the Secret; raises ConflictError if there is no way."""
    if held is None:
        return WriteMethod.CREATE
    if held.metadata.get("deletionTimestamp"):
        raise ConflictError(f"Secret {target} is being deleted; it was left alone")
    _check_data_keys(held, target)
    # The API server changes neither an immutable Secret's data nor any Secret's type.
    type_changes = held.type != manifest.secret_type(target, held)
    if target.strategy is Strategy.APPLY and not held.immutable and not type_changes:
        return WriteMethod.UPDATE
    if held.metadata.get("finalizers"):
        raise ConflictError(
            f"Secret {target} has finalizers, so kubectl delete would not remove it at once; it was left alone",
            remedy=_remedy_for_finalizers(target, in_place=not held.immutable and not type_changes),
            has_finalizers=True,
        )
    return WriteMethod.RECREATE


def _remedy_for_finalizers(target: Target, *, in_place: bool) -> str:
    """`in_place` says whether the Secret could be written without a delete."""
    if in_place:
        return f"Use {target.assignment('strategy', 'apply')}, or remove the finalizers."
    return "Remove the finalizers: an immutable Secret, and one that gets another type, has to be deleted first."


def _check_data_keys(held: LiveSecret, target: Target) -> None:
    """Raise ConflictError if the settings name a data key of our Secret that somebody else added."""
    theirs = [name for name in held_values.of_others(held) if name in target.data_keys]
    if not theirs or target.adopt or not target.keep_foreign:
        return
    what, adopt = "data key" if len(theirs) == 1 else "data keys", target.assignment("adopt", "true")
    raise ConflictError(
        f"somebody else put the {what} {', '.join(map(repr, theirs))} into Secret {target}; it was left alone",
        remedy=f"Choose another name for the {what} in the settings, or set {adopt} to take what is there over.",
    )


def merge(write: Write, held: LiveSecret | None, deleted: LiveSecret | None = None) -> Change:
    """Merge the SAS into the Secret that the cluster holds now; raises ConflictError, or DeliveryError.

    `deleted` is the Secret that an earlier, killed attempt may have deleted.
    """
    target, desired = write.target, write.desired
    method = choose_method(target, held)
    former = held or deleted
    document = manifest.compose(target, former, desired)
    new, replaced = manifest.text(document), None
    if held is not None and method is WriteMethod.UPDATE:
        new = manifest.text(manifest.with_version(document, held))
    if held is not None and method is WriteMethod.RECREATE:
        replaced = _replaced(held, write)
    digest = document["metadata"]["annotations"][live_secret.DIGEST]
    # The SAS itself is masked anyway; what a template makes of it, or has beside it, would not be.
    secrets = live_secret.data_secrets(document) if target.form.templates else ()
    return Change(method, held, former, new, replaced, live_secret.digests(document), digest, secrets)


def _replaced(held: LiveSecret, write: Write) -> ReplacedSecret:
    usable = manifest.is_usable(held, write.target, write.desired)
    restorable = manifest.text(manifest.restorable(held)) if usable else None
    reversioned = manifest.text(manifest.reversioned(held, write.desired.run))
    return ReplacedSecret(manifest.version(held), reversioned, restorable)
