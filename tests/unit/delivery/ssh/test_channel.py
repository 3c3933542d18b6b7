import base64
import dataclasses
import json
from typing import Any

import pytest

from rotator.delivery import interface
from rotator.delivery.errors import ConflictError, DeliveryError, NotOursError
from rotator.delivery.interface import WriteMethod
from rotator.delivery.live_secret import Document
from rotator.plan.plan import Strategy, Target
from tests.fakes import through
from tests.fakes.examples import DIGEST, NOW, STORED, TARGET, TOKEN, delivered, document, order, token
from tests.fakes.master import EXISTS, Master, changed

APPLY = dataclasses.replace(TARGET, strategy=Strategy.APPLY)
NEW_TOKEN = token(sig="bmV3IHNpZ25hdHVyZSwgdGhpcnR5LXR3byBieXRlcw==")


def deliver(master: Master, target: Target = TARGET) -> interface.Delivery:
    """Observe and deliver as a run does."""
    return through.write(master, target, through.read(master, target), order(NEW_TOKEN))


def test_missing_secret_is_observed_as_none() -> None:
    assert through.read(Master(), TARGET) is None


def test_secret_is_observed_with_its_digests() -> None:
    held = through.read(Master(held=delivered()), TARGET)
    assert held is not None
    assert held.digests == {"secretKey": DIGEST}


@pytest.mark.parametrize("target", [TARGET, APPLY])
def test_missing_secret_is_created(target: Target) -> None:
    master = Master()
    done = deliver(master, target)
    assert (done.method, done.previous, done.warnings) == (WriteMethod.CREATE, None, ())
    assert master.value() == NEW_TOKEN
    assert done.digest == master.secrets["storage-sas"]["metadata"]["annotations"]["rotator/digest"]


def test_recreate_sends_the_former_secret_along_to_be_put_back() -> None:
    master = Master(held=delivered())
    done = deliver(master)
    assert done.method is WriteMethod.RECREATE
    assert done.previous is not None
    assert done.previous.digests == {"secretKey": DIGEST}
    assert master.value() == NEW_TOKEN
    (sent,) = master.received
    assert sent is not None
    new, old = (json.loads(line) for line in sent.split("\n")[:2])
    assert old["data"] == {"secretKey": STORED}
    assert "resourceVersion" not in new["metadata"]
    assert "resourceVersion" not in old["metadata"]


def sent_to(master: Master) -> list[str]:
    (sent,) = master.received
    assert sent is not None
    return sent.split("\n")


def test_recreate_names_the_version_that_may_be_deleted_in_the_body_and_in_the_query() -> None:
    master = Master(held=delivered())
    deliver(master)
    _, _, reversioned, options, query, *_ = sent_to(master)
    version = {"uid": "2f4c0b9e-0000-4000-8000-000000000001", "resourceVersion": "41"}
    assert json.loads(options) == {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": version}
    assert query == "uid=2f4c0b9e-0000-4000-8000-000000000001&resourceVersion=41"
    assert json.loads(reversioned)["data"] == {"secretKey": STORED}
    assert version.items() <= json.loads(reversioned)["metadata"].items()
    assert json.loads(reversioned)["metadata"]["annotations"]["rotator/kept"] == "20260701T120000Z-abc123"
    assert master.deletes == [version]


def test_annotation_that_gave_a_secret_another_version_does_not_stay() -> None:
    master = Master(held=delivered(**{"rotator/kept": "an earlier run"}))
    deliver(master)
    assert "rotator/kept" not in master.secrets["storage-sas"]["metadata"]["annotations"]


@pytest.mark.parametrize("uid", [None, "", "a&dryRun=All", "a b", 7])
def test_secret_without_a_version_is_not_replaced(uid: object) -> None:
    found = delivered()
    found["metadata"]["uid"] = uid
    master = Master(held=found)
    with pytest.raises(DeliveryError, match="nothing was changed"):
        deliver(master)
    assert master.received == [None]


def dead(held: Document, **order_changes: Any) -> bool:
    """Whether a recreate of this Secret has nothing to put back."""
    master = Master(held=held)
    wanted = dataclasses.replace(order(NEW_TOKEN), **order_changes)
    through.write(master, TARGET, through.read(master, TARGET), wanted)
    return sent_to(master)[1] == "-"


def test_former_secret_is_worth_putting_back_by_what_it_holds_not_by_what_it_says() -> None:
    expired = token(se="2026-07-01T11:59:59Z")
    assert dead(changed(delivered(), secretKey=expired))
    assert not dead(delivered(**{"rotator/expires": "2026-07-01T11:59:59Z"}))
    assert not dead(delivered())
    assert not dead(changed(delivered(), secretKey="changed by hand"))


def test_former_secret_whose_key_was_regenerated_is_not_put_back() -> None:
    assert dead(delivered(), key_lives=lambda sas: False)
    assert not dead(delivered(), key_lives=lambda sas: sas.token.reveal() == TOKEN)


def test_former_secret_with_data_of_others_is_worth_putting_back_whatever_its_sas() -> None:
    assert not dead(changed(delivered(), password="hunter2"), key_lives=lambda sas: False)


def test_data_key_that_somebody_adds_between_look_and_delete_is_kept() -> None:
    master = Master(held=delivered())
    master.hooks["after"].append(
        lambda: master.secrets.update({"storage-sas": changed(delivered(), password="hunter2")})
    )
    assert deliver(master).method is WriteMethod.RECREATE
    assert master.methods == [WriteMethod.RECREATE, WriteMethod.RECREATE]
    assert master.value(key="password") == "hunter2"
    assert master.value() == NEW_TOKEN


def test_secret_that_somebody_deletes_between_look_and_delete_is_created() -> None:
    master = Master(held=delivered())
    master.hooks["after"].append(master.secrets.clear)
    deliver(master)
    assert master.value() == NEW_TOKEN


def test_secret_that_somebody_else_creates_in_the_gap_is_merged_not_overwritten() -> None:
    master = Master(held=delivered())
    theirs = document({"secretKey": "theirs", "password": "hunter2"})

    master.refuse = {"create": [EXISTS]}
    master.hooks["before"] = [lambda: None, lambda: master.secrets.update({"storage-sas": theirs})]
    deliver(master)
    assert master.value() == NEW_TOKEN
    assert master.value(key="password") == "hunter2"


# A Secret's own words, as kubectl, sudo and shells use them when something fails.
ERRORS = [
    'Error from server (NotFound): secrets "storage-sas" not found',
    'Error from server (Forbidden): secrets "storage-sas" is forbidden',
    'Error from server (AlreadyExists): secrets "storage-sas" already exists',
    "the object has been modified (Conflict)",
    "sudo: a password is required",
    "sh: 1: kubectl: not found",
]


@pytest.mark.parametrize("target", [TARGET, APPLY])
@pytest.mark.parametrize("words", ERRORS)
def test_secret_whose_own_words_look_like_an_error_is_delivered(words: str, target: Target) -> None:
    found = delivered(note=words)
    found["metadata"]["labels"]["note"] = words
    master = Master(held=changed(found, note=words))
    deliver(master, target)
    assert master.value() == NEW_TOKEN
    assert master.value(key="note") == words


@pytest.mark.parametrize("target", [TARGET, APPLY])
def test_adopting_a_secret_that_a_controller_keeps_warns_of_it(target: Target) -> None:
    theirs = document({"secretKey": "x"}, annotations={"reflector.v1.k8s.emberstack.com/reflects": "infra/sas"})
    master = Master(held=theirs)
    adopting = dataclasses.replace(target, adopt=True)
    done = deliver(master, adopting)
    (warning,) = done.warnings
    assert "is managed by reflector, as a copy of infra/sas, which may write back" in warning
    assert master.value() == NEW_TOKEN


def test_apply_updates_in_place_the_very_version_that_it_saw() -> None:
    master = Master(held=delivered())
    assert deliver(master, APPLY).method is WriteMethod.UPDATE
    (sent,) = master.received
    assert sent is not None
    new, *rest, _, _ = sent.split("\n")
    assert json.loads(new)["metadata"]["resourceVersion"] == "41"
    assert rest == ["-", "-", "-", "-"]
    assert master.secrets["storage-sas"]["metadata"]["uid"] == "2f4c0b9e-0000-4000-8000-000000000001"
    assert master.value() == NEW_TOKEN


def test_apply_recreates_an_immutable_secret() -> None:
    master = Master(held={**delivered(), "immutable": True})
    assert deliver(master, APPLY).method is WriteMethod.RECREATE
    assert master.secrets["storage-sas"]["immutable"] is True


def test_apply_recreates_when_the_type_is_to_change() -> None:
    alone = dataclasses.replace(APPLY, keep_foreign=False)
    master = Master(held={**delivered(), "type": "example.com/sas"})
    assert deliver(master, alone).method is WriteMethod.RECREATE
    assert master.secrets["storage-sas"]["type"] == "Opaque"


@pytest.mark.parametrize("target", [TARGET, APPLY])
def test_what_others_changed_between_look_and_write_survives(target: Target) -> None:
    master = Master(held=delivered())
    master.hooks["before"].append(
        lambda: master.secrets.update({"storage-sas": changed(delivered(), password="hunter2")})
    )
    deliver(master, target)
    assert master.value(key="password") == "hunter2"
    assert master.value() == NEW_TOKEN
    assert len(master.methods) == 1


def test_update_that_meets_another_version_is_tried_again_on_that() -> None:
    master = Master(held=delivered())
    master.hooks["after"].append(
        lambda: master.secrets.update({"storage-sas": changed(delivered(), password="hunter2")})
    )
    assert deliver(master, APPLY).method is WriteMethod.UPDATE
    assert master.methods == [WriteMethod.UPDATE, WriteMethod.UPDATE]
    assert master.value(key="password") == "hunter2"
    assert master.value() == NEW_TOKEN


def test_secret_that_somebody_created_meanwhile_is_merged_not_overwritten() -> None:
    master = Master()
    master.hooks["before"].append(
        lambda: master.secrets.update({"storage-sas": document({"secretKey": "theirs", "password": "hunter2"})})
    )
    done = deliver(master)
    assert master.methods == [WriteMethod.CREATE, WriteMethod.RECREATE]
    assert master.received[0] is None  # the first command got no manifest and changed nothing
    assert done.method is WriteMethod.RECREATE
    assert master.value(key="password") == "hunter2"


def test_secret_that_somebody_deleted_meanwhile_is_created() -> None:
    master = Master(held=delivered())
    master.hooks["before"].append(master.secrets.clear)
    assert deliver(master).method is WriteMethod.CREATE
    assert master.methods == [WriteMethod.RECREATE, WriteMethod.CREATE]
    assert master.value() == NEW_TOKEN


def test_secret_that_changes_all_the_time_is_given_up_after_three_attempts() -> None:
    master = Master(held=delivered())

    def change() -> None:
        document = changed(master.secrets["storage-sas"], counter=str(len(master.methods)))
        document["metadata"]["resourceVersion"] = f"9{len(master.methods)}"
        master.secrets["storage-sas"] = document

    master.hooks["after"] = [change, change, change, change]
    with pytest.raises(ConflictError, match="changed by somebody else in each of 3 attempts"):
        deliver(master, APPLY)
    assert master.methods == [WriteMethod.UPDATE, WriteMethod.UPDATE, WriteMethod.UPDATE]
    assert master.value() == TOKEN


def test_secret_that_comes_and_goes_is_given_up_without_a_write() -> None:
    master = Master()
    come = lambda: master.secrets.update({"storage-sas": delivered()})  # noqa: E731  # two names for two events
    go = master.secrets.clear
    master.hooks["before"] = [come, go, come]
    with pytest.raises(ConflictError, match="in each of 3 attempts"):
        deliver(master)
    assert master.received == [None, None, None]


def test_finalizers_forbid_a_recreate_before_anything_is_started() -> None:
    guarded = delivered()
    guarded["metadata"]["finalizers"] = ["example.com/guard"]
    master = Master(held=guarded)
    with pytest.raises(ConflictError, match="has finalizers") as caught:
        deliver(master)
    assert "KUBERNETES_SECRET_STRATEGY=apply" in caught.value.remedy
    assert master.methods == []


def test_finalizers_do_not_hinder_an_update_in_place() -> None:
    guarded = delivered()
    guarded["metadata"]["finalizers"] = ["example.com/guard"]
    master = Master(held=guarded)
    assert deliver(master, APPLY).method is WriteMethod.UPDATE
    assert master.secrets["storage-sas"]["metadata"]["finalizers"] == ["example.com/guard"]


@pytest.mark.parametrize("target", [TARGET, APPLY])
def test_secret_that_is_being_deleted_is_left_alone(target: Target) -> None:
    going = delivered()
    going["metadata"]["deletionTimestamp"] = "2026-07-01T11:59:00Z"
    master = Master(held=going)
    with pytest.raises(ConflictError, match="is being deleted"):
        deliver(master, target)
    assert master.methods == []


def test_secret_that_another_took_over_meanwhile_is_left_alone() -> None:
    theirs = document({"secretKey": "theirs"}, labels={"app.kubernetes.io/managed-by": "Helm"})
    master = Master(held=delivered())
    master.hooks["before"].append(lambda: master.secrets.update({"storage-sas": theirs}))
    with pytest.raises(NotOursError, match="belongs to Helm"):
        deliver(master)
    assert master.received == [None]
    assert master.secrets["storage-sas"] == theirs


def test_secret_travels_on_stdin_never_in_a_command() -> None:
    master = Master(held=delivered())
    deliver(master)
    deliver(master, APPLY)
    values = (NEW_TOKEN, TOKEN, STORED, base64.b64encode(NEW_TOKEN.encode()).decode())
    assert not any(value in command for command in master.commands for value in values)
    assert all(sent and NOW.strftime("%Y-%m-%d") in sent for sent in master.received)


def test_each_remote_command_has_a_mark_of_its_own() -> None:
    master = Master(held=delivered())
    deliver(master)
    deliver(master)
    acts = [command for command in master.commands if command.startswith("exec sh")]
    assert len(set(acts)) == 2
