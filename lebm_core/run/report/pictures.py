"""Encode pictures as data URLs within a size budget for the page."""

from __future__ import annotations

import base64
import io
import mimetypes
import warnings
from pathlib import Path

from PIL import Image, UnidentifiedImageError

__all__ = ["PICTURES", "Pictures"]

PICTURES = (".png", ".jpg", ".jpeg", ".svg")
PNG, WEBP = (str(mimetypes.guess_type(f"a.{end}")[0]) for end in ("png", "webp"))
BUDGET = 2_600_000  # characters of all pictures of a page: with the rest it stays below 3 MB
PLAIN = 40_000  # bytes; smaller files are embedded without re-encoding
WIDEST = 1800  # points across
QUALITY = 82  # of WebP, which all browsers read


class Pictures:
    """Turns files into data URLs until the page is full.

    Attributes:
        left: characters that are left.
        left_out: files that did not fit.
    """

    def __init__(self) -> None:
        self.left = BUDGET
        self.left_out: list[Path] = []

    def url(self, path: Path) -> str:
        """The picture as a data URL; "" where it does not fit."""
        kind, data = _small(path)
        found = f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
        if len(found) > self.left:
            self.left_out.append(path)
            return ""
        self.left -= len(found)
        return found


def _small(path: Path) -> tuple[str, bytes]:
    """The type and the bytes of a picture, written anew where that is smaller."""
    data = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or PNG
    if len(data) <= PLAIN or path.suffix.lower() == ".svg":
        return kind, data
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(data)) as picture:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture.thumbnail((WIDEST, 4 * WIDEST))
            written = io.BytesIO()
            picture.convert("RGB").save(written, "WEBP", quality=QUALITY)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError):
        return kind, data  # the browser may know it
    smaller = written.getvalue()
    return (WEBP, smaller) if len(smaller) < len(data) else (kind, data)
