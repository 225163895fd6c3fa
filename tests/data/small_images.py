"""A small folder of image files in class folders, good and bad ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("ant", "bee", "cat")
BAD = ("train/ant/cut.jpg", "train/bee/text.jpg", "val/cat/empty.png")


def write_photo(path: Path, number: int, size: tuple[int, int] = (40, 30), mode: str = "RGB"):
    """Writes an image of one grey, `number`, of `size` (width, height)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("L", size, number).convert(mode)
    image.save(path, **({"quality": 100} if path.suffix == ".jpg" else {}))


def write_image_folder(directory: Path, per_class: int = 4) -> dict[str, int]:
    """Writes train/ and val/ with `per_class` photos a class; returns the grey of each path.

    Every training photo has its own grey, three apart, so that it is known by its pixels.
    """
    greys = {}
    for split, count in (("train", per_class), ("val", 2)):
        for name in CLASSES:
            for number in range(count):
                suffix = "png" if number % 2 else "jpg"
                grey = 3 * (len(greys) + 1)
                path = f"{split}/{name}/photo{number}.{suffix}"
                write_photo(directory / path, grey, size=(40 + number, 30 + 2 * number))
                greys[path] = grey
    return greys


def write_bad_images(directory: Path) -> None:
    """Adds a truncated JPEG, text with the name of a JPEG, and an empty PNG."""
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    Image.fromarray(noise).save(directory / BAD[0], quality=90)
    content = (directory / BAD[0]).read_bytes()
    (directory / BAD[0]).write_bytes(content[: len(content) // 2])
    (directory / BAD[1]).write_text("no image\n")
    (directory / BAD[2]).touch()
