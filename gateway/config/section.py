"""The base class of the sections of the configuration."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """The base class of the sections. A section refuses unknown keys, and its values are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)
