"""Headless Chromium, driven by its DevTools protocol, with everything that it receives on record.

https://chromedevtools.github.io/devtools-protocol/
"""

import asyncio
import base64
import contextlib
import itertools
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
SWITCHES = (
    "--headless=new",
    "--no-sandbox",  # it does not start as root with one
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--window-size=1200,900",
    "--remote-debugging-port=0",
)


def require_chromium() -> str:
    """The program's path, or a skip."""
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(PROGRAMS)} is installed")
    return found


class Tab:
    """One page; `received` is every response as text: URL, request headers, response headers, body."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.received: list[str] = []

    async def open(self, url: str) -> None:
        """Record from now on, and go there."""
        self._spawn(self._listen())
        await self.call("Fetch.enable", patterns=[{"urlPattern": "*", "requestStage": "Response"}])
        await self.call("Page.enable")
        await self.call("Page.navigate", url=url)

    async def close(self) -> None:
        """Stop listening."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def evaluate(self, expression: str) -> Any:
        """What a JavaScript expression gives; None while a page is being replaced by the next."""
        with contextlib.suppress(RuntimeError):
            answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
            return answer["result"].get("value")
        return None

    async def until(self, expression: str, seconds: float = 15) -> Any:
        """Wait until an expression gives something true, and return that."""
        async with asyncio.timeout(seconds):
            while not (value := await self.evaluate(expression)):
                await asyncio.sleep(0.05)
        return value

    async def screenshot(self, path: Path) -> None:
        """Write what is seen as a PNG."""
        answer = await self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(answer["data"]))

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask the browser; RuntimeError with its words when it refuses."""
        number = next(self._numbers)
        waiting = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        answer = await asyncio.wait_for(waiting, 15)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    async def _listen(self) -> None:
        async for message in self._socket:
            event = json.loads(message.data)
            if event.get("id") in self._answers:
                self._answers.pop(event["id"]).set_result(event)
            elif event.get("method") == "Fetch.requestPaused":
                self._spawn(self._record(event["params"]))

    async def _record(self, paused: dict[str, Any]) -> None:
        number = paused["requestId"]
        # A page that is left takes its unfinished requests with it.
        with contextlib.suppress(RuntimeError):
            if "responseErrorReason" not in paused:  # then there is no body, and none may be asked for
                answer = await self.call("Fetch.getResponseBody", requestId=number)
                body = base64.b64decode(answer["body"]) if answer["base64Encoded"] else answer["body"].encode()
                heads = json.dumps([paused["request"], paused.get("responseHeaders"), paused.get("responseStatusCode")])
                self.received.append(f"{heads}\n{body.decode(errors='replace')}")
            await self.call("Fetch.continueRequest", requestId=number)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@contextlib.asynccontextmanager
async def tab(program: str, directory: Path) -> AsyncIterator[Tab]:
    """A browser with an empty profile, as long as the block lasts."""
    process = await asyncio.create_subprocess_exec(
        program,
        *SWITCHES,
        f"--user-data-dir={directory}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with aiohttp.ClientSession() as session, session.ws_connect(await _address(session, directory)) as socket:
            page = Tab(socket)
            try:
                yield page
            finally:
                await page.close()
    finally:
        process.terminate()
        await process.wait()


async def _address(session: aiohttp.ClientSession, directory: Path) -> str:
    """Where the page's socket is; the browser writes its port into its profile."""
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(OSError, aiohttp.ClientError, IndexError, StopIteration):
                port = (directory / "DevToolsActivePort").read_text().splitlines()[0]
                async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                    pages = [target for target in await answer.json() if target["type"] == "page"]
                    return str(pages[0]["webSocketDebuggerUrl"])
            await asyncio.sleep(0.05)
