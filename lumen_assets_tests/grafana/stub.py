"""A Grafana on loopback, and what it may answer instead of a picture."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from PIL import Image
from pydantic import SecretStr

from lumen_assets.settings import GrafanaServer
from lumen_assets_tests.alerting.receiver import Received, Say, Server

TOKEN = "glsa_canary-token-of-grafana_0001"  # noqa: S105 - nobody's


def png(colour: str = "white", size: tuple[int, int] = (1000, 500)) -> bytes:
    content = BytesIO()
    Image.new("RGB", size, colour).save(content, "PNG")
    return content.getvalue()


def picture(content: bytes, content_type: str = "image/png") -> Say:
    return Say(headers={"Content-Type": content_type}, body=content)


def claiming(width: int, height: int) -> bytes:
    """A small PNG that says that it is large."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    whole = png(size=(10, 10))
    return whole[:8] + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head)) + whole[33:]


def broken_off(handler: object) -> None:
    """Says how long the picture is, and sends half of it."""
    whole = png()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: {len(whole)}\r\n\r\n"
    handler.wfile.write(head.encode() + whole[: len(whole) // 2])  # type: ignore[attr-defined]


def hung_up(handler: object) -> None:
    """Says nothing, and ends the connection."""


def in_turn(*answers: Say) -> Callable[[Received], Say]:
    """One answer after the other, the last one for ever."""
    waiting = list(answers)
    return lambda request: waiting.pop(0) if len(waiting) > 1 else waiting[0]


def grafana(server: Server, *panels: str) -> GrafanaServer:
    return GrafanaServer(base=server.url, token=SecretStr(TOKEN), uid="abc", slug="lumen", panels=panels)


def environment(server: Server, panels: str = "") -> dict[str, str]:
    return {
        "GRAFANA_BASE": f"{server.url}/",
        "GRAFANA_TOKEN": TOKEN,
        "GRAFANA_DASHBOARD_UID": "abc",
        "GRAFANA_DASHBOARD_SLUG": "lumen",
        "GRAFANA_PANEL_IDS": panels,
    }


def seen_in(root: Path, *texts: str, secret: str = TOKEN) -> list[str]:
    """Where a secret is seen, as it is or in base64."""
    forms = {secret.encode(), base64.b64encode(secret.encode())}
    places = {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    places |= {f"text {number}": text.encode() for number, text in enumerate(texts)}
    return [place for place, content in places.items() if any(form in content for form in forms)]
