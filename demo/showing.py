"""`make demo`: the timer rotates, a blob is read with the SAS from the cluster's Secret, HTTP forces a new one."""

import base64
import json
import os
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from sandbox import programs
from sandbox.functions.host import FunctionsHost
from sandbox.options import Options
from sandbox.world import World

# What a process needs of its surroundings. The caller's settings, identity and proxies are for another deployment.
KEPT = ("PATH", "HOME", "TMPDIR", "LANG", "LANGUAGE", "TZ", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
ROOT = Path(__file__).resolve().parent.parent
console = Console(highlight=False, soft_wrap=True)


def main() -> int:
    """Run the demonstration; the exit code is 0 only if each step showed what it should."""
    try:
        programs.require_kubectl()
    except programs.MissingProgramError as error:
        console.print(f"[red]{error}[/]")
        return 2
    step("Starting the sandbox: managed identity, Key Vault, blob storage, SSH master, Kubernetes API")
    with World(Options()) as world:
        environment = {**{name: os.environ[name] for name in KEPT if name in os.environ}, **world.settings}
        console.print(f"  vault    {world.settings['KEYVAULT_BASEURL']}")
        console.print(f"  storage  {world.settings['STORAGE_BLOB_ENDPOINT']}")
        console.print(f"  master   {world.settings['KUBERNETES_SSH_USERNAME']}@127.0.0.1:{world.master.port}")
        with FunctionsHost(ROOT, environment) as host:
            return rotate_twice(world, host)


def rotate_twice(world: World, host: FunctionsHost) -> int:
    """Rotate by timer, use the SAS, rotate by HTTP, use the new one."""
    step(f"The timer fires ({host.engine}, Python {sys.version_info.major}.{sys.version_info.minor})")
    fired = host.fire_timer("rotate_on_schedule")
    first = report_of(host.log)
    show(first)
    old = secret(world)
    worked = [fired["ok"], uses(world, old)]

    step("POST /api/rotate forces a rotation")
    answer = host.request("rotate_now", "POST", "/api/rotate")
    console.print(f"  HTTP {answer['status']}")
    show(json.loads(answer["body"]))
    new = secret(world)
    changed = new != old
    console.print(f"  the Secret changed: {'yes' if changed else '[red]no[/]'}")
    worked += [answer["status"] == 200, changed, uses(world, new)]

    step("GET /api/status says what the cluster holds, POST /api/check whether all is well")
    worked += [well(host, "status", "GET"), well(host, "check", "POST")]

    step("The sandbox stops; nothing is left behind")
    return 0 if all(worked) else 1


def secret(world: World) -> str:
    """Read the SAS out of the cluster's Secret, as a pod would."""
    held = world.read_secret("default", world.settings["KUBERNETES_SECRET_NAME"])
    return base64.b64decode(held["data"]["secretKey"]).decode() if held else ""


def uses(world: World, sas: str) -> bool:
    """Read a picture from storage with that SAS."""
    status = world.blob_status(sas)
    console.print(f"  reading pictures/hello.png with the SAS from the Secret: HTTP {status}")
    return status == 200


def well(host: FunctionsHost, function: str, method: str) -> bool:
    """Request a page, and print how each target is, or how many findings there are of each level."""
    answer = host.request(function, method, f"/api/{function}")
    body = json.loads(answer["body"])
    levels = [finding["level"] for finding in body.get("findings", [])]
    summary = [f"{levels.count(level)} {level}" for level in dict.fromkeys(levels)]
    summary += [
        f"{each['target']} {each['state']}, for {each['seconds_to_expiry']} s" for each in body.get("targets", [])
    ]
    console.print(f"  HTTP {answer['status']}: {', '.join(summary)}")
    return bool(answer["status"] == 200)


def report_of(log: list[str]) -> dict[str, Any]:
    """Find the run's report in the function's log."""
    lines = [line.partition(" report ")[2] or line.partition(": report ")[2] for line in log]
    return dict(json.loads(next(line for line in reversed(lines) if line.startswith("{"))))


def show(report: dict[str, Any]) -> None:
    """Print the report's essence."""
    for target in report["targets"]:
        colour = "red" if target["outcome"] == "failed" else "green"
        console.print(f"  [{colour}]{target['outcome']}[/] {target['target']}: {target.get('reason', '')}")
        for name in ("act", "proof", "fingerprint", "expires", "error", "message", "remedy"):
            if target.get(name):
                console.print(f"    {name:<12}{target[name]}")
        console.print(
            f"    {'seconds':<12}" + ", ".join(f"{name} {value}" for name, value in target["seconds"].items())
        )


def step(title: str) -> None:
    """Print a heading."""
    console.print(f"\n[bold]{title}[/]")
