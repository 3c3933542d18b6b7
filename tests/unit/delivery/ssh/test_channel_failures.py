"""What a failed delivery says about the cluster, and what it leaves there."""

import dataclasses

import pytest

from rotator import errors
from rotator.delivery import interface, manifest
from rotator.delivery.errors import (
    ApiServerDownError,
    CommandFailedError,
    CommandKilledError,
    ConnectionLostError,
    KubectlMissingError,
    KubernetesForbiddenError,
    NamespaceMissingError,
    NotConfirmedError,
    NotOursError,
    QuotaExceededError,
)
from rotator.delivery.live_secret import Document
from rotator.delivery.ssh import shell
from rotator.plan.plan import Strategy, Target
from tests.fakes import through
from tests.fakes.examples import DIGEST, TARGET, TOKEN, delivered, document, order, token
from tests.fakes.master import FAILED, NOT_FOUND, Master, changed

APPLY = dataclasses.replace(TARGET, strategy=Strategy.APPLY)
NEW_TOKEN = token(sig="bmV3IHNpZ25hdHVyZSwgdGhpcnR5LXR3byBieXRlcw==")
QUOTA = 'Error from server (Forbidden): secrets "storage-sas" is forbidden: exceeded quota: few\n'
DENIED = 'Error from server (Forbidden): secrets "storage-sas" is forbidden: User "rotator" cannot do that\n'
DOWN = "The connection to the server 10.0.0.4:6443 was refused - did you specify the right host or port?\n"


def deliver(master: Master, target: Target = TARGET) -> interface.Delivery:
    return through.write(master, target, through.read(master, target), order(NEW_TOKEN))


def failure(master: Master, target: Target = TARGET) -> errors.RotatorError:
    with pytest.raises(errors.RotatorError) as caught:
        deliver(master, target)
    assert NEW_TOKEN not in str(caught.value)
    return caught.value


def test_refused_dry_run_changes_nothing_and_tells_only_its_own_words() -> None:
    master = Master(held=delivered())
    master.refuse = {"validate": QUOTA}
    error = failure(master)
    assert isinstance(error, QuotaExceededError)
    assert str(error) == (
        "a quota forbids Secret default/storage-sas@master.example.com: Error from server (Forbidden): secrets "
        '"storage-sas" is forbidden: exceeded quota: few; nothing was changed'
    )
    assert master.value() == TOKEN


def test_refused_delete_leaves_the_secret() -> None:
    master = Master(held=delivered())
    master.refuse = {"delete": DENIED}
    error = failure(master)
    assert isinstance(error, KubernetesForbiddenError)
    assert str(error).endswith("; the Secret holds what it held before")
    assert master.value() == TOKEN


@pytest.mark.parametrize("step", ["deleted", "created"])
def test_what_a_killed_shell_left_undone_is_done_by_another(step: str) -> None:
    master = Master(held=changed(delivered(), theirs="kept"))
    master.killed_after = [step]
    done = deliver(master)
    assert (master.value(), master.value(key="theirs")) == (NEW_TOKEN, "kept")
    assert done.previous is not None
    assert done.warnings == ("the command was ended by a signal; a second one succeeded",)


def test_two_killed_shells_are_an_error() -> None:
    master = Master(held=delivered())
    master.killed_after = ["deleted", "created"]
    error = failure(master)
    assert isinstance(error, CommandKilledError)
    assert "what Secret default/storage-sas@master.example.com holds now is not known" in str(error)
    assert error.remedy


def test_refused_create_puts_the_former_secret_back() -> None:
    master = Master(held=delivered())
    master.refuse = {"create": QUOTA, "put back": [QUOTA]}
    error = failure(master)
    assert isinstance(error, QuotaExceededError)
    assert str(error).endswith("; the former Secret was put back")
    assert master.value() == TOKEN
    assert master.secrets["storage-sas"]["metadata"]["annotations"]["rotator/digest"] == DIGEST


@pytest.mark.parametrize("times", [1, 2, 5])
@pytest.mark.parametrize("held", [delivered(), changed(delivered(), secretKey="changed by hand")])
def test_create_that_fails_is_tried_again_with_the_new_secret_not_the_former(held: Document, times: int) -> None:
    master = Master(held=held)
    master.refuse = {"create": FAILED, "put back": [FAILED] * (times - 1)}
    done = deliver(master)
    assert master.value() == NEW_TOKEN
    assert done.warnings == (f"kubectl needed a second try: {FAILED.strip()}",)


def test_secret_that_could_not_be_put_back_is_reported_as_missing() -> None:
    master = Master(held=delivered())
    master.refuse = {"create": DOWN, "put back": DOWN}
    error = failure(master)
    assert isinstance(error, ApiServerDownError)
    assert "the Secret is MISSING: neither the new nor the former one could be created for 120 s" in str(error)


def test_deleted_secret_that_cannot_be_looked_for_is_not_reported_as_missing() -> None:
    master = Master(held=delivered())
    master.refuse = {"create": DOWN, "put back": DOWN, "confirm": DOWN}
    error = failure(master)
    assert str(error).endswith("the Secret was deleted: neither the new nor the former one could be created for 120 s")


@pytest.mark.parametrize("held", [None, delivered()])
def test_secret_that_kubectl_says_it_wrote_and_that_is_not_there(held: Document | None) -> None:
    master = Master(held=held)
    master.pretended = {"create"}
    error = failure(master)
    assert isinstance(error, NotConfirmedError)
    assert "reported that it wrote Secret default/storage-sas@master.example.com, but it is not there; " in str(error)
    assert str(error).endswith("there is still no such Secret" if held is None else "the Secret is MISSING")


def test_delete_that_fails_once_is_tried_again() -> None:
    master = Master(held=delivered())
    master.refuse = {"delete": [FAILED]}
    done = deliver(master)
    assert master.value() == NEW_TOKEN
    assert done.warnings == (f"kubectl needed a second try: {FAILED.strip()}",)


def test_delete_whose_answer_is_lost_is_followed_by_the_new_secret() -> None:
    master = Master(held=delivered())
    master.refuse, master.carried_out = {"delete": [FAILED]}, {"delete"}
    deliver(master)
    assert master.value() == NEW_TOKEN


def test_delete_that_stays_unclear_is_made_to_fail_before_anything_is_said() -> None:
    master = Master(held=delivered())
    master.refuse = {"delete": FAILED}
    error = failure(master)
    assert isinstance(error, ApiServerDownError)
    assert str(error).endswith("; the Secret holds what it held before")
    for late in master.deletes:
        assert "(Conflict)" in master.delete("storage-sas", late)
    assert master.value() == TOKEN


def test_delete_that_stays_unclear_and_cannot_be_made_to_fail_is_reported() -> None:
    master = Master(held=delivered())
    master.refuse = {"delete": FAILED, "protect": DENIED}
    error = failure(master)
    assert "the Secret holds what it held before, but a delete of it may still be under way" in str(error)
    assert master.value() == TOKEN


def test_late_delete_does_not_meet_the_secret_that_was_delivered() -> None:
    master = Master(held=delivered())
    master.refuse = {"delete": [FAILED]}
    deliver(master)
    for late in master.deletes:
        master.delete("storage-sas", late)
    assert master.value() == NEW_TOKEN


def test_secret_that_is_gone_when_read_back_is_reported_as_missing() -> None:
    master = Master(held=delivered())
    master.refuse = {"delete": DENIED, "confirm": NOT_FOUND}
    assert str(failure(master)).endswith("; the Secret is MISSING")


@pytest.mark.parametrize("held", [None, delivered()])
def test_what_cannot_be_read_back_is_not_taken_for_anything(held: Document | None) -> None:
    master = Master(held=held)
    master.refuse = {"create": QUOTA, "delete": DENIED, "confirm": DOWN}
    assert str(failure(master)).endswith("; what the Secret holds now could not be read")


def test_create_that_was_carried_out_though_kubectl_saw_it_fail_is_a_delivery() -> None:
    master = Master()
    master.refuse = {"create": "Unable to connect to the server: unexpected EOF\n"}
    master.hooks["after"].append(lambda: master.put("storage-sas", manifest.compose(TARGET, None, order())))
    done = through.write(master, TARGET, None, order())
    assert done.warnings == ("kubectl needed a second try: Unable to connect to the server: unexpected EOF",)


def test_refused_create_of_a_first_secret_leaves_none() -> None:
    master = Master()
    master.refuse = {"create": 'Error from server (NotFound): namespaces "default" not found\n'}
    error = failure(master)
    assert isinstance(error, NamespaceMissingError)
    assert str(error).endswith("; there is still no such Secret")


def test_secret_of_others_that_appears_just_before_the_create_is_not_overwritten() -> None:
    master = Master()
    master.hooks["after"].append(lambda: master.secrets.update({"storage-sas": document({"password": "theirs"})}))
    assert isinstance(failure(master), NotOursError)
    assert master.value(key="password") == "theirs"


def test_secret_that_may_be_adopted_and_appears_just_before_the_create_is_looked_at_again() -> None:
    master = Master()
    theirs = document({"secretKey": "theirs", "other": "kept"})
    master.hooks["after"].append(lambda: master.secrets.update({"storage-sas": theirs}))
    deliver(master)
    assert master.value() == NEW_TOKEN
    assert master.value(key="other") == "kept"


@pytest.mark.parametrize(("words", "kind"), [(DENIED, KubernetesForbiddenError), (DOWN, ApiServerDownError)])
def test_refused_update_leaves_the_secret(words: str, kind: type[errors.RotatorError]) -> None:
    master = Master(held=delivered())
    master.refuse = {"replace": words}
    error = failure(master, APPLY)
    assert isinstance(error, kind)
    assert str(error).endswith("; the Secret holds what it held before")
    assert master.value() == TOKEN


def test_unreadable_read_back_is_not_taken_for_a_delivery() -> None:
    master = Master(held=delivered())
    master.refuse = {"confirm": DOWN}
    error = failure(master)
    assert isinstance(error, ApiServerDownError)
    assert str(error).endswith("; what the Secret holds now could not be read")


@pytest.mark.parametrize("target", [TARGET, APPLY])
def test_value_that_a_webhook_changed_is_not_confirmed(target: Target) -> None:
    def mutate(stored: Document) -> None:
        stored["data"]["secretKey"] = "aHVudGVyMg=="

    master = Master(held=delivered())
    master.webhook = mutate
    error = failure(master, target)
    assert isinstance(error, NotConfirmedError)
    assert str(error) == "Secret default/storage-sas@master.example.com, read back, does not hold what was delivered"


def test_data_key_that_a_webhook_added_is_not_confirmed() -> None:
    master = Master(held=delivered())
    master.webhook = lambda stored: stored["data"].update(extra="aHVudGVyMg==")
    assert isinstance(failure(master), NotConfirmedError)


def test_remote_command_that_does_not_start_changes_nothing() -> None:
    master = Master(held=delivered())
    master.refuse = {"start": "mkfifo: cannot create fifo: No space left on device\n"}
    error = failure(master)
    assert isinstance(error, CommandFailedError)
    assert "No space left on device; nothing was changed" in str(error)
    assert error.status == 70


def test_kubectl_that_is_missing_is_reported_at_the_first_look() -> None:
    master = Master()
    master.refuse = {"get": "sh: 1: kubectl: not found\n"}
    with pytest.raises(KubectlMissingError, match="nothing was changed"):
        through.read(master, TARGET)


def test_api_server_that_goes_away_after_the_first_look_changes_nothing() -> None:
    master = Master(held=delivered())
    held = through.read(master, TARGET)
    master.refuse = {"get": DOWN}
    with pytest.raises(ApiServerDownError, match="nothing was changed"):
        through.write(master, TARGET, held, order(NEW_TOKEN))
    assert master.received == [None]
    assert master.value() == TOKEN


def test_secret_of_another_owner_is_refused_at_the_first_look() -> None:
    master = Master(held=document({"password": "hunter2"}))
    with pytest.raises(NotOursError):
        through.read(master, TARGET)


def test_broken_connection_is_reported_as_it_is() -> None:
    master = Master()
    master.broken = ConnectionLostError("the connection broke")
    with pytest.raises(ConnectionLostError):
        through.read(master, TARGET)


# The base64 of a value that stands in no Secret of another test: a living one would mask it here too.
UNSEEN = "c2VhZ3VsbC00Nw=="


@pytest.mark.parametrize("before", ["W0701 12:00:00.000000 warnings.go:70] use another version\n", ""])
@pytest.mark.parametrize("after", [',"metadata":{"name":"storage-sas"', ""])
def test_secret_that_cannot_be_read_is_not_quoted_in_the_error(before: str, after: str) -> None:
    master = Master()
    master.prints = f'{before}{{"kind":"Secret","data":{{"password":"{UNSEEN}"}}{after}\n'
    with pytest.raises(errors.RotatorError) as caught:
        through.write(master, TARGET, None, order(NEW_TOKEN))
    assert UNSEEN not in str(caught.value)


@pytest.mark.parametrize("held", [None, delivered()])
def test_results_of_remote_commands_show_nothing_that_was_printed(held: Document | None) -> None:
    assert repr(shell.Result(0, f"stdout {TOKEN}", f"stderr {TOKEN}")) == "Result(status=0)"
    assert TOKEN not in repr(deliver(Master(held=held)))
