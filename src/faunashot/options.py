"""What an owner lets a user set: each backbone, protocol, condition and so on declares its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from faunashot.errors import ParameterError


class Options(BaseModel):
    """A block of options with defaults; one that is not declared is refused.

    Subclass it where the options belong, and give every field a default.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def read(cls, block: Mapping[str, Any], *, key: str) -> Self:
        """Check a block of ``params.yaml``; what it leaves out has its default.

        Parameters
        ----------
        block : mapping
            What the user set.
        key : str
            Where the block stands, such as ``backbones.yamnet``, for messages; empty for a file.

        Raises
        ------
        ParameterError
            An option is unknown, of another type or out of range; names it and the nearest one.
        """
        if not isinstance(block, Mapping):
            raise ParameterError(f"{key}: needs a block of options, got {block!r}")
        prefix = f"{key}." if key else ""
        for name in block:
            if name not in cls.model_fields:
                raise ParameterError.unknown_key(f"{prefix}{name}", prefix, cls.model_fields)
        try:
            return cls.model_validate(dict(block))
        except ValidationError as error:
            raise unknown_inside(error, cls, prefix=prefix) or ParameterError(
                first_fault(error, prefix=prefix)
            ) from error


def unknown_inside(
    error: ValidationError, model: type[BaseModel], *, prefix: str = ""
) -> ParameterError | None:
    """The error of the first key of an inner block that is not declared; None if there is none."""
    for fault in error.errors():
        if fault["type"] == "extra_forbidden":
            *outer, last = (str(part) for part in fault["loc"])
            block = "".join(f"{part}." for part in outer)
            known = _fields_at(model, outer)
            return ParameterError.unknown_key(f"{prefix}{block}{last}", f"{prefix}{block}", known)
    return None


def _fields_at(model: type[BaseModel], path: list[str]) -> list[str]:
    """Names of the fields of the block at a path; a key of a mapping may be any."""
    for part in path:
        if part in model.model_fields:
            model = _block_in(model.model_fields[part].annotation) or model
    return list(model.model_fields)


def _block_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_block_in, get_args(annotation))), None)


def first_fault(error: ValidationError, *, prefix: str = "") -> str:
    """Say the first thing that is wrong in one line: the key, what it needs, and what it got."""
    fault = error.errors()[0]
    key = prefix + ".".join(str(part) for part in fault["loc"])
    cause = fault.get("ctx", {}).get("error")
    if isinstance(cause, ParameterError):
        return str(cause)
    if fault["type"] == "missing":
        return f"missing key {key!r}"
    if fault["type"] in ("model_type", "dict_type"):
        return f"{key}: needs a block of keys, got {fault['input']!r}"
    return f"{key.rstrip('.')}: {fault['msg'].lower()}, got {fault['input']!r}"
