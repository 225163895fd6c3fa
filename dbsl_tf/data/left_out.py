"""What lies in a folder of images and is not among its images."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from dbsl_tf.common.first_few import first_few
from dbsl_tf.common.visible import visible


class LeftOut:
    """Counts what is passed over while the images of a folder are listed.

    Args:
        suffixes: of images, in lower case.
    """

    def __init__(self, suffixes: tuple[str, ...]) -> None:
        self._suffixes = suffixes
        self._dead_links: list[str] = []
        self._outside: list[str] = []
        self._deeper: list[str] = []
        self._others: list[str] = []

    def add_beside_classes(self, split: str, entries: Iterable[os.DirEntry[str]]) -> None:
        """Adds what lies beside the class folders of a split.

        Args:
            split: the name of its folder.
            entries: of that folder, those that are not class folders.
        """
        for entry in entries:
            name = f"{split}/{entry.name}"
            if _leads_nowhere(entry):
                self._dead_links.append(name)
            elif entry.name.lower().endswith(self._suffixes):
                self._outside.append(name)

    def add_to_class(self, name: str, entry: os.DirEntry[str]) -> None:
        """Adds what lies in a class folder and is not an image.

        Args:
            name: of its folder, with that of the split.
            entry: of that folder.
        """
        path = f"{name}/{entry.name}"
        if entry.is_dir():
            self._deeper += [f"{name}/{inner}" for inner in self._images_below(entry)]
        elif _leads_nowhere(entry):
            self._dead_links.append(path)
        else:
            self._others.append(path)

    def lines(self) -> list[str]:
        """Returns a line on each kind of things that were passed over."""
        suffixes = Counter(Path(name).suffix.lower() or "none" for name in self._others)
        kinds = ", ".join(f"{suffix} {count:,}" for suffix, count in suffixes.most_common())
        return [
            f"{len(names):,} {what}: {some(names)}"
            for names, what in (
                (self._dead_links, "broken symbolic link(s)"),
                (self._outside, "image(s) in no class folder"),
                (self._deeper, "image(s) in subfolders of class folders"),
                (self._others, f"file(s) of types that are not read ({kinds})"),
            )
            if names
        ]

    def _images_below(self, folder: os.DirEntry[str]) -> Iterator[str]:
        above = os.path.dirname(folder.path)
        for place, _, files in os.walk(folder.path):
            for file in files:
                if file.lower().endswith(self._suffixes) and not file.startswith("."):
                    yield os.path.relpath(os.path.join(place, file), above)


def _leads_nowhere(entry: os.DirEntry[str]) -> bool:
    return entry.is_symlink() and not os.path.exists(entry.path)


def some(names: list[str]) -> str:
    """Returns the first of the names, sorted, in one line."""
    return visible(first_few(sorted(names), len(names)))
