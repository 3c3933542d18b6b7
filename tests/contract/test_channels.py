"""What each channel must do, on the sandbox's cluster: one list of cases, which a new channel joins in CHANNELS."""

import base64
import contextlib
import dataclasses
import datetime
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from rotator import sas
from rotator.delivery import live_secret
from rotator.delivery.errors import (
    ConflictError,
    KubernetesForbiddenError,
    NotOursError,
    SshError,
    TemplateError,
)
from rotator.delivery.interface import Channel, Connector, Delivery, SecretStore, Write, WriteMethod
from rotator.delivery.live_secret import LiveSecret
from rotator.delivery.manifest import DesiredSecret
from rotator.delivery.ssh.connection import SshConnector
from rotator.delivery.template import Values
from rotator.plan import loader
from rotator.plan.plan import Strategy, Target
from rotator.redaction import SecretText
from rotator.stopwatch import Stopwatch
from sandbox.kubernetes.client import Client
from sandbox.kubernetes.state import KubernetesApi, KubernetesFault
from sandbox.master.server import Master
from sandbox.options import Options
from sandbox.world import World
from tests.fakes import examples
from tests.fakes.examples import templated
from tests.fakes.through import NO_LEASE

CHANNELS: dict[str, Callable[[], Connector]] = {"ssh": SshConnector}
UNTIL = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=4)
STRATEGIES = [Strategy.RECREATE, Strategy.APPLY]


class Keys(SecretStore):
    """The keys that open the master."""

    def __init__(self, world: World) -> None:
        self._key = world.key_pair.private_text

    def secret(self, name: str) -> SecretText:
        return SecretText(self._key)


@dataclasses.dataclass
class UnderTest:
    """An open channel, the targets that it is tried with, and the cluster behind it."""

    channel: Channel
    world: World
    api: KubernetesApi
    targets: tuple[Target, ...]

    def read(self, *targets: Target) -> list[LiveSecret | Exception | None]:
        return list(self.channel.read(targets or self.targets))

    def held(self, target: Target) -> LiveSecret | None:
        (found,) = self.read(target)
        assert not isinstance(found, Exception)
        return found

    def writes(self, signature: str = "one") -> list[Write]:
        return [Write(target, self.held(target), desired(signature)) for target in self.targets]

    def write(self, *writes: Write, fence: Callable[[], None] = NO_LEASE.fence) -> list[Delivery | Exception]:
        return list(self.channel.write(writes, fence))

    def value(self, target: Target) -> str | None:
        """What a consumer reads; None without a Secret."""
        found = Client(self.world.cluster.administrator_kubeconfig).secret(target.namespace, target.secret)
        return base64.b64decode(found["data"]["secretKey"]).decode() if found else None

    def values(self) -> list[str | None]:
        return [self.value(target) for target in self.targets]


def token(signature: str) -> str:
    signed = base64.b64encode(f"the signature {signature:>18}".encode()).decode()
    return examples.token(sig=signed, se=f"{UNTIL:%Y-%m-%dT%H:%M:%SZ}")


def desired(signature: str) -> DesiredSecret:
    now = datetime.datetime.now(datetime.UTC)
    return DesiredSecret(sas.parse(SecretText(token(signature))), examples.LABEL, "a-run", now)


SEVERAL = templated({"cloud": "ACCOUNT={account}\nSAS={sas}\n", "url": "{url}", "query": "{sas_query}"})


def shaped(cluster: UnderTest, signature: str, **changes: Any) -> list[Write]:
    """Writes by templates, with a label and an annotation, to the same Secrets."""
    values = Values(desired(signature).sas, "mystorage", "https://mystorage.blob.core.windows.net")
    wanted = dataclasses.replace(desired(signature), values=values)
    form = {"data": SEVERAL.data, "labels": '{"team": "blue"}', "annotations": '{"note": "x"}'} | changes
    targets = (dataclasses.replace(target, **form) for target in cluster.targets)
    return [Write(target, cluster.held(target), wanted) for target in targets]


def stored(cluster: UnderTest, target: Target) -> dict[str, Any]:
    found = Client(cluster.world.cluster.administrator_kubeconfig).secret(target.namespace, target.secret)
    assert found
    return found | {"data": {name: base64.b64decode(text).decode() for name, text in found["data"].items()}}


@pytest.fixture
def one(cluster: UnderTest) -> UnderTest:
    """The same with a single target."""
    return dataclasses.replace(cluster, targets=cluster.targets[:1])


def methods(done: list[Delivery | Exception]) -> list[WriteMethod]:
    return [each.method for each in done if isinstance(each, Delivery)]


@pytest.fixture(scope="module")
def running() -> Iterator[World]:
    with World(Options()) as world:
        yield world


@contextlib.contextmanager
def connected(world: World, name: str, strategy: Strategy) -> Iterator[UnderTest]:
    assert isinstance(world.cluster, KubernetesApi)
    planned = dataclasses.replace(loader.load(world.settings).targets[0], strategy=strategy)
    targets = tuple(dataclasses.replace(planned, secret=f"storage-sas-{number}") for number in (1, 2, 3))
    with CHANNELS[name]().connect(planned.cluster, Keys(world), Stopwatch()) as channel:
        yield UnderTest(channel, world, world.cluster, targets)


@pytest.fixture(params=CHANNELS)
def channel_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=STRATEGIES, ids=str)
def cluster(running: World, channel_name: str, request: pytest.FixtureRequest) -> Iterator[UnderTest]:
    """A channel to a cluster without a Secret, in which nothing goes wrong."""
    Client(running.cluster.administrator_kubeconfig).delete_secrets("default")
    with connected(running, channel_name, request.param) as made:
        made.api.faults.clear()
        made.api.denied.clear()
        yield made
        made.api.faults.clear()
        made.api.denied.clear()


def test_steps_of_connecting_are_measured(running: World, channel_name: str) -> None:
    stopwatch = Stopwatch()
    planned = loader.load(running.settings).targets[0]
    with CHANNELS[channel_name]().connect(planned.cluster, Keys(running), stopwatch):
        assert list(stopwatch.laps) == ["vault", "connect"]


def test_secrets_are_created_read_and_replaced(cluster: UnderTest) -> None:
    assert cluster.read() == [None, None, None]
    assert methods(cluster.write(*cluster.writes())) == [WriteMethod.CREATE] * 3
    assert cluster.values() == [token("one")] * 3
    strategy = cluster.targets[0].strategy
    replaced = WriteMethod.RECREATE if strategy is Strategy.RECREATE else WriteMethod.UPDATE
    done = cluster.write(*cluster.writes("two"))
    assert methods(done) == [replaced] * 3
    assert cluster.values() == [token("two")] * 3
    for each, target in zip(done, cluster.targets, strict=True):
        assert isinstance(each, Delivery)
        assert each.previous
        assert each.previous.digests["secretKey"] != each.digest
        held = cluster.held(target)
        assert held
        assert held.ours
        assert held.annotations[live_secret.DIGEST] == each.digest == held.digests["secretKey"]


def test_secret_of_somebody_else_is_its_own_result(cluster: UnderTest) -> None:
    cluster.write(*cluster.writes())
    foreign = cluster.targets[1]
    Client(cluster.world.cluster.administrator_kubeconfig).delete_secrets("default")
    document = examples.document({"password": "hunter2"})
    document["metadata"] = {"name": foreign.secret, "namespace": foreign.namespace, "uid": "a-uid"}
    cluster.api.persist(document)
    found = cluster.read()
    assert isinstance(found[1], NotOursError)
    assert (found[0], found[2]) == (None, None)
    writes = [Write(target, None, desired("one")) for target in cluster.targets]
    done = cluster.write(*writes)
    assert isinstance(done[1], NotOursError)
    assert methods(done) == [WriteMethod.CREATE] * 2
    assert cluster.api.secrets["default", foreign.secret]["data"] == document["data"]


def test_what_others_write_between_reading_and_writing_is_kept(cluster: UnderTest) -> None:
    cluster.write(*cluster.writes())
    writes = cluster.writes("two")
    target = cluster.targets[0]
    changed = json.loads(json.dumps(cluster.api.secrets["default", target.secret]))
    changed["data"]["theirs"] = base64.b64encode(b"kept").decode()
    cluster.api.persist(changed)
    assert not [each for each in cluster.write(*writes) if isinstance(each, Exception)]
    assert cluster.values() == [token("two")] * 3
    assert cluster.api.secrets["default", target.secret]["data"]["theirs"] == changed["data"]["theirs"]


def test_secret_that_appears_after_reading_is_not_overwritten_unless_ours(cluster: UnderTest) -> None:
    writes = cluster.writes("two")
    cluster.write(*cluster.writes("one"))
    assert not [each for each in cluster.write(*writes) if isinstance(each, Exception)]
    assert cluster.values() == [token("two")] * 3


def test_refused_write_says_what_the_cluster_holds_and_stops_no_other(cluster: UnderTest) -> None:
    cluster.write(*cluster.writes())
    verb = "delete" if cluster.targets[0].strategy is Strategy.RECREATE else "update"
    cluster.api.faults.append(
        KubernetesFault(verb, 403, "Forbidden", 'secrets "x" is forbidden: User "rotator" cannot', dry_run=False)
    )
    done = cluster.write(*cluster.writes("two"))
    assert isinstance(done[0], KubernetesForbiddenError)
    assert "the Secret holds what it held before" in str(done[0])
    assert cluster.values() == [token("one"), token("two"), token("two")]


def test_fence_prevents_each_write_and_its_error_is_the_result(cluster: UnderTest) -> None:
    cluster.write(*cluster.writes())
    passed: list[int] = []

    def fence() -> None:
        passed.append(len(passed))
        if len(passed) == 2:
            raise ConflictError("another run may have begun")

    done = cluster.write(*cluster.writes("two"), fence=fence)
    assert isinstance(done[1], ConflictError)
    assert len(passed) == 3
    assert cluster.values() == [token("two"), token("one"), token("two")]


def test_each_result_is_there_before_the_next_write(cluster: UnderTest) -> None:
    results = cluster.channel.write(cluster.writes(), NO_LEASE.fence)
    assert isinstance(next(results), Delivery)
    assert cluster.value(cluster.targets[0]) == token("one")
    assert [type(each) for each in results] == [Delivery, Delivery]


def test_write_whose_answer_is_lost_is_confirmed_by_reading_it_back(cluster: UnderTest) -> None:
    cluster.write(*cluster.writes())
    verb = "create" if cluster.targets[0].strategy is Strategy.RECREATE else "update"
    cluster.api.faults.append(KubernetesFault(verb, dry_run=False, carried_out=True))
    done = cluster.write(*cluster.writes("two"))
    assert not [each for each in done if isinstance(each, Exception)]
    assert cluster.values() == [token("two")] * 3


def test_lost_connection_is_the_result_of_every_target_that_is_left(cluster: UnderTest) -> None:
    writes = cluster.writes()
    results = cluster.channel.write(writes, NO_LEASE.fence)
    assert isinstance(next(results), Delivery)
    master = cluster.world.master
    assert isinstance(master, Master)
    master.drop_connections()
    left = list(results)
    assert len(left) == 2
    assert all(isinstance(each, SshError) for each in left)
    assert cluster.values() == [token("one"), None, None]


def test_no_result_shows_a_value(cluster: UnderTest) -> None:
    done = cluster.write(*cluster.writes())
    shown = f"{done!r} {cluster.read()!r} {cluster.writes('two')!r}"
    for name in ("one", "two"):
        signature = token(name).partition("sig=")[2][:16]
        assert signature not in shown


def test_connector_without_the_right_key_opens_nothing(running: World, channel_name: str) -> None:
    class Others(SecretStore):
        def secret(self, name: str) -> SecretText:
            raise LookupError(name)

    planned = loader.load(running.settings).targets[0]
    opened: AbstractContextManager[Channel] = CHANNELS[channel_name]().connect(planned.cluster, Others(), Stopwatch())
    with pytest.raises(LookupError), opened:
        pass


def test_secret_with_several_data_keys_is_written_and_confirmed_as_a_whole(cluster: UnderTest) -> None:
    done = cluster.write(*shaped(cluster, "one"))
    assert methods(done) == [WriteMethod.CREATE] * 3
    for each, target in zip(done, cluster.targets, strict=True):
        found = stored(cluster, target)
        assert found["data"] == {
            "cloud": f"ACCOUNT=mystorage\nSAS={token('one')}\n",
            "url": f"https://mystorage.blob.core.windows.net/?{token('one')}",
            "query": f"?{token('one')}",
        }
        assert found["metadata"]["labels"]["team"] == "blue"
        assert found["metadata"]["annotations"]["note"] == "x"
        assert isinstance(each, Delivery)
        assert each.digest == found["metadata"]["annotations"][live_secret.DIGEST]
    shown = f"{done!r} {cluster.read()!r} {shaped(cluster, 'one')!r}"
    assert token("one").partition("sig=")[2][:16] not in shown


def test_secret_moves_from_one_data_key_to_several_and_back(one: UnderTest) -> None:
    one.write(*one.writes())
    assert not [each for each in one.write(*shaped(one, "two")) if isinstance(each, Exception)]
    assert all(set(stored(one, target)["data"]) == {"cloud", "url", "query"} for target in one.targets)
    assert not [each for each in one.write(*one.writes("three")) if isinstance(each, Exception)]
    assert one.values() == [token("three")]
    assert all(set(stored(one, target)["data"]) == {"secretKey"} for target in one.targets)


def test_data_key_and_label_that_are_no_longer_set_are_removed_and_those_of_others_stay(one: UnderTest) -> None:
    one.write(*shaped(one, "one"))
    target = one.targets[0]
    changed = json.loads(json.dumps(one.api.secrets["default", target.secret]))
    changed["data"]["theirs"] = base64.b64encode(b"kept").decode()
    one.api.persist(changed)
    fewer = shaped(one, "two", data='{"url": "{url}"}', labels="{}", annotations="{}")
    assert not [each for each in one.write(*fewer) if isinstance(each, Exception)]
    found = stored(one, target)
    assert set(found["data"]) == {"url", "theirs"}
    assert "team" not in found["metadata"]["labels"]
    assert "note" not in found["metadata"]["annotations"]


def test_other_type_is_written_by_either_strategy(one: UnderTest) -> None:
    one.write(*shaped(one, "one"))
    done = one.write(*shaped(one, "two", type="example.com/sas"))
    assert methods(done) == [WriteMethod.RECREATE]
    assert [stored(one, target)["type"] for target in one.targets] == ["example.com/sas"]


def test_template_that_needs_what_is_not_known_is_its_own_result_and_changes_nothing(cluster: UnderTest) -> None:
    cluster.write(*cluster.writes())
    writes = cluster.writes("two")
    writes[1] = dataclasses.replace(shaped(cluster, "two")[1], desired=desired("two"))
    done = cluster.write(*writes)
    assert isinstance(done[1], TemplateError)
    assert cluster.values() == [token("two"), token("one"), token("two")]
