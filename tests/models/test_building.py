"""Models by name."""

import subprocess
import sys

import keras_core
import tensorflow as tf

from dbsl_tf.common.errors import UserError
from dbsl_tf.config.names import MODEL_NAMES
from dbsl_tf.models import MODELS, build_model


class BuildModelTest(tf.test.TestCase):
    def test_known_names(self):
        self.assertCountEqual(
            MODELS,
            MODEL_NAMES,
        )
        self.assertEqual(build_model(keras_core, "resnet20", 10, 0.0).name, "resnet20")

    def test_dropout_is_before_the_classifier(self):
        layers = build_model(keras_core, "resnet8", 10, 0.25).layers
        self.assertEqual(layers[-2].rate, 0.25)
        self.assertEqual(layers[-1].units, 10)

    def test_unknown_name_lists_the_known(self):
        with self.assertRaisesRegex(UserError, r"model\.name.*'resnet19'.*resnet18"):
            build_model(keras_core, "resnet19", 10, 0.0)

    def test_import_loads_neither_tensorflow_nor_keras(self):
        code = (
            "import sys, dbsl_tf.models;"
            "print(sorted({'tensorflow', 'keras', 'keras_core'} & set(sys.modules)))"
        )
        result = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        self.assertEqual(result.stdout.strip(), "[]")
