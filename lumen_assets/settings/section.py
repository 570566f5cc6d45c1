"""What every section of ``lumen.yaml`` is made from."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of ``lumen.yaml``: unknown names are wrong settings.

    No part has a validator of its own until one is made by itself: loading builds one, of the whole. So a default is
    made by ``model_construct``, which needs none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, defer_build=True)
