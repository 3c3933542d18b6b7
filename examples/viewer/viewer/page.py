"""The page as HTML: without scripts, and every text in it escaped."""

import dataclasses
import datetime
import html
import urllib.parse
from collections.abc import Sequence

from viewer import names, problems, secret_file, settings

ALL = "All pictures of the container"
FIRST = "The pictures among the container's first {} blobs"
LATER = "Further pictures of the container"
NOT_GRANTED = "This SAS does not grant listing, so only the picture that was asked for by name is shown."
PERMISSIONS = {
    "r": "read",
    "w": "write",
    "d": "delete",
    "l": "list",
    "a": "add",
    "c": "create",
    "u": "update",
    "p": "process",
}


@dataclasses.dataclass(frozen=True)
class Gallery:
    """Some of the container's pictures and where the list goes on, or a note why there are none."""

    names: Sequence[str] = ()
    title: str = ""
    note: str = ""
    further: str | None = None


def show(
    chosen: settings.Settings,
    held: secret_file.Delivery | None,
    gallery: Gallery,
    problem: problems.NotShownError | None,
) -> str:
    """The whole page."""
    picture = _problem(problem) if problem else _picture(chosen.picture)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="{chosen.refresh_seconds}">
<title>{html.escape(problem.title if problem else chosen.picture)} &ndash; SAS viewer</title>
<link rel="stylesheet" href="/static/style.css">
<link rel="icon" href="/static/icon.svg">
</head>
<body>
<header>
<h1>The delivered SAS at work</h1>
<p>Container <strong>{html.escape(chosen.container)}</strong>, read with the SAS from the mounted Secret</p>
</header>
<main>
{picture}
{_credential(held, problem.state if problem else problems.ACCEPTED)}
{_gallery(gallery)}
</main>
<footer>Renews itself every {chosen.refresh_seconds} s. The SAS stays on the server.</footer>
</body>
</html>
"""


def _picture(name: str) -> str:
    return f"""<figure class="picture" id="picture">
{_image(name)}
<figcaption>{html.escape(name)}</figcaption>
</figure>"""


def _image(name: str) -> str:
    return f'<img src="{html.escape(names.picture_path(name))}" alt="The picture {html.escape(name)}">'


def _problem(problem: problems.NotShownError) -> str:
    return f"""<section class="picture problem" role="alert" id="problem">
<h2>{html.escape(problem.title)}</h2>
<p>{html.escape(problem.detail)}</p>
<p>{html.escape(problem.advice)}</p>
</section>"""


def _credential(held: secret_file.Delivery | None, state: str) -> str:
    if held is None:
        return '<section class="credential"><h2>Credential</h2><p class="state off">none</p></section>'
    now = datetime.datetime.now(datetime.UTC)
    return f"""<section class="credential">
<h2>Credential</h2>
<p class="state {"on" if state == problems.ACCEPTED else "off"}" id="state">{state}</p>
<dl>
<dt>Expires</dt><dd>{_moment("expires", held.sas.expiry)} <small>{_distance(held.sas.expiry - now)}</small></dd>
<dt>Delivered</dt><dd>{_moment("delivered", held.at)} <small>{_distance(held.at - now)},
the last rotation that this pod has seen</small></dd>
<dt>Grants</dt><dd>{html.escape(_granted(held.sas.permissions))}</dd>
<dt>Fingerprint</dt><dd><code id="fingerprint">{held.sas.fingerprint}</code>
<small>as the rotator's report shows it</small></dd>
</dl>
</section>"""


def _gallery(gallery: Gallery) -> str:
    if gallery.note:
        return f'<p class="note" id="note">{html.escape(gallery.note)}</p>'
    if not gallery.title:
        return ""
    links = "\n".join(
        f'<li><a href="{html.escape(names.picture_path(name))}">{_image(name)}<span>{html.escape(name)}</span></a></li>'
        for name in gallery.names
    )
    return f"""<section class="gallery" id="gallery">
<h2>{gallery.title}</h2>
<ul>
{links}
</ul>{_further(gallery.further)}
</section>"""


def _further(marker: str | None) -> str:
    if not marker:
        return ""
    return f'\n<p><a id="further" href="/?after={urllib.parse.quote(marker, safe="")}">Further pictures</a></p>'


def _moment(identifier: str, moment: datetime.datetime) -> str:
    text = f"{moment:%Y-%m-%d %H:%M:%S}"
    return f'<time id="{identifier}" datetime="{text.replace(" ", "T")}Z">{text} UTC</time>'


def _distance(duration: datetime.timedelta) -> str:
    """How far away, in the two largest units."""
    seconds = int(abs(duration.total_seconds()))
    parts = {"d": seconds // 86400, "h": seconds // 3600 % 24, "min": seconds // 60 % 60, "s": seconds % 60}
    first = next((place for place, count in enumerate(parts.values()) if count), len(parts) - 1)
    text = " ".join(f"{count} {unit}" for unit, count in list(parts.items())[first : first + 2])
    return f"in {text}" if duration.total_seconds() > 0 else f"{text} ago"


def _granted(permissions: str) -> str:
    return ", ".join(PERMISSIONS.get(letter, letter) for letter in permissions)
