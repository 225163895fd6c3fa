"""What the section `compute` means where it is computed."""

import tensorflow as tf

from dbsl_tf.config.training_sections import ComputeSection
from dbsl_tf.training.compute import Compute


class WinogradTest(tf.test.TestCase):
    def test_it_is_used_where_it_is_known_to_be_faster(self):
        section = ComputeSection(onednn="on")
        if not tf.config.list_logical_devices("GPU"):
            self.assertEqual(Compute.of(section), Compute("float32", False, winograd=True))
        for change in (
            {"winograd": False},
            {"xla": True},
            {"onednn": "off"},
            {"precision": "mixed_bfloat16"},
        ):
            self.assertFalse(Compute.of(section.model_copy(update=change)).winograd, change)


if __name__ == "__main__":
    tf.test.main()
