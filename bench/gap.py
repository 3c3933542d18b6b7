"""How long a Secret is missing: a watch on the API server times the events."""

import contextlib
import json
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from bench import shapes, surroundings
from bench.options import Choice


def show(choice: Choice) -> None:
    """Print how long the Secret is missing in each way of delivering."""
    gaps: dict[str, list[float]] = {}
    with surroundings.sandbox() as world:
        for name, way in shapes.ways(shapes.prepare(world)).items():
            watch = Watch()
            with watch.watching(world.cluster.kubeconfig, shapes.NAME):
                for _ in range(choice.rounds):
                    way()
            gaps[name] = watch.gaps()
    print("\nThe Secret is missing for, milliseconds (median and longest, by a watch)")
    for name, found in gaps.items():
        print(
            f"  {name:<40}{statistics.median(found) * 1000:7.1f} {max(found) * 1000:7.1f}   ({len(found)} times)"
            if found
            else f"  {name:<40}      0       0   (never in {choice.rounds} deliveries)"
        )


class Watch:
    """Events of one Secret with the moment each arrived, in seconds."""

    def __init__(self) -> None:
        self.events: list[tuple[float, str]] = []

    def gaps(self) -> list[float]:
        """Return the seconds between each disappearance and the next appearance."""
        gaps, gone = [], None
        for arrived, kind in self.events:
            if kind == "DELETED":
                gone = arrived
            elif kind == "ADDED" and gone is not None:
                gaps.append(arrived - gone)
                gone = None
        return gaps

    @contextlib.contextmanager
    def watching(self, kubeconfig: Path, name: str) -> Iterator[None]:
        """Watch while the block runs."""
        path = f"/api/v1/namespaces/default/secrets?watch=true&fieldSelector=metadata.name={name}"
        process = subprocess.Popen(
            ["kubectl", "--kubeconfig", str(kubeconfig), "get", "--raw", path], stdout=subprocess.PIPE, text=True
        )
        reader = threading.Thread(target=self._read, args=(process,))
        reader.start()
        time.sleep(0.5)  # until the watch is established
        try:
            yield
            time.sleep(0.3)
        finally:
            process.terminate()
            process.wait()
            reader.join()
            if process.stdout:
                process.stdout.close()

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout
        for line in process.stdout:
            self.events.append((time.monotonic(), json.loads(line)["type"]))
