"""Bags for tests, in a directory with hostile names."""

from __future__ import annotations

from pathlib import Path

from hpckit.model.bag import Bag, load_bag

#: Names that break what quotes carelessly.
HOSTILE = ("a b.npy", "it's.npy", 'say "hi".npy', "two\nlines.npy", "größe.npy", "$HOME;*.npy")


def write_bag(directory: Path, text: str, name: str = "bag.toml") -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_text(text, encoding="utf-8")
    return path


def bag_of(directory: Path, text: str, **sets: str) -> Bag:
    return load_bag(write_bag(directory, text), {k.replace("__", "."): v for k, v in sets.items()})


def touch(directory: Path, *names: str) -> list[str]:
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        (directory / name).touch()
    return sorted(str(directory / name) for name in names)
