"""A Kubernetes API over HTTPS, and the kubeconfigs of its two users."""

from aiohttp import web

from sandbox.kubernetes import http, kubeconfig
from sandbox.kubernetes.state import KubernetesApi
from sandbox.server import certificates, service


class KubernetesServer(service.WebService):
    """Serves one API."""

    def __init__(self, api: KubernetesApi, authority: certificates.Authority) -> None:
        super().__init__(authority.server_context())
        self._api = api
        self._authority = authority

    async def start(self) -> None:
        """Listen, and write the kubeconfigs."""
        await super().start()
        for path, user, token in (
            (self._api.kubeconfig, self._api.user, self._api.token),
            (self._api.administrator_kubeconfig, self._api.administrator, self._api.administrator_token),
        ):
            kubeconfig.write(path, self.origin, self._authority.ca_path, user, token)

    async def stop(self) -> None:
        """End the watches and stop listening."""
        self._api.end_watches()
        await super().stop()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        return await http.answer(self._api, request)
