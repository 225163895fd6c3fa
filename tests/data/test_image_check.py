"""The check of image files agrees with what workers decode."""

from __future__ import annotations

import io
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from dbsl_tf.data.image_check import fault


def encoded(kind: str, mode: str) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(content, kind)
    return content.getvalue()


def animated(frames: list[Image.Image]) -> bytes:
    content = io.BytesIO()
    frames[0].save(content, "WEBP", save_all=True, append_images=frames[1:])
    return content.getvalue()


def damaged(whole: bytes) -> Iterator[bytes]:
    """The content with its end missing, with zeros in it, with other bits, with more behind it."""
    draw = random.Random(0)
    for missing in (1, 4, 8, 12, 16, len(whole) // 2):
        yield whole[:-missing]
    for _ in range(20):
        place = draw.randrange(len(whole) // 4, len(whole))
        yield whole[:place] + bytes(len(whole[place : place + 64])) + whole[place + 64 :]
        other = bytearray(whole)
        other[draw.randrange(2, len(whole))] ^= 1 << draw.randrange(8)
        yield bytes(other)
    yield whole + b"and more"


def decodes(content: bytes) -> bool:
    try:
        tf.io.decode_image(content, channels=3, expand_animations=False)
    except tf.errors.InvalidArgumentError:
        return False
    return True


class ImageCheckTest(tf.test.TestCase):
    def test_what_is_accepted_is_what_workers_decode(self):
        path = Path(self.enterContext(tempfile.TemporaryDirectory())) / "image"
        found = set()
        for kind, mode in (
            *(("JPEG", "RGB"), ("JPEG", "L"), ("JPEG", "CMYK")),
            *(("PNG", "RGB"), ("PNG", "P"), ("PNG", "1")),
            ("WEBP", "RGB"),
        ):
            whole = encoded(kind, mode)
            for number, content in enumerate([whole, *damaged(whole)]):
                path.write_bytes(content)
                accepted = fault(path) is None
                self.assertEqual(accepted, decodes(content), msg=f"{kind} {mode} {number}")
                found.add(accepted)
        self.assertEqual(found, {True, False})

    def test_a_reason_is_given_where_other_programs_see_none(self):
        path = Path(self.enterContext(tempfile.TemporaryDirectory())) / "image.png"
        path.write_bytes(encoded("PNG", "RGB")[:-12])
        self.assertEqual(fault(path), "damaged; TensorFlow cannot decode it")

    def test_webp_that_workers_do_not_decode_is_told_as_that(self):
        path = Path(self.enterContext(tempfile.TemporaryDirectory())) / "image.webp"
        frames = [Image.new("RGB", (9, 9), colour) for colour in ("red", "blue")]
        noise = np.random.default_rng(0).integers(0, 256, (40, 50, 4), dtype=np.uint8)
        transparent = io.BytesIO()
        Image.fromarray(noise).save(transparent, "WEBP")
        for content in (transparent.getvalue(), animated(frames)):
            path.write_bytes(content)
            self.assertFalse(decodes(content))
            self.assertIn("WebP image with transparency or several frames", fault(path))


if __name__ == "__main__":
    tf.test.main()
