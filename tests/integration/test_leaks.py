"""Nothing that a run emits holds a secret: output, logs, reports, exceptions, processes and files on the master."""

import base64
import contextlib
import dataclasses
import functools
import json
import logging
import os
import threading
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import ContainerClient

from rotator import app
from rotator.plan.resource_id import FUNCTION_APP, ResourceId
from sandbox.functions.host import FunctionsHost
from sandbox.kubernetes.state import KubernetesApi, KubernetesFault
from sandbox.server.faults import Fault
from sandbox.server.journal import Event
from sandbox.world import ACCOUNT, APP_ACCOUNT, PASSPHRASE_SECRET, SECRET_NAME, World
from tests import secrets_in, surroundings
from tests.fakes.deployment import STATUS
from tests.integration.conftest import (
    ROOT,
    STACKS,
    Cluster,
    Keys,
    command_line,
    environment,
    functions_host,
    options_for,
    regenerate,
    revoke,
    rotate,
    settings_for,
    start_worker,
)

CONTAINER = "rotation-reports"
PASSWORD = "correct horse battery staple"
TEMPLATES = {
    "cloud": f"ACCOUNT={{account}}\nSAS={{sas}}\nBEFORE={{previous}}\nPASSWORD={PASSWORD}\n",
    "connection": "{connection_string}",
    "url": "{url}",
    "query": "{sas_query}",
}


class ProcessList:
    """What `ps` and /proc show of every process: of a new one every few milliseconds, of the others now and then.

    A process may become another program for as long as it runs, but mostly does so when it is new.
    """

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self._stop = threading.Event()

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        thread = threading.Thread(target=self._watch)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _watch(self) -> None:
        looks: Counter[str] = Counter()
        while not self._stop.wait(0.004):  # the shortest that matter, kubectl's, live for ten times as long
            with os.scandir("/proc") as found:
                processes = [each.name for each in found if each.name.isdigit()]
            for process in processes:
                looks[process] += 1
                if looks[process] <= 25 or looks[process] % 50 == 1:
                    with contextlib.suppress(OSError):
                        self.seen.add(Path("/proc", process, "cmdline").read_bytes().decode(errors="replace"))


def test_the_search_for_leaks_finds_what_leaks(world: World) -> None:
    rotate(world)
    sas = Cluster(world).value()

    assert secrets_in.found(world, f"a log line with {sas} in it")
    assert secrets_in.found(world, f"a manifest with {base64.b64encode(sas.encode()).decode()} in it")
    assert secrets_in.found(world, f"a URL with {urllib.parse.quote(sas, safe='')} in it")
    assert not secrets_in.found(world, "a log line without")


@pytest.mark.parametrize("options", STACKS)
def test_no_run_emits_a_secret(
    options: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    everything = dataclasses.replace(options_for(options), passphrase=True, webhook=True, directory=tmp_path)
    processes = ProcessList()
    with World(everything) as world, processes.watching():
        world.settings["REPORT_CONTAINER"] = CONTAINER
        surroundings.enter(world, monkeypatch)
        emitted = "".join(scenario(world, caplog))
        on_disk = written(tmp_path / "master")
        secrets = world.secret_values()
        assert len(world.vault.minted) >= 5
        assert secrets_in.found(world, emitted) == []
        assert [form for form in secrets_in.forms(PASSWORD) if form in emitted] == []
        # The real API server has no admission webhook here; another test gives it one.
        assert ("denied the request" in emitted) is isinstance(world.cluster, KubernetesApi)
        # The process list holds the sandbox too, which passes no secret by arguments either.
        assert secrets_in.found(world, "\n".join(processes.seen)) == []
        assert secrets_in.found(world, on_disk) == []
    assert any("kubectl" in line and "create" in line for line in processes.seen)
    assert len(secrets) > 10


def test_no_run_with_templates_emits_what_they_make(world: World, caplog: pytest.LogCaptureFixture) -> None:
    shaped: dict[str, Any] = {
        "KUBERNETES_SECRET_DATA": json.dumps(TEMPLATES),
        "KUBERNETES_SECRET_LABELS": "team: blue",
        "REPORT_CONTAINER": CONTAINER,
    }
    held: list[str] = []
    processes = ProcessList()
    with processes.watching():
        emitted = "".join(templated(world, held, shaped))
        emitted += "".join(talkative(caplog, functools.partial(rotate, **shaped), world))
        emitted += "".join(in_the_sandbox(world))
    values = [value for value in held if value != ACCOUNT]
    assert len(values) > 3 * len(TEMPLATES)
    assert "denied the request" in emitted
    for shown in (emitted, "\n".join(processes.seen)):
        assert secrets_in.found(world, shown) == []
        assert [value[:9] for value in values if any(form in shown for form in secrets_in.forms(value))] == []
    assert PASSWORD not in emitted  # other programs here may have that text in their arguments


def templated(world: World, held: list[str], settings: Mapping[str, Any]) -> Iterator[str]:
    """Runs and looks with these templates, a webhook that quotes all values included; collects what was `held`."""
    for arguments in (("rotate", "-v"), ("rotate", "--force", "--json", "-v"), ("plan", "--json"), ("check", "-v")):
        yield output_of(world, *arguments, **settings)
        held += clear_values(world)
    yield output_of(world, "status", "--json", "-v", **settings)
    assert isinstance(world.cluster, KubernetesApi)
    for dry_run in (True, False):
        refusal = 'admission webhook "policy.example.com" denied the request: '
        fault = KubernetesFault("create", 403, "", refusal, dry_run=dry_run, quotes=everything_in)
        world.cluster.faults.append(fault)
        # What is refused after the dry run is tried again.
        yield output_of(world, "rotate", "--force", "--debug", code=int(dry_run), **settings)
        recover(world)
    wrong: dict[str, Any] = {"KUBERNETES_SECRET_DATA": settings["KUBERNETES_SECRET_DATA"].replace("{sas}", "{token}")}
    yield output_of(world, "rotate", code=2, **{**settings, **wrong})
    held += clear_values(world)


def clear_values(world: World) -> list[str]:
    return [base64.b64decode(value).decode() for value in (Cluster(world).secret() or {})["data"].values()]


def test_nothing_that_is_done_to_keys_emits_a_secret(stack: World, caplog: pytest.LogCaptureFixture) -> None:
    retired = len(stack.account.retired_keys)
    with keeping(stack) as kept:
        emitted = "".join((*on_keys(stack), *talkative(caplog, regenerate, stack), *talkative(caplog, revoke, stack)))
    assert "listKeys" in emitted
    assert secrets_in.found(stack, emitted) == []
    assert secrets_in.found(stack, "".join(kept)) == []
    assert len(stack.account.retired_keys) - retired >= 6
    assert any("rotator-pending" in each for each in kept)


def test_no_onboarding_emits_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    options = dataclasses.replace(options_for("sandbox"), onboarded=False, passphrase=True, webhook=True)
    processes = ProcessList()
    with World(options) as world, processes.watching():
        surroundings.enter(world, monkeypatch)
        emitted = "".join(onboardings(world))
        settings = world.resource_manager.sites[world.function_app_id].app_settings
        assert world.webhook
        assert settings["NOTIFY_WEBHOOK_URL"] == world.webhook.url
        assert PASSPHRASE_SECRET in world.vault.secrets.secrets
        assert secrets_in.found(world, emitted) == []
        assert secrets_in.found(world, "\n".join(processes.seen)) == []


def test_no_end_of_a_deployment_emits_a_secret(world: World, caplog: pytest.LogCaptureFixture) -> None:
    processes = ProcessList()
    with processes.watching():
        emitted = "".join(deployments(world, caplog))
    assert "functions are listed" in emitted
    assert len(world.deployed.secret_values()) > 2
    assert secrets_in.found(world, emitted) == []
    assert secrets_in.found(world, "\n".join(processes.seen)) == []


def deployments(world: World, caplog: pytest.LogCaptureFixture) -> Iterator[str]:
    """What the end of a deployment says: with the app itself, with one that quotes its key, and when it fails."""

    def ask(*options: str, code: int = 0) -> str:
        words = ("finish-deployment", "--timeout", "1", *options)
        return output_of(world, *words, code=code, FUNCTION_APP_ID=world.function_app_id)

    world.start_app(ROOT, environment(world), start_worker())
    try:
        world.site.prepared["GET", "/api/status"] = [(200, STATUS)]
        yield ask("-v")
        yield ask("--json")
        yield from talkative(caplog, finish_deployment, world)
    finally:
        world.stop_app()
    key = world.deployed.keys_of("rotate_now")["default"]
    quoting = {"error": "VaultError", "message": f"refused: {key}", "remedy": key}
    world.site.prepared["POST", "/api/rotate"] = [(500, quoting)]
    yield ask("--debug", code=1)
    yield ask("--json", code=1)
    del world.site.prepared["POST", "/api/rotate"]
    yield ask("--debug", code=1)  # nothing answers
    world.deployed.fail(f"'%X%' does not resolve to a value. AccountKey={world.account.keys['key1']}")
    yield ask("--json", "-v", code=4)


def finish_deployment(world: World, *, forced: bool) -> None:
    resource = ResourceId.parse(world.function_app_id, FUNCTION_APP)
    with app.deployment(resource, lambda _line: None, seconds=1, environment=settings_for(world)) as deployment:
        deployment.finish()


def onboardings(world: World) -> Iterator[str]:
    """What onboarding says: of what it would do, does, finds done, does again in part, and of what stops it."""
    ids = {
        "STORAGE_ACCOUNT_ID": world.account.resource_id,
        "KEY_VAULT_ID": world.vault_id,
        "FUNCTION_APP_ID": world.function_app_id,
        "AzureWebJobsStorage": connection_string(world, APP_ACCOUNT),
    }
    yield output_of(world, "onboard", "--dry-run", code=0, **ids)
    yield output_of(world, "onboard", code=1, **ids)  # nobody is there to agree
    yield output_of(world, "onboard", "--yes", "--json", "-v", code=0, **ids)
    yield output_of(world, "onboard", "--yes", "--json", code=0, **ids)
    settings = world.resource_manager.sites[world.function_app_id].app_settings
    del settings["NOTIFY_WEBHOOK_URL"], settings["KUBERNETES_SECRET_NAME"]
    yield output_of(world, "onboard", "--yes", "-v", code=0, **ids)
    world.resource_manager.faults.append(Fault(status=500, code="Boom", times=99))
    yield output_of(world, "onboard", "--yes", "--debug", code=1, **ids)


def scenario(world: World, caplog: pytest.LogCaptureFixture) -> Iterator[str]:
    """Everything that rotations and looks say in all their ways, when they work and when they don't."""
    for arguments in (["rotate"], ["plan", "--json"], ["rotate", "--force", "--json", "-v"], ["rotate", "--force"]):
        yield output_of(world, *arguments)
    for arguments in (["check", "-v"], ["status", "-v"], ["history", "-v"]):
        yield output_of(world, *arguments)
    with functions_host(world, PYTHON_ENABLE_DEBUG_LOGGING="1") as host:
        yield str(host.fire_timer("rotate_on_schedule"))
        yield str(host.request("rotate_now", "POST", "/api/rotate"))
        yield str(host.request("rotate_due", "POST", "/api/rotate-due"))
        yield str(host.request("ready", "GET", "/api/ready"))
        yield from looks(host)
        world.vault.faults.append(Fault(path="/secrets/", status=403, code="Forbidden", times=99))
        yield from looks(host)
        recover(world)
        for spoil in failures(world):
            spoil()
            yield str(host.request("rotate_now", "POST", "/api/rotate"))
            recover(world)
        yield "\n".join(host.log)
    yield from talkative(caplog, rotate, world)
    yield from talkative(caplog, look, world)
    yield from debugging(world)
    yield output_of(world, "history", "--json")
    yield from published(world)


def output_of(world: World, *arguments: str, code: int = 0, **settings: str) -> str:
    done = command_line(world, *arguments, **settings)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def looks(host: FunctionsHost) -> Iterator[str]:
    """What a check and the status answer, the page too."""
    yield str(host.request("check", "POST", "/api/check"))
    yield str(host.request("status", "GET", "/api/status"))
    yield str(host.request("status", "GET", "/api/status", query={"format": "html"}))


def look(world: World, *, forced: bool) -> None:
    app.check(environment=settings_for(world))
    app.status(environment=settings_for(world))


def debugging(world: World) -> Iterator[str]:
    """Tracebacks: of a vault that refuses, of an archive that does not know, of settings."""
    world.vault.permissions.discard("storage/get")
    for arguments, settings in (
        (("revoke", "--no-lease"), {}),
        (("history", "20261124T043505Z-ec886b"), {}),
        (("history",), {"AzureWebJobsStorage": connection_string(world, APP_ACCOUNT).replace(";", "&")}),
    ):
        shown = output_of(world, *arguments, "--debug", code=1, **settings)
        assert "Traceback" in shown
        yield shown
    world.vault.permissions.add("storage/get")


def published(world: World) -> Iterator[str]:
    """What stays with others: messages in the chat, reports in the archive."""
    assert world.webhook
    assert len(world.webhook.received) >= 3
    yield str(world.webhook.received)
    kept = list(in_azurite(world) if world.azurite else in_the_sandbox(world))
    assert len(kept) >= 8
    yield "".join(kept)


def in_the_sandbox(world: World) -> Iterator[str]:
    for name, blob in world.blob.containers[APP_ACCOUNT][CONTAINER].blobs.items():
        yield f"{name} {blob.metadata} {blob.data.decode()}"


def in_azurite(world: World) -> Iterator[str]:
    with ContainerClient.from_connection_string(connection_string(world, APP_ACCOUNT), CONTAINER) as container:
        for blob in container.list_blobs(include=["metadata"]):
            yield f"{blob.name} {blob.metadata} {container.download_blob(blob.name).readall().decode()}"


def talkative(caplog: pytest.LogCaptureFixture, act: Callable[..., object], world: World) -> Iterator[str]:
    """With every library at its most talkative: urllib3 logs request lines, and with them the SAS that is tried."""
    with contextlib.ExitStack() as stack:
        for name in (None, "azure.core.pipeline.policies.http_logging_policy", "azure.identity", "paramiko"):
            stack.enter_context(caplog.at_level(logging.DEBUG, name))
        act(world, forced=True)
    assert "urllib3" in caplog.text
    yield caplog.text


def on_keys(world: World) -> Iterator[str]:
    """Everything that is said of keys, when they are regenerated and when that is refused."""
    rotate(world)
    Keys(world).age(days=1)
    own, lease = ({"AzureWebJobsStorage": connection_string(world, account)} for account in (ACCOUNT, APP_ACCOUNT))
    spoilt = {"AzureWebJobsStorage": lease["AzureWebJobsStorage"].replace(";", "&")}
    for code, arguments, settings in (
        (0, ("rotate", "--regenerate-key", "--json", "-v"), {}),
        (1, ("rotate", "--regenerate-key", "-v"), {}),
        (0, ("revoke", "-v"), {}),
        (1, ("revoke", "--json", "-v"), own),
        (1, ("revoke", "-v"), spoilt),
        (0, ("rotate", "--force", "-v"), spoilt),
        (0, ("plan", "--json", "-v"), lease),
    ):
        yield output_of(world, *arguments, code=code, **settings)
    with functions_host(world, PYTHON_ENABLE_DEBUG_LOGGING="1") as host:
        for function, body in (("rotate_now", '{"regenerate_key": true}'), ("revoke_now", "")):
            yield str(host.request(function, "POST", "/api/", body))
        world.vault.faults.append(Fault(method="POST", status=503, code="Unavailable", carried_out=True))
        yield str(host.request("revoke_now", "POST", "/api/revoke"))
        yield "\n".join(host.log)


def connection_string(world: World, account: str) -> str:
    if world.azurite:
        return world.azurite.connection_string(account)
    key = world.storage[account].keys["key1"]
    return f"AccountName={account};AccountKey={key};BlobEndpoint={world.blob.url(account)}"


@contextlib.contextmanager
def keeping(world: World) -> Iterator[list[str]]:
    """What the services keep of each run beside what they are asked to: tags, and the lease's metadata."""
    kept: list[str] = []

    def look(event: Event) -> None:
        if event.action in {"set-definition", "set-metadata"} and event.phase == "after":
            kept.append(str(Keys(world).record.definitions))
            kept.append(str(world.blob.containers.get(APP_ACCOUNT)))

    cancel = world.journal.subscribe(look)
    try:
        yield kept
    finally:
        cancel()


def failures(world: World) -> Iterator[Callable[[], None]]:
    yield functools.partial(world.vault.faults.append, Fault(path="/secrets/", status=403, code="Forbidden"))
    yield functools.partial(world.blob.faults.append, Fault(status=0, times=9))
    yield lambda: setattr(world.vault, "tamper", lambda token: token.replace("sp=rwu", "sp=r"))
    if isinstance(world.cluster, KubernetesApi):
        cluster = world.cluster
        echo = "the server quotes what it was sent: " + base64.b64encode(Cluster(world).value().encode()).decode()
        for dry_run in (True, False):
            fault = KubernetesFault("create", status=400, reason="BadRequest", message=echo, dry_run=dry_run)
            yield functools.partial(cluster.faults.append, fault)
            refusal = 'admission webhook "policy.example.com" denied the request: '
            fault = KubernetesFault("create", 403, "", refusal, dry_run=dry_run, quotes=everything_in)
            yield functools.partial(refuse_beside, cluster, fault)


def refuse_beside(cluster: KubernetesApi, fault: KubernetesFault) -> None:
    """Somebody keeps a password beside our value; a webhook refuses both in its own words."""
    encoded = base64.b64encode(PASSWORD.encode()).decode()
    cluster.secrets["default", SECRET_NAME]["data"]["password"] = encoded
    cluster.faults.append(fault)


def everything_in(secret: dict[str, Any]) -> str:
    """What the Secret holds, in clear and encoded, and signatures without their name."""
    clear = [base64.b64decode(value).decode() for value in secret["data"].values()]
    signatures = [value.partition("sig=")[2] for value in clear]
    return " and ".join([*clear, *map(urllib.parse.unquote, signatures), *signatures, *secret["data"].values()])


def recover(world: World) -> None:
    world.vault.faults.clear()
    world.blob.faults.clear()
    world.vault.tamper = None
    if isinstance(world.cluster, KubernetesApi):
        world.cluster.faults.clear()


def written(directory: Path) -> str:
    """What files there are on the master, but for those that make it one."""
    return "".join(
        path.read_text(errors="replace")
        for path in directory.rglob("*")
        if path.is_file() and "host" not in path.name and "key" not in path.name
    )
