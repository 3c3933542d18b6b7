"""`make bench`: figures and ratios against named baselines, from one run; nothing is asserted."""

import argparse
import dataclasses
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench import gap, imports, key_rotation, operate, package, shapes
from bench.shapes import NAME, Bench
from rotator import app
from rotator.plan import loader
from rotator.plan.plan import Strategy
from sandbox import programs
from sandbox.options import Options
from sandbox.world import World

Way = Callable[[], None]
BASELINE = "original sample's shape (baseline)"
RECREATE = "ours, recreate"
PLAIN = "plain ssh, same kubectl work"


def main() -> None:
    """Measure everything and print it."""
    arguments = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    arguments.add_argument("--rounds", type=int, default=15, help="times each way is measured (default 15)")
    arguments.add_argument(
        "--ansible", default=shutil.which("ansible-playbook"), help="ansible-playbook, if there is one"
    )
    chosen = arguments.parse_args()
    with World(options()) as world:
        os.environ.update(world.settings)
        rotation(world, chosen.rounds)
        bench = prepare(world)
        delivery(bench, chosen.rounds, chosen.ansible)
        gaps(bench, chosen.rounds)
        key_rotation.show(world)
        operate.show(world, chosen.rounds)
    cold_start()
    with tempfile.TemporaryDirectory() as directory:
        package.show(Path(directory))


def options() -> Options:
    """Take the real sshd and API server where they are, and say so."""
    found = Options()
    try:
        programs.require_sshd()
        found.sshd = True
    except programs.MissingProgramError as missing:
        print(f"with the sandbox's own SSH master, as {missing}")
    try:
        found.envtest = programs.envtest_assets("")
    except programs.MissingProgramError as missing:
        print(f"with the sandbox's own Kubernetes API, as {missing}")
    print(f"SSH master: {'OpenSSH' if found.sshd else 'own'}; API server: {'real' if found.envtest else 'own'}")
    return found


def prepare(world: World) -> Bench:
    """Make the key and host key files that command-line clients want, and a Secret to replace."""
    target = dataclasses.replace(loader.load(world.settings).targets[0], secret=NAME, adopt=True)
    key_file = world.directory / "bench-key"
    key_file.touch(mode=0o600)
    key_file.write_text(world.key_pair.private_text)
    known_hosts = world.directory / "bench-known-hosts"
    scan = ["ssh-keyscan", "-p", str(target.cluster.port), target.cluster.host]
    known_hosts.write_text(subprocess.run(scan, capture_output=True, text=True, check=True).stdout)
    kubectl = ["kubectl", "--kubeconfig", str(world.cluster.kubeconfig)]
    subprocess.run(
        [*kubectl, "create", "secret", "generic", NAME, "--from-literal=secretKey=x"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return Bench(world, target, key_file, known_hosts)


def rotation(world: World, rounds: int) -> None:
    """Print how long a forced rotation takes, and its parts."""
    laps: dict[str, list[float]] = {}
    for _ in range(rounds):
        began = time.perf_counter()
        report = app.rotate(trigger="bench", forced=True, environment=world.settings)
        laps.setdefault("whole", []).append(time.perf_counter() - began)
        for step, seconds in report.targets[0].seconds.items():
            laps.setdefault(step, []).append(seconds)
    print("\nA forced rotation, milliseconds (median), and its part of the whole")
    whole = statistics.median(laps["whole"])
    names = {"vault": "SSH key from the vault", "connect": "SSH connection", "observe": "first look (kubectl)"}
    names |= {
        "issue": "definition and SAS from the vault",
        "prove": "proof on storage",
        "deliver": "delivery (kubectl)",
    }
    for step, taken in laps.items():
        row(names.get(step, step), statistics.median(taken), whole)


def main_ways(bench: Bench) -> dict[str, Way]:
    """Give the baseline and our two strategies."""
    return {
        BASELINE: lambda: shapes.original(bench),
        RECREATE: lambda: shapes.ours(bench, Strategy.RECREATE),
        "ours, apply": lambda: shapes.ours(bench, Strategy.APPLY),
    }


def delivery(bench: Bench, rounds: int, ansible: str | None) -> None:
    """Print the ways of delivering, each round one of each, so that the machine's moods hit all alike."""
    ways = main_ways(bench) | {PLAIN: lambda: shapes.plain_ssh(bench)}
    taken = timed(ways, rounds)
    print("\nDelivery: connection, all checks and read-back included (the original has none), milliseconds (median)")
    base = taken[BASELINE]
    for name, seconds in taken.items():
        row(name, seconds, base)
    ours, plain = taken[RECREATE], taken[PLAIN]
    print(f"  ours (recreate) is {ours / plain:.2f} of plain ssh")
    if ansible:
        slow = timed({"ansible": lambda: shapes.ansible(bench, ansible)}, 3)["ansible"]
        row("Ansible playbook (3 rounds)", slow, base)
        print(f"  ours (recreate) is {slow / ours:.0f} times faster than Ansible")
    else:
        print("  Ansible playbook: not measured, as there is no ansible-playbook (--ansible)")


def timed(ways: dict[str, Way], rounds: int) -> dict[str, float]:
    """Run each way once to warm up, then in turn."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            taken[name].append(time.perf_counter() - began)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def gaps(bench: Bench, rounds: int) -> None:
    """Print how long the Secret is missing."""
    print("\nThe Secret is missing for, milliseconds (median and longest, by a watch)")
    kubeconfig: Path = bench.world.cluster.kubeconfig
    for name, way in main_ways(bench).items():
        watch = gap.Watch()
        with watch.watching(kubeconfig, NAME):
            for _ in range(rounds):
                way()
        found = watch.gaps()
        print(
            f"  {name:<40}{statistics.median(found) * 1000:7.1f} {max(found) * 1000:7.1f}   ({len(found)} times)"
            if found
            else f"  {name:<40}      0       0   (never in {rounds} deliveries)"
        )


def cold_start() -> None:
    """Print what importing the functions costs."""
    print("\nImport, milliseconds (median) and peak memory of a process, above a bare interpreter's")
    floor, base_memory = imports.measure(imports.NOTHING)
    six, six_memory = imports.measure(imports.SIX)
    lazy, lazy_memory = imports.measure(imports.FUNCTION_APP)
    row("all six SDK packages (baseline)", six - floor, six - floor, f"{six_memory - base_memory:6.0f} MB")
    row("function_app", lazy - floor, six - floor, f"{lazy_memory - base_memory:6.0f} MB")
    print(f"  function_app imports {(six - floor) / (lazy - floor):.1f} times faster")


def row(name: str, seconds: float, base: float, more: str = "") -> None:
    """Print one figure and its ratio to the baseline."""
    print(f"  {name:<40}{seconds * 1000:7.0f}   {seconds / base:5.2f} {more}")


if __name__ == "__main__":
    main()
