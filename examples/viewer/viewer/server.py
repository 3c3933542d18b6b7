"""The web server: one page, the pictures behind it, and the probes."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from viewer import names, page, problems, secret_file, settings, storage

logger = logging.getLogger(__name__)

# A picture may be an SVG, and an SVG may hold a script: nothing here may run one.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Server": "viewer",
}


class Viewer:
    """What the routes answer. The SAS stays in `secret_file` and `storage`."""

    def __init__(self, chosen: settings.Settings) -> None:
        self._settings = chosen
        self._file = secret_file.SecretFile(chosen.sas_file, chosen.encoding)
        self._pictures = storage.Pictures(chosen.endpoint, chosen.container, self._file)

    def application(self) -> web.Application:
        """The routes, and headers for every answer."""
        application = web.Application()
        application.add_routes(
            [
                web.get("/", self.index),
                web.get("/pictures/{name:.+}", self.picture, allow_head=False),
                web.get("/healthz", self.alive),
                web.get("/readyz", self.ready),
                web.static("/static", Path(__file__).with_name("static")),
            ]
        )
        application.on_response_prepare.append(_add_headers)
        application.cleanup_ctx.append(self._connections)
        return application

    async def index(self, request: web.Request) -> web.Response:
        """The page: the picture, the others if they may be listed, and the SAS's dates."""
        problem: problems.NotShownError | None = None
        gallery = page.Gallery()
        try:
            await self._pictures.check(self._settings.picture)
            gallery = await self._gallery(request.query.get("after") or None)
        except problems.NotShownError as found:
            problem = found
        text = page.show(self._settings, self._file.held, gallery, problem)
        return web.Response(text=text, content_type="text/html", status=problem.status if problem else 200)

    async def picture(self, request: web.Request) -> web.StreamResponse:
        """A picture's bytes, read from storage while they are sent."""
        try:
            name = request.match_info["name"]
            if not names.is_blob_name(name):
                raise problems.PictureMissingError("No blob can have that name.")
            found = await self._pictures.open(name)
        except problems.NotShownError as problem:
            return web.Response(text=f"{problem.title}. {problem.detail}\n", status=problem.status)
        return await _send(request, found)

    async def alive(self, _request: web.Request) -> web.Response:
        """The process answers."""
        return web.Response(text="ok\n")

    async def ready(self, _request: web.Request) -> web.Response:
        """A usable SAS is held; storage is not asked, as its outage is nothing that another pod could help."""
        try:
            self._file.usable()
        except problems.NotShownError as problem:
            return web.Response(text=f"{problem.title}\n", status=problem.status)
        return web.Response(text="ok\n")

    async def _gallery(self, after: str | None) -> page.Gallery:
        if not self._file.usable().sas.grants_list:
            return page.Gallery(note=page.NOT_GRANTED)
        try:
            listed = await self._pictures.list(after)
        except problems.NotShownError as problem:
            if after is None and not isinstance(problem, problems.RefusedError):
                raise
            return page.Gallery(note=f"The other pictures are not shown. {problem.detail}")
        first = page.FIRST.format(storage.MOST_LISTED) if listed.further else page.ALL
        return page.Gallery(listed.names, page.LATER if after else first, further=listed.further)

    async def _connections(self, _application: web.Application) -> AsyncIterator[None]:
        async with self._pictures:
            yield


async def _send(request: web.Request, picture: storage.Picture) -> web.StreamResponse:
    answer = web.StreamResponse(headers=picture.headers)
    answer.content_length = picture.size
    await answer.prepare(request)
    try:
        async for chunk in picture.chunks:
            await answer.write(chunk)
    except problems.NotShownError:
        # The status is sent already: only a cut connection still says that the picture is not whole.
        if request.transport is not None:
            request.transport.abort()
        return answer
    await answer.write_eof()
    return answer


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


def run(chosen: settings.Settings) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    logger.info("listening on %s port %d", chosen.host, chosen.port)
    application = Viewer(chosen).application()
    web.run_app(application, host=chosen.host, port=chosen.port, print=None, access_log=None, shutdown_timeout=10)
