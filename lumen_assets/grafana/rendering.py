"""One picture from Grafana's image renderer, asked for once.

What may come instead of one: a page to log in, an error as HTML, half a picture, something without an end, and a whole
PNG in which Grafana says that it has no image renderer, or too much to do. Only a whole PNG of the size that was asked
for is one.

Sources: Grafana's documentation of the HTTP paths ``/render/d/…`` and ``/render/d-solo/…`` (image rendering);
https://github.com/grafana/grafana-image-renderer/issues/380 and 528 of the height of a whole page.
"""

from __future__ import annotations

import struct
import time
from datetime import date, datetime
from io import BytesIO
from typing import Final
from urllib.parse import urlencode

from lumen_assets.days import KST, day_bounds
from lumen_assets.errors import LumenError, PermanentError, TransientError
from lumen_assets.http import Limits, Receiver, named, send
from lumen_assets.settings import GrafanaPictures, GrafanaServer

LARGEST: Final = 20 << 20
"""Bytes of a picture; a panel has some ten thousand."""

MOST_PIXELS: Final = 32_000_000
"""Twice what the largest width and height make: a PNG of a few kilobytes can claim to be gigabytes."""

_WHOLE_PAGE: Final = -1
"""The height by which the image renderer draws a page down to its end."""

_MAGIC: Final = b"\x89PNG\r\n\x1a\n"
_SMALLEST: Final = 57  # its signature, and its three chunks without data but the first one's
_END: Final = b"\x00\x00\x00\x00IEND\xaeB`\x82"


def render(server: GrafanaServer, panel: str, day: date, looks: GrafanaPictures, now: datetime) -> bytes:
    """The picture of a panel over a KST day, as a whole PNG.

    Args:
        panel: its id; empty: the whole dashboard.
        looks: size (of a dashboard the width alone), and how long Grafana may take.
        now: with a zone; what a Retry-After that is a date is counted from.

    Raises:
        TransientError: if a later try may bring it: no answer in time, a server's fault, half a picture.
        PermanentError: if something has to be changed first: the token, the address, the renderer.
    """
    receiver, end = receiver_of(server), time.monotonic() + looks.timeout_seconds
    answer = send(
        "GET",
        picture_url(server, panel, day, looks),
        receiver=receiver,
        now=now,
        headers={"Authorization": f"Bearer {server.token.get_secret_value()}", "Accept": "image/png"},
        limits=Limits(read=looks.timeout_seconds, total=looks.timeout_seconds, body=LARGEST + 1),
    )
    subject = named(receiver, server.base)
    problem = _problem(answer.headers.get("Content-Type", ""), answer.body, subject, _asked(panel, looks))
    if problem is None:
        return answer.body
    if problem.retry_helps and time.monotonic() >= end:
        raise _half(subject, f"no whole picture within {looks.timeout_seconds:g} s", "network")
    raise problem


def receiver_of(server: GrafanaServer) -> Receiver:
    """Grafana in the words of an error."""
    secrets = (server.token.get_secret_value(),)
    return Receiver("Grafana", "GRAFANA_BASE", "GRAFANA_TOKEN", secrets, action="get a picture from")


def picture_url(server: GrafanaServer, panel: str, day: date, looks: GrafanaPictures) -> str:
    """The address of a picture: the day from midnight to midnight KST, in milliseconds since 1970."""
    start, end = day_bounds(day)
    width, height = _asked(panel, looks)
    query = {
        "from": round(start.timestamp() * 1000),
        "to": round(end.timestamp() * 1000),
        "tz": KST.key,
        "width": width,
        "height": height,
        "theme": "light",
        "timeout": round(looks.timeout_seconds),
        **({"panelId": panel} if panel else {"kiosk": "true"}),
    }
    return f"{server.base}/render/{'d-solo' if panel else 'd'}/{server.uid}/{server.slug}?{urlencode(query)}"


def _asked(panel: str, looks: GrafanaPictures) -> tuple[int, int]:
    """Width and height that are asked for; a dashboard is as high as it is."""
    return looks.width, looks.height if panel else _WHOLE_PAGE


def _problem(content_type: str, body: bytes, subject: str, asked: tuple[int, int]) -> LumenError | None:
    """Why an answer is no picture of the size that was asked for; None if it is one."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind != "image/png":
        what = kind if kind.replace("/", "").replace("-", "").isalnum() and len(kind) < 80 else "no content type"
        return _no_picture(subject, f"it answers with {what} instead of image/png")
    if not body.startswith(_MAGIC[: len(body)]):
        return _no_picture(subject, "what it calls image/png does not begin like a PNG")
    if len(body) > LARGEST:
        return _no_picture(subject, f"it sends more than {LARGEST >> 20} MiB", "lower report.grafana.width and height")
    if len(body) < _SMALLEST or not body.endswith(_END):
        return _half(subject)
    other_size = _size_problem(*size_of(body), subject, asked)
    return other_size or (None if _decodes(body) else _half(subject))


def _size_problem(width: int, height: int, subject: str, asked: tuple[int, int]) -> LumenError | None:
    if width * height > MOST_PIXELS or not width * height:
        return _no_picture(subject, f"its picture says that it has {width} by {height} pixels")
    if _is_as_asked(width, height, asked):
        return None
    wanted = f"{asked[0]} pixels in width" if asked[1] == _WHOLE_PAGE else f"{asked[0]} by {asked[1]} pixels"
    return _no_picture(
        subject,
        f"its picture has {width} by {height} pixels instead of {wanted}: where it has no image renderer, or too much "
        "to do, Grafana draws its own picture that says so",
        "install grafana-image-renderer beside Grafana and name it in Grafana's [rendering] server_url, or let it "
        "render more at once ([rendering] concurrent_render_request_limit)",
    )


def _is_as_asked(width: int, height: int, asked: tuple[int, int]) -> bool:
    """Whether a picture is as large as was asked for, or so many times as large: the renderer's scale factor."""
    factor, rest = divmod(width, asked[0])
    return factor > 0 and rest == 0 and height == (height if asked[1] == _WHOLE_PAGE else factor * asked[1])


def size_of(png: bytes) -> tuple[int, int]:
    """Width and height in pixels, as a PNG's first chunk says (ISO/IEC 15948, 11.2.2)."""
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def _decodes(png: bytes) -> bool:
    from PIL import Image  # a tenth of a second that a day without Grafana does not wait

    try:
        with Image.open(BytesIO(png), formats=["PNG"]) as image:
            image.load()
    except (OSError, SyntaxError, ValueError, struct.error):  # all that Pillow says of a broken PNG
        return False
    return True


def _half(
    subject: str, cause: str = "the picture broke off, or is damaged", error_class: str = "damaged"
) -> TransientError:
    return TransientError(action="get a picture from", subject=subject, cause=cause, error_class=error_class)


def _no_picture(subject: str, cause: str, hint: str = "") -> PermanentError:
    return PermanentError(
        action="get a picture from",
        subject=subject,
        cause=cause,
        error_class="input",
        hint=hint
        or "open the address of the dashboard; see that GRAFANA_BASE and GRAFANA_TOKEN are right and that "
        "Grafana has its image renderer (grafana-image-renderer)",
    )
