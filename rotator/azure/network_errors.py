"""What is wrong when a service gives no answer: certificates, a proxy, name resolution, or the network.

Azure's SDKs say ServiceRequestError for all of these. What it came from is in the chain of exceptions below it: those
of requests and urllib3, and those of Python's ssl and socket. A missing file of CA certificates is not even among them:
requests raises a plain OSError, which the SDKs let through
(https://requests.readthedocs.io/en/latest/user/advanced/#ssl-cert-verification).
"""

import dataclasses
import errno
import os
import re
import socket
import ssl
import urllib.parse
from collections.abc import Iterator, Mapping

import requests
import urllib3.exceptions

_BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")  # the first one that is set is taken
_PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy")
_LONGEST_CHAIN = 50
_NO_BUNDLE = "Could not find a suitable TLS CA certificate bundle"
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")
# https://docs.openssl.org/master/man3/X509_STORE_CTX_get_error/
_EXPIRED, _NOT_YET_VALID, _HOSTNAME, _ADDRESS = 10, 9, 62, 64
_CODES = {"certificate has expired": _EXPIRED, "certificate is not yet valid": _NOT_YET_VALID}


@dataclasses.dataclass(frozen=True)
class Trouble:
    """`text` says what is wrong with whom, `remedy` what to do; neither quotes a URL, which may hold a SAS.

    What `may_pass` is worth another try.
    """

    text: str
    remedy: str
    may_pass: bool = True


def explain(
    error: BaseException,
    host: str,
    setting: str,
    otherwise: str,
    environment: Mapping[str, str] = os.environ,
) -> Trouble:
    """Find out what kept `host` from answering; `setting` names where its address comes from.

    `otherwise` is the remedy for a network that lets nothing through.
    """
    known = find(error, host, setting, environment)
    words = f"{host} does not answer: {_network(list(_chain(error)), error)}"
    return known or Trouble(words, otherwise + _through_proxy(environment))


def find(
    error: BaseException, host: str, setting: str, environment: Mapping[str, str] = os.environ, *, words: str = ""
) -> Trouble | None:
    """Tell trouble with certificates, a proxy or name resolution; None for everything else.

    `words` are searched too: DefaultAzureCredential keeps of each credential's trouble only what it said.
    """
    chain = [*_chain(error), *_from_words(words)]
    for look in (_bundle, _proxy, _certificate, _tls, _name):
        trouble = look(chain, host, setting, environment)
        if trouble:
            return trouble
    return None


def _from_words(words: str) -> Iterator[BaseException]:
    """Make the exceptions again that these words are of."""
    if _NO_BUNDLE in words:
        yield OSError(_NO_BUNDLE)
    if "to proxy" in words or _TUNNEL.search(words):  # unable to, cannot connect
        yield urllib3.exceptions.ProxyError(words, Exception())
    verify = re.search(r"certificate verify failed: ([^()\n]+)", words)
    if verify:
        found = ssl.SSLCertVerificationError()
        found.verify_message, found.verify_code = verify[1].strip(), _CODES.get(verify[1].strip(), 0)
        yield found
    if "Failed to resolve" in words or "name resolution" in words:
        yield socket.gaierror(socket.EAI_NONAME, "")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and all that it came from, each once."""
    waiting, seen = [error], set[int]()
    while waiting and len(seen) < _LONGEST_CHAIN:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        below = [
            each.__cause__,
            each.__context__,
            getattr(each, "inner_exception", None),
            getattr(each, "reason", None),
        ]
        waiting += [one for one in (*below, *each.args) if isinstance(one, BaseException)]


def _bundle(chain: list[BaseException], host: str, _setting: str, environment: Mapping[str, str]) -> Trouble | None:
    """The file of CA certificates is missing, cannot be read, or holds none."""
    variable = next((name for name in _BUNDLE_VARIABLES if environment.get(name)), None)
    # Other files may be missing as well: that of a program that gives tokens.
    of_tls = any(isinstance(each, urllib3.exceptions.SSLError) for each in chain)
    wrong = next(filter(None, (_wrong_file(each, of_tls=of_tls) for each in chain)), None)
    if wrong is None:
        return None
    which = f"{variable} names {environment[variable]}, which {wrong}" if variable else f"the CA file {wrong}"
    remedy = (
        f"Correct {variable}, or unset it: it names a file of CA certificates in PEM form. A sandbox's file is gone "
        "once the sandbox is stopped; start it again, and take over its settings."
        if variable
        else "Install Python's certifi again, or name a file of CA certificates in REQUESTS_CA_BUNDLE."
    )
    return Trouble(f"no secure connection to {host} can be made: {which}", remedy, may_pass=False)


def _wrong_file(error: BaseException, *, of_tls: bool) -> str | None:
    if isinstance(error, OSError) and str(error).startswith(_NO_BUNDLE):
        return "is not there"
    if of_tls and isinstance(error, FileNotFoundError | PermissionError):
        return "cannot be read"
    if isinstance(error, ssl.SSLError) and _reason(error) in (
        "NO_CERTIFICATE_OR_CRL_FOUND",
        "PEM_LIB",
        "NO_START_LINE",
    ):
        return "holds no certificate in PEM form"
    return None


def _reason(error: ssl.SSLError) -> str:
    return str(getattr(error, "reason", None) or "")  # only OpenSSL's own errors have one


def _proxy(chain: list[BaseException], host: str, _setting: str, environment: Mapping[str, str]) -> Trouble | None:
    """The proxy cannot be reached, or refuses."""
    kinds = (urllib3.exceptions.ProxyError, requests.exceptions.ProxyError)
    invalid: tuple[type[Exception], ...] = (requests.exceptions.InvalidProxyURL, requests.exceptions.InvalidSchema)
    if not _is_usable_proxy(environment):  # requests says the same of it as of a bad URL
        invalid += (requests.exceptions.InvalidURL,)
    if not any(isinstance(each, (*kinds, *invalid)) for each in chain):
        return None
    variable, where = _proxy_setting(environment)
    refusal = next(filter(None, (_TUNNEL.search(str(each)) for each in chain)), None)
    if refusal and refusal[1] == "407":
        what, remedy = (
            "it wants to know who asks (407)",
            f"Put user and password into {variable}: http://user:password@…",
        )
    elif refusal:
        what, remedy = f"it refuses the connection ({refusal[1]})", f"Have the proxy let {host} through"
    elif any(isinstance(each, invalid) for each in chain):
        what, remedy = (
            "that is no proxy which can be used",
            f"Give {variable} the form http://host:port (SOCKS is not known)",
        )
    elif _is_unresolved(chain):
        what, remedy = "its own name cannot be resolved", f"Correct {variable}"
    else:
        what, remedy = "it does not answer", f"Check {variable}, and whether the proxy runs"
    direct = "; or leave this host out of it with NO_PROXY."
    return Trouble(f"{host} cannot be reached through the proxy {where}: {what}", remedy + direct)


def _certificate(chain: list[BaseException], host: str, setting: str, environment: Mapping[str, str]) -> Trouble | None:
    """The certificate does not verify."""
    found = next((each for each in chain if isinstance(each, ssl.SSLCertVerificationError)), None)
    if found is None:
        return None
    message = str(getattr(found, "verify_message", "")).rstrip(".") or "it does not verify"
    text = f"no secure connection to {host}: its certificate is not accepted ({message})"
    variable = next((name for name in _BUNDLE_VARIABLES if environment.get(name)), None)
    code = getattr(found, "verify_code", 0)
    if code in (_EXPIRED, _NOT_YET_VALID):
        remedy = "Check this host's clock (date -u); if it is right, the certificate is to be renewed."
    elif code in (_HOSTNAME, _ADDRESS):
        remedy = f"Check the address in {setting}, and where that name leads to from here: another host answers there."
    elif variable:
        remedy = (
            f"{variable} ({environment[variable]}) takes the place of the public CAs: it must hold the CA of this "
            "certificate, and those of every other service too. Unset it where it was meant for another environment."
        )
    else:
        remedy = (
            "Something in between answers in its place, such as a proxy that inspects TLS: append its CA certificate "
            "to a copy of the public ones (python -m certifi prints where they are), and name that file in "
            "REQUESTS_CA_BUNDLE."
        )
    return Trouble(text, remedy, may_pass=False)


def _tls(chain: list[BaseException], host: str, setting: str, environment: Mapping[str, str]) -> Trouble | None:
    """TLS fails before a certificate is even looked at."""
    found = next((each for each in chain if isinstance(each, ssl.SSLError)), None)
    wrapped = (urllib3.exceptions.SSLError, requests.exceptions.SSLError)
    if found is None and not any(isinstance(each, wrapped) for each in chain):
        return None
    reason = _reason(found).replace("_", " ").lower() if found else ""
    text = f"no secure connection to {host}: the TLS handshake fails" + (f" ({reason})" if reason else "")
    remedy = f"Check the address and port in {setting}, and for a proxy or firewall in between that cuts TLS off."
    return Trouble(text, remedy + _through_proxy(environment))


def _name(chain: list[BaseException], host: str, setting: str, environment: Mapping[str, str]) -> Trouble | None:
    """The name cannot be resolved."""
    if not _is_unresolved(chain):
        return None
    found = next((each for each in chain if isinstance(each, socket.gaierror)), None)
    away = found is not None and found.errno == socket.EAI_AGAIN
    what = "no name server answers" if away else "no such name is known here"
    remedy = (
        f"Check the name in {setting}, and this host's name resolution (DNS); behind a private endpoint the name is "
        "resolved by a private DNS zone, which must be linked to this network."
    )
    return Trouble(
        f"{host} does not answer: its name cannot be resolved ({what})", remedy + _through_proxy(environment)
    )


def _is_unresolved(chain: list[BaseException]) -> bool:
    return any(isinstance(each, socket.gaierror | urllib3.exceptions.NameResolutionError) for each in chain)


def _network(chain: list[BaseException], error: BaseException) -> str:
    """Say in a few words of our own what the network did; the class' name where that is not known."""
    kinds: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
        (ConnectionRefusedError, "the connection is refused"),
        (urllib3.exceptions.ConnectTimeoutError, "no connection in time"),
        ((urllib3.exceptions.ReadTimeoutError, TimeoutError), "no answer in time"),
        (ConnectionResetError, "the connection was reset"),
        (ConnectionError, "the connection was closed without an answer"),
    )
    for kind, words in kinds:
        if any(isinstance(each, kind) for each in chain):
            return words
    numbers = {errno.EHOSTUNREACH: "there is no route to it", errno.ENETUNREACH: "there is no network to it"}
    found = (numbers.get(each.errno or 0) for each in chain if isinstance(each, OSError))
    return next(filter(None, found), type(error).__name__)


def _proxy_setting(environment: Mapping[str, str]) -> tuple[str, str]:
    """The variable that names the proxy, and the proxy's host and port, without user and password."""
    variable = next((name for name in _PROXY_VARIABLES if environment.get(name)), "HTTPS_PROXY")
    value = environment.get(variable, "")
    try:
        parts = urllib.parse.urlsplit(value if "://" in value else f"//{value}")
        where = f"{parts.hostname}:{parts.port}" if parts.hostname and parts.port else parts.hostname or ""
    except ValueError:
        where = ""
    return variable, f"{where} ({variable})" if where else f"in {variable}"


def _is_usable_proxy(environment: Mapping[str, str]) -> bool:
    """Whether each proxy that is set is a URL, or none is set."""
    for value in filter(None, map(environment.get, _PROXY_VARIABLES)):
        try:
            parts = urllib.parse.urlsplit(value if "://" in value else f"http://{value}")
            if parts.scheme not in ("http", "https") or not (parts.hostname or "").strip() or parts.port == 0:
                return False
        except ValueError:
            return False
    return True


def _through_proxy(environment: Mapping[str, str]) -> str:
    """A hint that requests go through a proxy, where one is set."""
    if not any(environment.get(name) for name in _PROXY_VARIABLES):
        return ""
    return f" Requests go through the proxy {_proxy_setting(environment)[1]}, but for what NO_PROXY names."
