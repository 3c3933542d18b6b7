"""How long an operator waits: for a check, against the same looks one after the other, and for the status."""

from bench import figures, surroundings
from bench.options import Choice
from rotator import app, wiring
from rotator.checks import checkup, runner
from rotator.checks.findings import Level
from rotator.plan import loader
from rotator.reporting import status_page
from rotator.reporting.report import Trigger
from rotator.reporting.status import State, Status
from sandbox.world import World

BASELINE = "check, one look at a time (baseline)"


def show(choice: Choice) -> None:
    """Print the check's and the status' times after a rotation."""
    with surroundings.sandbox() as world:
        app.rotate(trigger=Trigger.CLI, environment=world.settings)
        found = status(world)
        ways: dict[str, figures.Way] = {
            BASELINE: lambda: check(world, 1),
            "check": lambda: check(world, 8),
            "status": lambda: status(world),
            "the status' page": lambda: status_page.render(found),
        }
        taken = figures.medians(ways, choice.rounds)
    print("\nLooking, milliseconds (median), against the baseline")
    for name, seconds in taken.items():
        figures.row(name, seconds, taken[BASELINE], digits=1)


def check(world: World, at_once: int) -> None:
    """Look at everything; raises RuntimeError unless all is well: a SAS that storage refuses is tried for seconds."""
    plan = loader.load(world.settings)
    with (
        wiring.signed_in(plan.client_id) as credential,
        wiring.check_context(plan, credential, world.settings, proof_seconds=checkup.PROOF_SECONDS) as context,
    ):
        found = checkup.check(context, runner.NoProgress(), at_once=at_once)
    if wrong := [each.text for each in found.findings if each.level is not Level.OK]:
        raise RuntimeError(f"{found.verdict()}: {'; '.join(wrong)}")


def status(world: World) -> Status:
    """Look at the targets; raises RuntimeError unless each is fresh, for the same reason."""
    found = app.status(environment=world.settings)
    if wrong := [each.text for each in found.targets if each.state is not State.FRESH]:
        raise RuntimeError("; ".join(wrong))
    return found
