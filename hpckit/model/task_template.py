"""The template of a bag's tasks: its texts are parsed once, and filled in for each task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hpckit.errors import InputError
from hpckit.model.bag_check import let_order
from hpckit.model.paths import absolute, program
from hpckit.model.placeholders import INDEX, Placeholder, Template, parse, part_of
from hpckit.model.sweep import Element
from hpckit.model.task import Task

if TYPE_CHECKING:
    from hpckit.model.bag import Bag

Values = dict[Placeholder, str]


class TaskTemplate:
    """The template from which the tasks of a bag are made. The bag has been checked for faults.

    A name that is the whole of an entry in ``inputs`` or ``outputs`` is a path. So is a word of
    the command that is written exactly as one of these entries. Both become absolute wherever
    they are used, so that a program writes where its output is looked for, whatever its
    working directory is. An entry of ``[each]`` with the name ``index`` replaces the task's number.
    """

    def __init__(self, bag: Bag) -> None:
        task = bag.task
        self.base = bag.directory
        self.function = task.function
        self.names = tuple(bag.each)
        self.command = [parse(text) for text in task.command]
        self.inputs = [parse(text) for text in task.inputs]
        self.outputs = [parse(text) for text in task.outputs]
        self.let = [(name, parse(bag.let[name])) for name in let_order(bag.let)]
        self.kwargs = task.kwargs
        paths = [*self.inputs, *self.outputs]
        self.path_names = {template.sole_name for template in paths} - {"", INDEX}
        self.path_texts = {template.text for template in paths}
        self.parts = _parts_used([*self.command, *paths, *(t for _, t in self.let)], task.kwargs)

    def task(self, index: int, elements: Sequence[Element]) -> Task:
        """Return the task of these elements, one of each axis; its key is still empty."""
        values: Values = {Placeholder(INDEX): str(index)}
        typed: dict[str, Any] = {INDEX: index}
        params: dict[str, Any] = {}
        for name, (value, text) in zip(self.names, elements, strict=True):
            params[name] = typed[name] = value
            self._add_value(name, text, values, typed)
        for name, template in self.let:
            self._add_value(name, template.fill(values), values, typed)
        return Task(
            index=index,
            key="",
            argv=tuple(self._word(n, t, values) for n, t in enumerate(self.command)),
            function=self.function,
            kwargs=self._arguments(values, typed) if self.function else {},
            params=params,
            inputs=self._paths(self.inputs, values),
            outputs=self._paths(self.outputs, values),
        )

    @property
    def program(self) -> str:
        """The program of all tasks; ``""`` if it differs between them, or they call a function."""
        if not self.command or self.command[0].placeholders:
            return ""
        return self._word(0, self.command[0], {})

    def written(self, elements: Sequence[Element]) -> dict[str, str]:
        """Return the parameters as the bag's file writes them: ``1e-2``, not 0.01."""
        return {name: text for name, (_, text) in zip(self.names, elements, strict=True)}

    def missing_in_outputs(self) -> str:
        """Return the placeholders of ``[each]`` that no output depends on, ``{a} and {b}``."""
        let = dict(self.let)
        used: set[str] = set()
        waiting = [p.name for template in self.outputs for p in template.placeholders]
        while waiting:
            name = waiting.pop()
            used.add(name)
            waiting += [p.name for p in let[name].placeholders] if name in let else []
        return " and ".join(f"{{{name}}}" for name in self.names if name not in used)

    def _add_value(self, name: str, text: str, values: Values, typed: dict[str, Any]) -> None:
        if name in self.path_names:
            text = absolute(self.base, text)
            typed[name] = text
        typed.setdefault(name, text)
        values[Placeholder(name)] = text
        for placeholder in self.parts.get(name, ()):
            values[placeholder] = part_of(text, placeholder.part)

    def _word(self, number: int, template: Template, values: Values) -> str:
        text = template.fill(values)
        if template.text in self.path_texts:
            return absolute(self.base, text)
        return program(self.base, text) if number == 0 else text

    def _paths(self, templates: list[Template], values: Values) -> tuple[str, ...]:
        filled: dict[str, None] = {}  # each once, in order
        for template in templates:
            text = template.fill(values)
            if not text:
                index = values[Placeholder(INDEX)]
                raise InputError(f"task {index}: the path {template.text!r} is empty")
            filled[absolute(self.base, text)] = None
        return tuple(filled)

    def _arguments(self, values: Values, typed: dict[str, Any]) -> dict[str, Any]:
        """Return the function's arguments: without ``kwargs``, all of ``[each]`` and ``[let]``."""
        if self.kwargs is None:
            left_out = {INDEX} - set(self.names)
            return {name: value for name, value in typed.items() if name not in left_out}
        return {name: _filled(value, values, typed) for name, value in self.kwargs.items()}


def _filled(value: Any, values: Values, typed: Mapping[str, Any]) -> Any:
    """Fill in placeholders at any depth; a value that is one placeholder keeps its type."""
    if isinstance(value, str):
        template = parse(value)
        return typed[template.sole_name] if template.sole_name else template.fill(values)
    if isinstance(value, Mapping):
        return {name: _filled(item, values, typed) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(item, values, typed) for item in value]
    return value


def _parts_used(templates: Sequence[Template], kwargs: Any) -> dict[str, set[Placeholder]]:
    """Return the placeholders that have a part, by name."""
    used: dict[str, set[Placeholder]] = {}
    texts = [kwargs] if kwargs else []
    found = [p for template in templates for p in template.placeholders]
    while texts:
        text = texts.pop()
        if isinstance(text, str):
            found += parse(text).placeholders
        elif isinstance(text, Mapping):
            texts += text.values()
        elif isinstance(text, list | tuple):
            texts += text
    for placeholder in found:
        if placeholder.part:
            used.setdefault(placeholder.name, set()).add(placeholder)
    return used
