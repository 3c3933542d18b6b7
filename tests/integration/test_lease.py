"""One at a time: the lease against the sandbox's blob service, by token, and against real Azurite, by key."""

import contextlib
import dataclasses
import datetime
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from concurrent import futures

import pytest
from azure.core.credentials import TokenCredential
from azure.storage.blob import BlobClient, BlobLeaseClient, ContainerClient

from rotator import errors
from rotator.azure import identity
from rotator.azure.errors import LeaseLostError, LeaseUnavailableError
from rotator.azure.host_storage import storage_settings
from rotator.azure.host_storage.blob_lease import CONTAINER, BlobLease, LeaseState, read
from rotator.azure.host_storage.lease import Holder
from rotator.azure.host_storage.storage_settings import HostStorage
from rotator.redaction import SecretText
from sandbox.blob.store import Container
from sandbox.server.faults import Fault
from sandbox.server.journal import Event
from sandbox.world import ACCOUNT, APP_ACCOUNT, World
from tests import surroundings
from tests.integration.conftest import ROOT, STACKS, environment, options_for

SINCE = datetime.datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=datetime.UTC)
NEVER = 3600.0
BOUND = 15.0


@dataclasses.dataclass
class Place:
    """A storage with a blob's name that no other test uses."""

    world: World
    storage: HostStorage
    credential: TokenCredential
    name: str

    def look(self) -> LeaseState:
        return read(self.storage, self.name, self.credential)

    def lease(self, run: str, *, seconds: int = 60, renew_every: float = NEVER) -> BlobLease:
        return BlobLease(
            self.storage, self.name, holder(run), self.credential, seconds=seconds, renew_every=renew_every
        )

    @contextlib.contextmanager
    def blob(self) -> Iterator[BlobClient]:
        if self.storage.connection_string is None:
            container = ContainerClient(str(self.storage.blob_url), CONTAINER, self.credential)
        else:
            container = ContainerClient.from_connection_string(self.storage.connection_string.reveal(), CONTAINER)
        with container:
            yield container.get_blob_client(self.name)

    def metadata(self) -> dict[str, str]:
        with self.blob() as blob:
            return dict(blob.get_blob_properties().metadata)

    def state(self) -> str:
        with self.blob() as blob:
            return str(blob.get_blob_properties().lease.state)

    def fault(self, **what: object) -> None:
        path = f"/{APP_ACCOUNT}/{CONTAINER}/{self.name}"
        self.world.blob.faults.append(Fault(path=path, **what))  # type: ignore[arg-type]


def holder(run: str) -> Holder:
    return Holder(run, "test", "abc", SINCE)


@pytest.fixture(scope="module", params=STACKS)
def any_storage(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "real":
        yield request.getfixturevalue("real_world")
        return
    with World(options_for(request.param)) as running:
        yield running


# Only Azurite takes requests that a key signed; only the sandbox's clock can be put forward.
on_azurite = pytest.mark.parametrize("any_storage", [pytest.param("real", marks=pytest.mark.real)], indirect=True)


@pytest.fixture(scope="module")
def sandbox_storage() -> Iterator[World]:
    with World(options_for("sandbox")) as running:
        yield running


@contextlib.contextmanager
def placed(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    surroundings.enter(world, monkeypatch)
    storage = storage_settings.find(world.settings)
    assert storage
    with contextlib.closing(identity.credential(None)) as credential:
        yield Place(world, storage, credential, f"myvault.vault.azure.net/{uuid.uuid4()}")


@pytest.fixture
def anywhere(any_storage: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """The sandbox's blob service, then Azurite."""
    with placed(any_storage, monkeypatch) as place:
        yield place


@pytest.fixture
def place(sandbox_storage: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """The sandbox's blob service, which can be told to fail."""
    authorizes, refuses = sandbox_storage.blob.authorizes, sandbox_storage.identity.fail_with
    with placed(sandbox_storage, monkeypatch) as found:
        yield found
    sandbox_storage.blob.faults.clear()
    sandbox_storage.blob.authorizes, sandbox_storage.identity.fail_with = authorizes, refuses


def soon(what: Callable[[], bool], seconds: float = 10.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if what():
            return True
        time.sleep(0.05)
    return False


def as_logged(error: BaseException) -> str:
    """Everything that a log would have of an error."""
    remedy = error.remedy if isinstance(error, errors.RotatorError) else ""
    return "".join(traceback.format_exception(error)) + remedy


# One holder


def test_a_second_run_is_told_who_is_at_it_since_when(anywhere: Place, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    with anywhere.lease("r1") as held:
        with pytest.raises(errors.BusyError) as raised, anywhere.lease("r2"):
            pass
        held.fence()
    assert str(raised.value) == "a run is in progress: run r1 (test) on host abc since 2026-11-24T12:00:00Z"
    assert (raised.value.holder, raised.value.since) == ("run r1 (test) on host abc", "2026-11-24T12:00:00Z")
    assert not caplog.records


def test_after_its_end_the_next_run_gets_it_at_once_and_nobody_is_named_any_more(anywhere: Place) -> None:
    for run in ("r1", "r2"):
        with anywhere.lease(run) as held:
            assert anywhere.metadata() == holder(run).as_metadata()
            held.fence()
            held.fence()
        assert (anywhere.metadata(), anywhere.state()) == ({}, "available")


def test_a_run_that_fails_gives_the_lease_back(anywhere: Place) -> None:
    with pytest.raises(ZeroDivisionError), anywhere.lease("r1"):
        raise ZeroDivisionError
    assert anywhere.state() == "available"


def test_leases_of_several_accounts_do_not_meet(anywhere: Place) -> None:
    other = dataclasses.replace(anywhere, name=f"{anywhere.name}2")
    with anywhere.lease("r1") as one, other.lease("r2") as two:
        one.fence()
        two.fence()


def race(place: Place, runs: int) -> None:
    """Let threads try for the lease at once, and hold it until all have tried: exactly one succeeds."""
    outcomes: list[str] = []
    all_tried = threading.Barrier(runs)

    def run(name: str) -> None:
        try:
            with place.lease(name, renew_every=0.1) as held:
                all_tried.wait(30)
                held.fence()
                outcomes.append(name)
        except errors.BusyError as error:
            outcomes.append(error.holder)
            all_tried.wait(30)

    threads = [threading.Thread(target=run, args=(f"r{number}",)) for number in range(runs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    [winner] = [outcome for outcome in outcomes if outcome.startswith("r") and "run" not in outcome]
    assert sorted(outcomes) == sorted([winner, *[holder(winner).name] * (runs - 1)])


def test_of_many_threads_one_gets_it(anywhere: Place) -> None:
    race(anywhere, 6)


def test_the_first_runs_ever_make_the_container_between_them(place: Place) -> None:
    place.world.blob.containers.pop(APP_ACCOUNT, None)
    race(place, 4)


# A lease that ends under its holder


def check_that_another_has_it(place: Place, paused: BlobLease) -> None:
    with place.lease("r2") as other:
        for _ in range(2):
            with pytest.raises(LeaseLostError) as raised:
                paused.fence()
            assert str(holder("r2")) in str(raised.value)
        paused.__exit__(None, None, None)
        other.fence()
        assert place.metadata() == holder("r2").as_metadata()


def test_a_lease_that_ran_out_and_went_to_another_run_is_lost(place: Place) -> None:
    paused = place.lease("r1").__enter__()
    place.world.blob.expire_leases()
    check_that_another_has_it(place, paused)


@on_azurite
def test_a_lease_runs_out_on_real_storage_when_nobody_renews_it(anywhere: Place) -> None:
    left_alone = dataclasses.replace(anywhere, name=f"{anywhere.name}2")
    with left_alone.lease("r3", seconds=15) as held:
        paused = anywhere.lease("r1", seconds=15).__enter__()
        assert soon(lambda: anywhere.state() == left_alone.state() == "expired", 20)
        check_that_another_has_it(anywhere, paused)
        held.fence()
        assert left_alone.state() == "leased"


def test_a_lease_that_ran_out_and_that_nobody_took_still_holds(place: Place) -> None:
    with place.lease("r1") as held:
        place.world.blob.expire_leases()
        held.fence()
        assert place.state() == "leased"


def test_a_lease_is_renewed_while_its_run_lasts(place: Place) -> None:
    with place.lease("r1", renew_every=0.1):
        for _ in range(3):
            place.world.blob.expire_leases()
            assert soon(lambda: place.state() == "leased")
        with pytest.raises(errors.BusyError), place.lease("r2"):
            pass


def test_a_lost_lease_stays_lost_and_is_not_renewed_again(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    with place.lease("r1", renew_every=0.1) as held:
        with place.blob() as blob:
            BlobLeaseClient(blob).break_lease(0)
            blob.delete_blob()
            assert soon(lambda: "is lost" in caplog.text)
            blob.upload_blob(b"")
        with pytest.raises(LeaseLostError, match="answered 4"):
            held.fence()
        assert place.state() == "available"


def test_a_lease_that_an_operator_broke_is_lost_without_naming_this_run(place: Place) -> None:
    with place.lease("r1") as held:
        with place.blob() as blob:
            BlobLeaseClient(blob).break_lease(0)
        with pytest.raises(LeaseLostError, match=r"is lost: .* answered 409 LeaseIsBroken") as raised:
            held.fence()
        assert "r1" not in str(raised.value)


def test_a_lease_whose_blob_was_deleted_is_lost(place: Place) -> None:
    with place.lease("r1") as held:
        place.world.blob.containers[APP_ACCOUNT][CONTAINER].blobs.clear()
        with pytest.raises(LeaseLostError, match=r"is lost: .* answered 404 BlobNotFound"):
            held.fence()


# Trouble meanwhile


def test_an_answer_that_is_lost_on_its_way_does_no_harm(place: Place) -> None:
    with place.lease("r0"):
        pass
    place.fault(status=0, carried_out=True)
    with place.lease("r1") as held:
        place.fault(status=0, carried_out=True)
        held.fence()
        place.fault(status=503, code="ServerBusy")
        held.fence()
        place.fault(status=0, carried_out=True)
    assert (place.metadata(), place.state()) == ({}, "available")


def test_a_fence_lets_nobody_on_when_storage_does_not_answer(place: Place) -> None:
    with place.lease("r1") as held:
        place.fault(status=0, times=2)
        for _ in range(2):
            with pytest.raises(LeaseLostError, match="not known whether") as raised:
                held.fence()
    assert_no_secret(place, raised.value)


def test_a_fence_waits_for_a_mute_storage_a_short_time_only(place: Place) -> None:
    with place.lease("r1") as held:
        place.fault(delay=30, times=2)
        started = time.monotonic()
        with pytest.raises(LeaseLostError, match="does not answer"):
            held.fence()
        assert time.monotonic() - started < BOUND


def test_a_renewal_that_failed_is_tried_again_soon(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    with place.lease("r1", renew_every=0.1) as held:
        place.fault(status=503, code="ServerBusy", times=2)
        assert soon(lambda: "is not renewed yet" in caplog.text)
        place.world.blob.expire_leases()
        assert soon(lambda: place.state() == "leased")
        held.fence()


def test_a_lease_that_could_not_be_renewed_in_its_time_is_lost(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    with place.lease("r1", seconds=15, renew_every=0.1) as held:
        place.fault(status=503, code="ServerBusy", times=1000)
        assert soon(lambda: "not known whether" in caplog.text, 25)
        place.world.blob.faults.clear()
        with pytest.raises(LeaseLostError, match=r"not known whether .*: .* answered 503 ServerBusy"):
            held.fence()


def test_trouble_at_the_end_is_a_warning(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    with place.lease("r1"):
        place.fault(status=500, code="InternalError", times=10)
    assert "could not be released, and will expire" in caplog.text
    assert "answered 500 InternalError" in caplog.text


def test_a_lease_holds_although_nobody_could_be_told_whose_it_is(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    def watch(event: Event) -> None:
        if (event.action, event.phase) == ("acquire-lease", "after"):
            place.fault(status=503, code="ServerBusy", times=2)

    cancel = place.world.journal.subscribe(watch)
    with place.lease("r1") as held:
        cancel()
        assert "does not show its holder" in caplog.text
        held.fence()
        assert (place.metadata(), place.state()) == ({}, "leased")


# No lease to be had


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def mute() -> Iterator[int]:
    """A server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def refused(place: Place, storage: HostStorage) -> str:
    started = time.monotonic()
    with pytest.raises(LeaseUnavailableError) as raised, dataclasses.replace(place, storage=storage).lease("r1"):
        pass
    assert time.monotonic() - started < BOUND
    assert_no_secret(place, raised.value)
    return str(raised.value)


def assert_no_secret(place: Place, error: BaseException) -> None:
    values = place.world.secret_values()
    if place.storage.connection_string:
        values.append(place.storage.connection_string.reveal())
    assert not [value for value in values if value in as_logged(error)]


def by_key(port: int, key: str, scheme: str = "http") -> HostStorage:
    text = f"AccountName={ACCOUNT};AccountKey={key};BlobEndpoint={scheme}://127.0.0.1:{port}/{ACCOUNT}"
    return HostStorage(SecretText(text), None, None)


def by_sas(port: int, key: str) -> HostStorage:
    text = f"BlobEndpoint=http://127.0.0.1:{port}/{ACCOUNT};SharedAccessSignature=sv=2022-11-02&ss=b&sig={key}"
    return HostStorage(SecretText(text), None, None)


@pytest.mark.parametrize("storage", [by_key, by_sas])
def test_an_unreachable_storage_gives_no_lease(place: Place, storage: Callable[[int, str], HostStorage]) -> None:
    port, key = free_port(), place.world.account.keys["key1"]
    assert f"127.0.0.1:{port}/{ACCOUNT} does not answer" in refused(place, storage(port, key))


def test_a_mute_storage_gives_no_lease_in_bounded_time(place: Place) -> None:
    key = place.world.account.keys["key1"]
    with mute() as port, futures.ThreadPoolExecutor() as pool:
        for message in pool.map(lambda scheme: refused(place, by_key(port, key, scheme)), ("http", "https")):
            assert "does not answer" in message


def test_an_identity_without_a_role_gets_no_lease(place: Place) -> None:
    place.world.blob.authorizes = lambda *_asked: False
    assert "answered 403 AuthorizationPermissionMismatch" in refused(place, place.storage)


def test_an_identity_without_a_token_gets_no_lease(place: Place) -> None:
    place.world.identity.fail_with = 400
    assert "cannot sign in to" in refused(place, place.storage)


@on_azurite
def test_a_wrong_key_gives_no_lease(anywhere: Place) -> None:
    assert anywhere.storage.connection_string
    right, other = (anywhere.world.storage[name].keys["key1"] for name in (APP_ACCOUNT, ACCOUNT))
    wrong = anywhere.storage.connection_string.reveal().replace(right, other)
    # Azurite, where it takes tokens too, says that it is none.
    answers = ("answered 403", "answered 400 InvalidAuthenticationInfo")
    said = refused(anywhere, HostStorage(SecretText(wrong), None, None))
    assert any(answer in said for answer in answers)


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "AccountKey=c2VjcmV0",
        "AccountName=mine;AccountKey=not/base64!;BlobEndpoint=http://127.0.0.1:1/mine",
        "AccountName=mine;AccountKey=c2VjcmV0;BlobEndpoint=http://[127.0.0.1/mine",
        "AccountName=mine;AccountKey=c2VjcmV0;BlobEndpoint=http://127.0.0.1:99999/mine",
        "AccountName=mine;AccountKey=c2VjcmV0;BlobEndpoint=127.0.0.1",
        f"AccountName=mine;AccountKey=c2VjcmV0;BlobEndpoint=https://{'x' * 70}.invalid",
    ],
)
def test_a_malformed_connection_string_gives_no_lease(place: Place, text: str) -> None:
    with pytest.raises(LeaseUnavailableError) as raised:
        BlobLease(HostStorage(SecretText(text), None, None), "n", holder("r1"), place.credential).__enter__()
    assert "c2VjcmV0" not in as_logged(raised.value)
    assert "not/base64" not in as_logged(raised.value)


# To look takes nothing


def seen(run: str) -> Holder:
    """A holder as metadata have it."""
    return dataclasses.replace(holder(run), since=SINCE.replace(microsecond=0))


def test_a_look_tells_when_the_last_run_ended_that_was_completed_whatever_came_after_it(anywhere: Place) -> None:
    before = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    with anywhere.lease("r1"):
        assert anywhere.look().ended is None
    assert anywhere.look().ended is None  # it was not completed
    with anywhere.lease("r2") as held:
        held.completed()
    ended = anywhere.look().ended
    assert ended is not None
    assert before <= ended <= datetime.datetime.now(datetime.UTC)
    with anywhere.lease("r3") as held:
        assert held.ended == ended
        assert anywhere.look().ended == ended
    assert anywhere.look() == LeaseState(held=False, ended=ended)


@pytest.mark.parametrize("ended", ["", "soon", "2026-07-01T12:00:00", "0001-01-01T00:00:00Z"])
def test_a_time_that_no_run_wrote_is_none(place: Place, ended: str) -> None:
    with place.lease("r1"):
        pass
    with place.blob() as blob:
        blob.set_blob_metadata({"ended": ended})
    assert place.look().ended is None


def test_a_run_that_did_not_release_the_lease_is_told_to_the_next_one_and_to_no_other(anywhere: Place) -> None:
    with anywhere.lease("r1") as first:
        assert first.interrupted is None
    with anywhere.lease("r2") as second:
        assert second.interrupted is None
        metadata = anywhere.metadata()
    with anywhere.blob() as blob:  # as a process leaves it that is killed
        blob.set_blob_metadata(metadata)
    with anywhere.lease("r3") as third:
        assert third.interrupted == seen("r2")
    with anywhere.lease("r4") as fourth:
        assert fourth.interrupted is None


@pytest.mark.parametrize("since", ["", "soon", "2026-07-01T12:00:00", "0001-01-01T00:00:00Z"])
def test_metadata_that_no_run_wrote_are_no_interrupted_run(place: Place, since: str) -> None:
    with place.lease("r1"):
        pass
    with place.blob() as blob:
        blob.set_blob_metadata({"run": "r1", "trigger": "t", "host": "h", "since": since})
    with place.lease("r2") as held:
        assert held.interrupted is None


def test_a_look_tells_who_holds_the_lease_and_leaves_it_to_them(anywhere: Place) -> None:
    with anywhere.lease("r1") as held:
        assert anywhere.look() == LeaseState(held=True, holder=seen("r1"))
        held.fence()
    assert anywhere.look() == LeaseState(held=False)
    assert anywhere.state() == "available"


def test_where_no_run_ever_was_a_look_makes_nothing(place: Place) -> None:
    assert place.look() == LeaseState(held=False)
    assert not place.world.blob.containers.get(APP_ACCOUNT, {}).get(CONTAINER, Container()).blobs.get(place.name)
    containers = place.world.blob.containers.pop(APP_ACCOUNT, {})
    assert place.look() == LeaseState(held=False)
    assert not place.world.blob.containers[APP_ACCOUNT]
    place.world.blob.containers[APP_ACCOUNT] = containers


@on_azurite
def test_what_is_missing_on_real_storage_is_free(anywhere: Place) -> None:
    assert anywhere.look() == LeaseState(held=False)


def test_a_lease_that_ran_out_is_free_whoever_had_it(place: Place) -> None:
    with place.lease("r1"):
        place.world.blob.expire_leases()
        assert place.look() == LeaseState(held=False, interrupted=seen("r1"))


def test_a_lease_of_an_unknown_holder_is_held(anywhere: Place) -> None:
    with anywhere.lease("r0"):
        pass
    with anywhere.blob() as blob:
        lease = blob.acquire_lease(15)
        assert anywhere.look() == LeaseState(held=True)
        lease.release()


def test_a_look_at_a_mute_storage_takes_bounded_time(place: Place) -> None:
    with mute() as port:
        assert "does not answer" in unseen(place, by_key(port, place.world.account.keys["key1"]))


def test_an_identity_without_a_role_cannot_look(place: Place) -> None:
    place.world.blob.authorizes = lambda *_asked: False
    assert "answered 403" in unseen(place, place.storage)


def test_an_identity_without_a_token_cannot_look(place: Place) -> None:
    place.world.identity.fail_with = 400
    assert "cannot sign in to" in unseen(place, place.storage)


def test_settings_that_lead_nowhere_cannot_be_looked_at(place: Place) -> None:
    assert "is not a storage's connection string" in unseen(place, HostStorage(SecretText("nonsense"), None, None))


def unseen(place: Place, storage: HostStorage) -> str:
    started = time.monotonic()
    with pytest.raises(LeaseUnavailableError) as raised:
        dataclasses.replace(place, storage=storage).look()
    assert time.monotonic() - started < BOUND
    assert_no_secret(place, raised.value)
    return str(raised.value)


# Processes

HOLD = f"""
import datetime, sys
from rotator import errors
from rotator.azure import identity
from rotator.azure.host_storage import storage_settings
from rotator.azure.host_storage.blob_lease import BlobLease
from rotator.azure.host_storage.lease import Holder
import os
name, run = sys.argv[1:]
holder = Holder(run, "test", "abc", datetime.datetime.fromisoformat("{SINCE.isoformat()}"))
lease = BlobLease(storage_settings.find(os.environ), name, holder, identity.credential(None), renew_every=0.2)
print("ready", flush=True)
sys.stdin.readline()
try:
    with lease:
        print("got it", flush=True)
        sys.stdin.readline()
        lease.fence()
        print("still has it", flush=True)
except errors.RotatorError as error:
    print(error.code, error, flush=True)
"""


@contextlib.contextmanager
def process(place: Place, run: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that waits before it takes the lease, and again before it fences; it says how far it is."""
    command = [sys.executable, "-c", HOLD, place.name, run]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, env=environment(place.world), cwd=ROOT, stdin=pipe, stdout=pipe, text=True
    ) as started:
        try:
            assert hear(started) == "ready"
            yield started
        finally:
            started.kill()


def hear(one: "subprocess.Popen[str]") -> str:
    assert one.stdout
    return one.stdout.readline().strip()


def go_on(one: "subprocess.Popen[str]") -> None:
    assert one.stdin
    one.stdin.write("\n")
    one.stdin.flush()


def test_of_two_processes_one_gets_it(anywhere: Place) -> None:
    for _ in range(3):
        with process(anywhere, "r1") as one, process(anywhere, "r2") as two:
            go_on(one)
            go_on(two)
            heard = {"r1": hear(one), "r2": hear(two)}
            [winner] = [run for run, text in heard.items() if text == "got it"]
            [refusal] = [text for text in heard.values() if text != "got it"]
            assert refusal == f"BusyError a run is in progress: {holder(winner)}"
            last = one if winner == "r1" else two
            go_on(last)
            assert hear(last) == "still has it"
            assert last.wait(30) == 0


def test_a_paused_process_finds_out_that_another_has_it(place: Place) -> None:
    with process(place, "r1") as paused:
        go_on(paused)
        assert hear(paused) == "got it"
        os.kill(paused.pid, signal.SIGSTOP)
        place.world.blob.expire_leases()
        with place.lease("r2"):
            go_on(paused)
            os.kill(paused.pid, signal.SIGCONT)
            heard = hear(paused)
    assert heard.startswith("LeaseLostError")
    assert str(holder("r2")) in heard


def test_a_killed_process_keeps_others_out_until_its_lease_runs_out(place: Place) -> None:
    with process(place, "r1") as killed:
        go_on(killed)
        assert hear(killed) == "got it"
        killed.kill()
        killed.wait(30)
    with pytest.raises(errors.BusyError, match="run r1"), place.lease("r2"):
        pass
    place.world.blob.expire_leases()
    with place.lease("r2") as held:
        held.fence()
