"""Turn a TOML document into a model; errors name the file, line, key and what is allowed."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from hpckit.errors import InputError, did_you_mean
from hpckit.model.toml_file import Document, Key, describe

Model = TypeVar("Model", bound=BaseModel)

#: A fault: its key, and the message.
Fault = tuple[Key, str]


def validated(model: type[Model], document: Document) -> Model:
    """Return the model of a document.

    Raises:
        InputError: a key is unknown or missing, or a value is not allowed. It reports the first
            fault and the number of others.
    """
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        faults = [fault for item in error.errors() for fault in _faults(model, item)]
    raise error_of(faults, document)


def error_of(faults: Iterable[Fault], document: Document) -> InputError:
    """Return the error that reports the first fault in the order of the file."""
    ordered = sorted(set(faults), key=lambda fault: _position(fault[0], document))
    key, message = ordered[0]
    more = len(ordered) - 1
    rest = f"{more} more fault{'s' if more > 1 else ''} in {document.name}." if more else ""
    where = document.where(key)
    if where == f"--set {dotted(key)}":
        message = message.removeprefix(f"{dotted(key)}: ")
    return InputError(f"{where}: {message}", hint=rest)


def dotted(key: Key) -> str:
    """Return a key as people write it: ``task.command[2]``."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f"{'.' if text else ''}{part}"
    return text


def _position(key: Key, document: Document) -> tuple[int, int, str]:
    """Return a sort key that orders faults as in the file; missing keys come last."""
    known = list(document.origins)
    for end in range(len(key), 0, -1):
        if key[:end] in document.origins:
            return (0, known.index(key[:end]), dotted(key))
    return (1, 0, dotted(key))


def _faults(model: type[BaseModel], item: Any) -> Iterator[Fault]:
    key, kind = tuple(item["loc"]), item["type"]
    if kind == "extra_forbidden":
        known = sorted(_names(_table_at(model, key[:-1])))
        table = f"[{dotted(key[:-1])}]" if key[:-1] else "the top level"
        yield (
            key,
            f"unknown key {key[-1]!r} in {table}; known: {', '.join(known)}."
            + did_you_mean(str(key[-1]), known),
        )
    elif kind == "missing":
        needed = _needed(model, key)
        yield key, f"{dotted(key)} is missing" + (f": {needed}" if needed else "")
    elif kind == "value_error":
        message = str(item["ctx"]["error"]).replace("\n", ". ")  # the hint of an InputError
        colon = "" if message.startswith(("is ", "has ", "holds ")) else ":"
        yield key, f"{dotted(key)}{colon} {message}".lstrip(": ")
    else:
        item_of_field = kind == "string_type" and not _described(model, key)
        needed = "a string" if item_of_field else _needed(model, key) or _lowered(item["msg"])
        yield key, f"{dotted(key)} is {describe(item['input'])}, but must be {needed}"


def _lowered(message: str) -> str:
    return message.removeprefix("Input should be ").removeprefix("a valid ")


def _needed(model: type[BaseModel], key: Key) -> str:
    """Return what the value of a key must be, from the description of its field."""
    found = (_described(model, key[:end]) for end in range(len(key), 0, -1))
    return next(filter(None, found), "")


def _described(model: type[BaseModel], key: Key) -> str:
    """Return the description of the field `key`; ``""`` if it is inside a field's value."""
    table = _table_at(model, key[:-1])
    for name, info in table.model_fields.items() if table else ():
        if (info.alias or name) == key[-1]:
            return info.description or ""
    return ""


def _names(table: type[BaseModel] | None) -> Iterator[str]:
    for name, info in table.model_fields.items() if table else ():
        if info.description:  # hpckit sets the others itself
            yield info.alias or name


def _table_at(model: type[BaseModel], key: Key) -> type[BaseModel] | None:
    """Return the model of the table at `key`; None if it is no table with a model."""
    here: Any = model
    for part in key:
        if isinstance(here, type) and issubclass(here, BaseModel):
            fields = {info.alias or name: info for name, info in here.model_fields.items()}
            here = _plain(fields[part].annotation) if part in fields else None
        else:  # the name within a dict[str, Model]
            inner = typing.get_args(here)
            here = _plain(inner[-1]) if inner else None
    return here if isinstance(here, type) and issubclass(here, BaseModel) else None


def _plain(annotation: Any) -> Any:
    """Return `Model` of ``Model | None`` and ``Annotated[Model, …]``, else the annotation."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _plain(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return _plain(next(a for a in typing.get_args(annotation) if a is not type(None)))
    return annotation
