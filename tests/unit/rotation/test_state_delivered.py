"""The tag that says which targets had a SAS before."""

import dataclasses

import pytest

from rotator.plan.plan import Target
from rotator.rotation import state
from tests.fakes.examples import CLUSTER, TARGET

LONGEST = 256  # https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates
FOREIGN = {"owner": "the storage team", "rotator-pending": "regenerate key2"}


def numbered(number: int) -> Target:
    return dataclasses.replace(TARGET, secret=f"storage-sas-{number}")


def noted(count: int) -> dict[str, str]:
    tags: dict[str, str] = {}
    for number in range(count):
        tags = state.with_delivery(tags, numbered(number), LONGEST)
    return tags


def test_a_target_is_known_once_it_is_noted() -> None:
    assert not state.was_delivered({}, TARGET)
    assert state.was_delivered(state.with_delivery({}, TARGET), TARGET)


def test_a_second_note_changes_nothing() -> None:
    tags = state.with_delivery({}, TARGET)
    assert state.with_delivery(tags, TARGET) == tags


@pytest.mark.parametrize(
    "other",
    [
        dataclasses.replace(TARGET, namespace="shop"),
        dataclasses.replace(TARGET, secret="other-sas"),
        dataclasses.replace(TARGET, cluster=dataclasses.replace(CLUSTER, host="other.example.com")),
        dataclasses.replace(TARGET, cluster=dataclasses.replace(CLUSTER, port=2222)),
    ],
    ids=["namespace", "name", "host", "port"],
)
def test_another_secret_is_not_known_by_this_one(other: Target) -> None:
    assert not state.was_delivered(state.with_delivery({}, TARGET), other)


@pytest.mark.parametrize(
    "same",
    [
        dataclasses.replace(TARGET, data_key="sas"),
        dataclasses.replace(TARGET, adopt=True, keep_foreign=False),
        dataclasses.replace(TARGET, cluster=dataclasses.replace(CLUSTER, user="deployer", kubectl=("k3s", "kubectl"))),
    ],
    ids=["data key", "how it is delivered", "how the cluster is reached"],
)
def test_the_same_secret_is_known_whatever_else_is_set(same: Target) -> None:
    assert state.was_delivered(state.with_delivery({}, TARGET), same)


def test_tags_of_others_are_kept() -> None:
    tags = state.with_delivery(FOREIGN, TARGET)
    assert {name: text for name, text in tags.items() if name != state.DELIVERED_TAG} == FOREIGN
    assert state.DELIVERED_TAG not in FOREIGN


def test_as_many_targets_are_noted_as_a_tag_has_room_for() -> None:
    tags = noted(28)
    assert all(state.was_delivered(tags, numbered(number)) for number in range(28))
    assert len(tags[state.DELIVERED_TAG]) <= LONGEST


def test_where_there_is_no_room_the_tags_stay_as_they_are() -> None:
    full = noted(28)
    assert state.with_delivery(full, numbered(28), LONGEST) == full
    assert not state.was_delivered(full, numbered(28))
    assert noted(1000) == full


@pytest.mark.parametrize("text", ["", " ", "somebody wrote here", "x" * 256])
def test_what_somebody_wrote_into_the_tag_knows_no_target(text: str) -> None:
    tags = {state.DELIVERED_TAG: text}
    assert not state.was_delivered(tags, TARGET)
    assert len(state.with_delivery(tags, TARGET, LONGEST)[state.DELIVERED_TAG]) <= LONGEST


def test_a_target_that_is_known_is_so_in_any_order() -> None:
    first, second = numbered(1), numbered(2)
    assert state.was_delivered(state.with_delivery(state.with_delivery({}, first), second), first)
    assert state.was_delivered(state.with_delivery(state.with_delivery({}, second), first), first)


def test_the_tag_tells_nothing_of_where_a_target_is() -> None:
    tag = state.with_delivery({}, TARGET)[state.DELIVERED_TAG]
    assert not any(part in tag for part in (TARGET.namespace, TARGET.secret, CLUSTER.host))
