"""A bag's texts, taken apart once, so that each task is only filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hpckit.errors import InputError
from hpckit.model.bag_check import let_order
from hpckit.model.paths import absolute, program
from hpckit.model.placeholders import INDEX, Hole, Template, parse, part_of
from hpckit.model.sweep_elements import Element
from hpckit.model.task import Task

if TYPE_CHECKING:
    from hpckit.model.bag import Bag


class Recipe:
    """The template from which the tasks of a bag are made. The bag is known to have no faults.

    A name that stands alone in ``inputs`` or ``outputs`` is a path, and so is a word of the
    command that is written exactly as one of them: both become absolute wherever they are
    used, so that a program writes where the output is looked for, whatever its directory.
    An entry of ``[each]`` that is called ``index`` takes the place of the task's number.
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
        self.path_names = {template.alone for template in paths} - {"", INDEX}
        self.path_texts = {template.text for template in paths}
        self.parts = _parts_used([*self.command, *paths, *(t for _, t in self.let)], task.kwargs)

    def task(self, index: int, elements: Sequence[Element]) -> Task:
        """Return the task of some elements, one of each axis; its key is still empty."""
        values: dict[Hole, str] = {Hole(INDEX): str(index)}
        typed: dict[str, Any] = {INDEX: index}
        params: dict[str, Any] = {}
        for name, (value, text) in zip(self.names, elements, strict=True):
            params[name] = typed[name] = value
            self._know(name, text, values, typed)
        for name, template in self.let:
            self._know(name, template.fill(values), values, typed)
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
        """The program of every task, ``""`` where it differs between them or is a function."""
        if not self.command or self.command[0].holes:
            return ""
        return self._word(0, self.command[0], {})

    def written(self, elements: Sequence[Element]) -> dict[str, str]:
        """Return the parameters as the bag's file writes them: ``1e-2``, not 0.01."""
        return {name: text for name, (_, text) in zip(self.names, elements, strict=True)}

    def missing_in_outputs(self) -> str:
        """Return the placeholders of ``[each]`` that no output depends on, ``{a} and {b}``."""
        let = dict(self.let)
        used: set[str] = set()
        waiting = [hole.name for template in self.outputs for hole in template.holes]
        while waiting:
            name = waiting.pop()
            used.add(name)
            waiting += [hole.name for hole in let[name].holes] if name in let else []
        return " and ".join(f"{{{name}}}" for name in self.names if name not in used)

    def _know(self, name: str, text: str, values: dict[Hole, str], typed: dict[str, Any]) -> None:
        if name in self.path_names:
            text = absolute(self.base, text)
            typed[name] = text
        typed.setdefault(name, text)
        values[Hole(name)] = text
        for hole in self.parts.get(name, ()):
            values[hole] = part_of(text, hole.part)

    def _word(self, number: int, template: Template, values: Mapping[Hole, str]) -> str:
        text = template.fill(values)
        if template.text in self.path_texts:
            return absolute(self.base, text)
        return program(self.base, text) if number == 0 else text

    def _paths(self, templates: list[Template], values: Mapping[Hole, str]) -> tuple[str, ...]:
        filled: dict[str, None] = {}  # each once, in order
        for template in templates:
            text = template.fill(values)
            if not text:
                raise InputError(f"task {values[Hole(INDEX)]}: the path {template.text!r} is empty")
            filled[absolute(self.base, text)] = None
        return tuple(filled)

    def _arguments(self, values: Mapping[Hole, str], typed: dict[str, Any]) -> dict[str, Any]:
        """Without ``kwargs``, the function gets every name of ``[each]`` and ``[let]``."""
        if self.kwargs is None:
            ours = {INDEX} - set(self.names)
            return {name: value for name, value in typed.items() if name not in ours}
        return {name: _filled(value, values, typed) for name, value in self.kwargs.items()}


def _filled(value: Any, values: Mapping[Hole, str], typed: Mapping[str, Any]) -> Any:
    """Fill placeholders at any depth; one that stands alone keeps its type."""
    if isinstance(value, str):
        template = parse(value)
        return typed[template.alone] if template.alone else template.fill(values)
    if isinstance(value, Mapping):
        return {name: _filled(item, values, typed) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(item, values, typed) for item in value]
    return value


def _parts_used(templates: Sequence[Template], kwargs: Any) -> dict[str, set[Hole]]:
    """Return the placeholders with a part, by name."""
    used: dict[str, set[Hole]] = {}
    texts = [kwargs] if kwargs else []
    found = [hole for template in templates for hole in template.holes]
    while texts:
        text = texts.pop()
        if isinstance(text, str):
            found += parse(text).holes
        elif isinstance(text, Mapping):
            texts += text.values()
        elif isinstance(text, list | tuple):
            texts += text
    for hole in found:
        if hole.part:
            used.setdefault(hole.name, set()).add(hole)
    return used
