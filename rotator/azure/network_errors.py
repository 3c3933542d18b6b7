"""Why a service does not answer: certificates, a proxy, name resolution, or the network.

Azure's SDKs raise ServiceRequestError for all of these. The cause is in its chain of exceptions: those of requests and
urllib3, and of Python's ssl and socket. A missing file of CA certificates is an exception to this: requests raises a
plain OSError, which the SDKs do not wrap
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
class Diagnosis:
    """What is wrong, and what to do; neither text quotes a URL, which may hold a SAS.

    With `transient`, another try may succeed.
    """

    text: str
    remedy: str
    transient: bool = True


def diagnose(
    error: BaseException,
    host: str,
    setting: str,
    otherwise: str,
    environment: Mapping[str, str] = os.environ,
) -> Diagnosis:
    """Find out why `host` does not answer; `setting` is the name of the setting with its address.

    `otherwise` is the remedy where the network is the cause.
    """
    cause = find_cause(error, host, setting, environment)
    text = f"{host} does not answer: {_connection_failure(list(_chain(error)), error)}"
    return cause or Diagnosis(text, otherwise + _proxy_hint(environment))


def find_cause(
    error: BaseException, host: str, setting: str, environment: Mapping[str, str] = os.environ, *, words: str = ""
) -> Diagnosis | None:
    """Diagnose a problem with certificates, a proxy or name resolution; None for every other.

    `words` are searched too: DefaultAzureCredential keeps only the message of each credential's error.
    """
    chain = [*_chain(error), *_errors_in_text(words)]
    for check in (_ca_bundle, _proxy, _certificate_rejected, _tls, _name_resolution):
        diagnosis = check(chain, host, setting, environment)
        if diagnosis:
            return diagnosis
    return None


def _errors_in_text(words: str) -> Iterator[BaseException]:
    """Make exceptions like those whose messages these words are."""
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
    """The error and its causes, each once."""
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


def _ca_bundle(
    chain: list[BaseException], host: str, _setting: str, environment: Mapping[str, str]
) -> Diagnosis | None:
    """The file of CA certificates is missing, cannot be read, or holds none."""
    variable = next((name for name in _BUNDLE_VARIABLES if environment.get(name)), None)
    # Without TLS in the chain, the missing file may be another one, such as the program that a credential runs.
    of_tls = any(isinstance(each, urllib3.exceptions.SSLError) for each in chain)
    wrong = next(filter(None, (_file_problem(each, of_tls=of_tls) for each in chain)), None)
    if wrong is None:
        return None
    which = f"{variable} names {environment[variable]}, which {wrong}" if variable else f"the CA file {wrong}"
    remedy = (
        f"Correct {variable}, or unset it: it names a file of CA certificates in PEM form. A sandbox's file is gone "
        "once the sandbox is stopped; start it again, and take over its settings."
        if variable
        else "Install Python's certifi again, or name a file of CA certificates in REQUESTS_CA_BUNDLE."
    )
    return Diagnosis(f"no secure connection to {host} can be made: {which}", remedy, transient=False)


def _file_problem(error: BaseException, *, of_tls: bool) -> str | None:
    """What is wrong with the CA file by this error, as the end of a sentence; None for another error."""
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


def _proxy(chain: list[BaseException], host: str, _setting: str, environment: Mapping[str, str]) -> Diagnosis | None:
    """The proxy cannot be reached, or refuses the connection."""
    kinds = (urllib3.exceptions.ProxyError, requests.exceptions.ProxyError)
    invalid: tuple[type[Exception], ...] = (requests.exceptions.InvalidProxyURL, requests.exceptions.InvalidSchema)
    if not _is_usable_proxy(environment):  # requests raises the same as for a bad URL
        invalid += (requests.exceptions.InvalidURL,)
    if not any(isinstance(each, (*kinds, *invalid)) for each in chain):
        return None
    variable, where = _proxy_address(environment)
    refusal = next(filter(None, (_TUNNEL.search(str(each)) for each in chain)), None)
    if refusal and refusal[1] == "407":
        what, remedy = (
            "it requires a password (407)",
            f"Put user and password into {variable}: http://user:password@…",
        )
    elif refusal:
        what, remedy = f"it refuses the connection ({refusal[1]})", f"Allow {host} in the proxy"
    elif any(isinstance(each, invalid) for each in chain):
        what, remedy = (
            "it is not a usable proxy URL",
            f"Give {variable} the form http://host:port (SOCKS is not supported)",
        )
    elif _is_unresolved(chain):
        what, remedy = "its own name cannot be resolved", f"Correct {variable}"
    else:
        what, remedy = "it does not answer", f"Check {variable}, and whether the proxy runs"
    direct = "; or leave this host out of it with NO_PROXY."
    return Diagnosis(f"{host} cannot be reached through the proxy {where}: {what}", remedy + direct)


def _certificate_rejected(
    chain: list[BaseException], host: str, setting: str, environment: Mapping[str, str]
) -> Diagnosis | None:
    """The certificate does not verify."""
    found = next((each for each in chain if isinstance(each, ssl.SSLCertVerificationError)), None)
    if found is None:
        return None
    message = str(getattr(found, "verify_message", "")).rstrip(".") or "it does not verify"
    text = f"no secure connection to {host}: its certificate is not accepted ({message})"
    variable = next((name for name in _BUNDLE_VARIABLES if environment.get(name)), None)
    code = getattr(found, "verify_code", 0)
    if code in (_EXPIRED, _NOT_YET_VALID):
        remedy = "Check this host's clock (date -u); if it is right, the certificate must be renewed."
    elif code in (_HOSTNAME, _ADDRESS):
        remedy = f"Check the address in {setting}, and where that name leads to from here: another host answers there."
    elif variable:
        remedy = (
            f"{variable} ({environment[variable]}) takes the place of the public CAs: it must hold the CA of this "
            "certificate, and those of every other service too. Unset it where it was meant for another environment."
        )
    else:
        remedy = (
            "Another server answers in its place, such as a proxy that inspects TLS: append its CA certificate "
            "to a copy of the public ones (python -m certifi prints where they are), and name that file in "
            "REQUESTS_CA_BUNDLE."
        )
    return Diagnosis(text, remedy, transient=False)


def _tls(chain: list[BaseException], host: str, setting: str, environment: Mapping[str, str]) -> Diagnosis | None:
    """TLS fails before the certificate is verified."""
    found = next((each for each in chain if isinstance(each, ssl.SSLError)), None)
    wrapped = (urllib3.exceptions.SSLError, requests.exceptions.SSLError)
    if found is None and not any(isinstance(each, wrapped) for each in chain):
        return None
    reason = _reason(found).replace("_", " ").lower() if found else ""
    text = f"no secure connection to {host}: the TLS handshake fails" + (f" ({reason})" if reason else "")
    remedy = f"Check the address and port in {setting}, and for a proxy or firewall in between that cuts TLS off."
    return Diagnosis(text, remedy + _proxy_hint(environment))


def _name_resolution(
    chain: list[BaseException], host: str, setting: str, environment: Mapping[str, str]
) -> Diagnosis | None:
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
    return Diagnosis(f"{host} does not answer: its name cannot be resolved ({what})", remedy + _proxy_hint(environment))


def _is_unresolved(chain: list[BaseException]) -> bool:
    return any(isinstance(each, socket.gaierror | urllib3.exceptions.NameResolutionError) for each in chain)


def _connection_failure(chain: list[BaseException], error: BaseException) -> str:
    """Describe in a few words what failed; for an unknown cause, by the class of the exception."""
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


def _proxy_address(environment: Mapping[str, str]) -> tuple[str, str]:
    """Return the variable that names the proxy, and the proxy's host and port, without user and password."""
    variable = next((name for name in _PROXY_VARIABLES if environment.get(name)), "HTTPS_PROXY")
    value = environment.get(variable, "")
    try:
        parts = urllib.parse.urlsplit(value if "://" in value else f"//{value}")
        where = f"{parts.hostname}:{parts.port}" if parts.hostname and parts.port else parts.hostname or ""
    except ValueError:
        where = ""
    return variable, f"{where} ({variable})" if where else f"in {variable}"


def _is_usable_proxy(environment: Mapping[str, str]) -> bool:
    """Whether every proxy in the environment is an HTTP URL with a host, or none is set."""
    for value in filter(None, map(environment.get, _PROXY_VARIABLES)):
        try:
            parts = urllib.parse.urlsplit(value if "://" in value else f"http://{value}")
            if parts.scheme not in ("http", "https") or not (parts.hostname or "").strip() or parts.port == 0:
                return False
        except ValueError:
            return False
    return True


def _proxy_hint(environment: Mapping[str, str]) -> str:
    """A sentence that requests go through a proxy, or "" if none is set."""
    if not any(environment.get(name) for name in _PROXY_VARIABLES):
        return ""
    return f" Requests go through the proxy {_proxy_address(environment)[1]}, except to hosts in NO_PROXY."
