"""One event loop in one thread, in which all of the sandbox's services run."""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterator
from typing import Any, Self, TypeVar

from sandbox.server.service import Service

Result = TypeVar("Result")


class Background:
    """A context manager in which the event loop runs; `run` hands it work and waits for the result."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Start the thread."""
        ready = threading.Event()
        self._thread = threading.Thread(target=self._work, args=(ready,), name="sandbox", daemon=True)
        self._thread.start()
        ready.wait()
        return self

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine in the loop, from another thread."""
        if self._loop is None:
            work.close()
            raise RuntimeError("the sandbox isn't running")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    @contextlib.contextmanager
    def serving(self, service: Service) -> Iterator[None]:
        """Start a service, and stop it in the end, also when it started only in part."""
        try:
            self.run(service.start())
            yield
        finally:
            self.run(service.stop())

    def __exit__(self, *_exception: object) -> None:
        """Cancel what is left, close the loop and end the thread."""
        if self._loop is None or self._thread is None:
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop = self._thread = None

    def _work(self, ready: threading.Event) -> None:
        # Runner.close cancels the tasks that are left and shuts down async generators and the executor.
        with asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            ready.set()
            self._loop.run_forever()
            runner.run(_close_connections())


async def _close_connections() -> None:
    """Close connections whose end the loop has not noticed yet: a client may have left a moment before the loop ends.

    Nothing public lists them; Python warns of each when it is collected, in whatever test that happens.
    """
    for transport in list(getattr(asyncio.get_running_loop(), "_transports", {}).values()):
        transport.abort()
    await asyncio.sleep(0)
