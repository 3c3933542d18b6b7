"""Answers that a test wants instead of the real ones: throttling, outages, lost connections, slowness."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable

from aiohttp import web


@dataclasses.dataclass
class Fault:
    """An answer for the next `times` requests that match; `path` is a prefix and `method` may be "*".

    `status` 0 cuts the connection without an answer. `delay` is in seconds. With `carried_out` the request
    takes effect and only its answer is replaced, as when a gateway fails on the way back.
    """

    method: str = "*"
    path: str = "/"
    status: int = 429
    code: str = "Throttled"
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    times: int = 1
    delay: float = 0.0
    carried_out: bool = False

    def matches(self, request: web.BaseRequest) -> bool:
        """Whether this request is one of those meant."""
        return self.times > 0 and self.method in ("*", request.method) and request.path.startswith(self.path)


async def take_next(faults: list[Fault], request: web.BaseRequest) -> Fault | None:
    """Use up the first fault that matches, if any, and sit out its delay."""
    for fault in list(faults):
        if fault.matches(request):
            fault.times -= 1
            await asyncio.sleep(fault.delay)
            return fault
    return None


async def apply(
    faults: list[Fault],
    request: web.Request,
    carry_out: Callable[[], Awaitable[web.Response]],
    answer: Callable[[Fault], web.Response],
) -> web.Response:
    """Carry a request out, unless a fault is meant for it; then return what `answer` makes of the fault."""
    fault = await take_next(faults, request)
    if fault is None:
        return await carry_out()
    if fault.carried_out:
        await carry_out()
    return cut(request) if fault.status == 0 else answer(fault)


def cut(request: web.BaseRequest) -> web.Response:
    """Drop the client's connection; the response returned is never sent."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
