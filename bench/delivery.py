"""How long a delivery takes: ours, the original sample's, plain OpenSSH's, Ansible's."""

from bench import figures, shapes, surroundings
from bench.options import Choice
from bench.shapes import Bench

PLAIN = "plain ssh, same kubectl work"
ANSIBLE_ROUNDS = 3  # it takes seconds


def show(choice: Choice) -> None:
    """Print each way against the original sample's."""
    with surroundings.sandbox() as world:
        bench = shapes.prepare(world)
        taken = figures.medians(shapes.ways(bench) | {PLAIN: lambda: shapes.plain_ssh(bench)}, choice.rounds)
        slow = _ansible(bench, choice.ansible)
    print("\nDelivery: connection, all checks and read-back included (the original has none), milliseconds (median)")
    base, ours = taken[shapes.BASELINE], taken[shapes.RECREATE]
    for name, seconds in taken.items():
        figures.row(name, seconds, base)
    print(f"  ours (recreate) is {ours / taken[PLAIN]:.2f} of plain ssh")
    if slow is None:
        print("  Ansible playbook: not measured, as there is no ansible-playbook (--ansible)")
    else:
        figures.row(f"Ansible playbook ({ANSIBLE_ROUNDS} rounds)", slow, base)
        print(f"  ours (recreate) is {slow / ours:.0f} times faster than Ansible")


def _ansible(bench: Bench, program: str | None) -> float | None:
    if program is None:
        return None
    (seconds,) = figures.medians({"ansible": lambda: shapes.ansible(bench, program)}, ANSIBLE_ROUNDS).values()
    return seconds
