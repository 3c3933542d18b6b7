"""Check and status by HTTP, as Azure's own runtime answers where there is one."""

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.functions.host import FunctionsHost
from sandbox.world import SECRET_NAME, World
from tests import secrets_in
from tests.integration.conftest import Cluster, functions_host, rotate

HTML = {"format": "html"}
CHANGES = {"set-definition", "regenerate-key", "create", "update", "delete", "put-blob"}


@pytest.fixture(scope="module")
def running(sandbox_world: World) -> Iterator[FunctionsHost]:
    with functions_host(sandbox_world) as host:
        yield host


@pytest.fixture
def host(world: World, running: FunctionsHost) -> FunctionsHost:
    """The same app for each test, in a world in which nothing goes wrong yet."""
    return running


@pytest.fixture(scope="module")
def unset(sandbox_world: World) -> Iterator[FunctionsHost]:
    """An app whose settings are wrong."""
    with functions_host(sandbox_world, KUBERNETES_DNS="not a host", SAS_VALIDITY="1h") as host:
        yield host


def check(host: FunctionsHost) -> tuple[int, Any]:
    answer = host.request("check", "POST", "/api/check")
    return answer["status"], json.loads(answer["body"])


def status(host: FunctionsHost, **query: str) -> tuple[int, Any]:
    answer = host.request("status", "GET", "/api/status", query=query)
    assert answer["headers"]["content-type"] == "application/json"
    return answer["status"], json.loads(answer["body"])


def page(host: FunctionsHost) -> tuple[int, str, dict[str, str]]:
    answer = host.request("status", "GET", "/api/status", query=HTML)
    return answer["status"], answer["body"], answer["headers"]


def delete(world: World) -> None:
    Cluster(world).kubectl("delete", "secret", SECRET_NAME)


# Check


def test_a_check_that_finds_all_in_place_is_answered_200(world: World, host: FunctionsHost) -> None:
    code, body = check(host)
    assert (code, body["failed"]) == (200, False)
    assert len(body["findings"]) > 10
    assert {finding["level"] for finding in body["findings"]} <= {"ok", "warning", "skipped"}


def test_a_check_that_finds_what_would_fail_is_answered_502_with_the_remedy(world: World, host: FunctionsHost) -> None:
    world.vault.permissions.discard("storage/setsas")
    code, body = check(host)
    assert (code, body["failed"]) == (502, True)
    failures = [finding for finding in body["findings"] if finding["level"] == "failure"]
    assert failures
    assert any("az keyvault set-policy" in finding["command"] for finding in failures)


def test_a_check_with_bad_settings_is_answered_500_with_each_problem(unset: FunctionsHost) -> None:
    code, body = check(unset)
    assert (code, body["error"]) == (500, "SettingsError")
    assert all(name in body["message"] for name in ("KUBERNETES_DNS", "SAS_VALIDITY"))


# Status


def test_status_is_200_when_every_target_is_fresh(world: World, host: FunctionsHost) -> None:
    report = rotate(world)
    code, body = status(host)
    assert (code, body["well"]) == (200, True)
    [target] = body["targets"]
    assert (target["state"], target["run"]) == ("fresh", report.run)
    assert target["expires"] == Cluster(world).annotation("expires")
    assert status(host, format="json")[0] == 200


def test_status_is_503_when_somebody_must_see_to_it(world: World, host: FunctionsHost) -> None:
    rotate(world)
    delete(world)
    code, body = status(host)
    assert (code, body["well"], body["targets"][0]["state"]) == (503, False, "drift")


def test_status_with_bad_settings_is_500_with_each_problem(unset: FunctionsHost) -> None:
    code, body = status(unset)
    assert (code, body["error"]) == (500, "SettingsError")
    assert "KUBERNETES_DNS" in body["message"]


@pytest.mark.parametrize("format_", ["xml", "HTML", "", "json,html", "<script>"])
def test_another_format_is_refused_before_anything_is_asked(world: World, host: FunctionsHost, format_: str) -> None:
    seen = len(world.journal.events())
    answer = {"error": "BadRequest", "message": "format must be json or html"}
    assert status(host, format=format_) == (400, answer)
    assert len(world.journal.events()) == seen


def test_neither_check_nor_status_changes_anything(world: World, host: FunctionsHost) -> None:
    rotate(world)
    held, minted, seen = Cluster(world).secret(), len(world.vault.minted), len(world.journal.events())
    check(host)
    status(host)
    page(host)
    done = {event.action for event in world.journal.events()[seen:] if event.phase == "after"}
    assert done & CHANGES == set()
    assert Cluster(world).secret() == held
    assert len(world.vault.minted) - minted <= 1  # what a check tries on storage, and keeps nowhere


# The page


def test_the_page_says_the_same_and_is_200_for_whoever_looks_at_it(world: World, host: FunctionsHost) -> None:
    rotate(world)
    code, fresh, _ = page(host)
    assert code == 200
    assert "All fresh" in fresh
    delete(world)
    code, drifted, _ = page(host)
    assert code == 200
    assert "1 of 1 target needs attention" in drifted
    assert "drift: somebody deleted the Secret" in drifted


def test_the_pages_headers_keep_it_to_itself(world: World, host: FunctionsHost) -> None:
    rotate(world)
    _, body, headers = page(host)
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    style = body.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = [part.strip() for part in headers["content-security-policy"].split(";")]
    assert {"default-src 'none'", f"style-src 'sha256-{digest}'", "frame-ancestors 'none'"} <= set(policy)


def test_the_page_of_a_status_that_is_not_known_is_500_with_the_same_headers(unset: FunctionsHost) -> None:
    code, body, headers = page(unset)
    assert code == 500
    assert "The status is not known" in body
    assert "KUBERNETES_DNS" in body
    assert (headers["cache-control"], headers["referrer-policy"]) == ("no-store", "no-referrer")
    assert headers["content-security-policy"].startswith("default-src 'none'")


def test_what_others_wrote_into_the_secret_is_inert_on_the_page(world: World, host: FunctionsHost) -> None:
    rotate(world)
    Cluster(world).kubectl("annotate", "--overwrite", "secret", SECRET_NAME, "rotator/run=<img src=x onerror=alert(1)>")
    _, body, _ = page(host)
    assert "<img" not in body
    assert "&lt;img src=x onerror=alert(1)&gt;" in body


def test_no_answer_and_no_line_of_the_log_holds_a_secret(world: World, host: FunctionsHost) -> None:
    rotate(world)
    output = f"{check(host)}{status(host)}{page(host)}" + "\n".join(host.log)
    assert not secrets_in.found(world, output, Cluster(world).value())
