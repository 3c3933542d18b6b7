"""What can be measured, by the names that the command line takes."""

from collections.abc import Callable, Sequence

from bench import delivery, figures, gap, imports, issuers, key_rotation, operate, package, redaction, rotation
from bench.options import Choice

PARTS: dict[str, Callable[[Choice], None]] = {
    "rotation": rotation.show,
    "issuers": issuers.show,
    "delivery": delivery.show,
    "gap": gap.show,
    "key-rotation": key_rotation.show,
    "operate": operate.show,
    "redaction": redaction.show,
    "imports": imports.show,
    "package": package.show,
}


def run(names: Sequence[str], choice: Choice) -> None:
    """Measure these parts, with the machine's load before and after each; it includes the load that the bench makes."""
    for name in names:
        before = figures.load()
        PARTS[name](choice)
        print(f"  load average {before:.2f} before, {figures.load():.2f} after, on {figures.cores()} cores", flush=True)
