"""The peer `pytorch` trains the networks of dbsl_tf, on the images of the same files."""

import itertools
from pathlib import Path
from tempfile import TemporaryDirectory

import keras_core
import numpy as np
import pytest
import tensorflow as tf

from dbsl_tf.config.augment import AugmentStep
from dbsl_tf.models import build_model, model_weights
from dbsl_tf.training.network import Network

torch = pytest.importorskip(
    "torch",
    reason="PyTorch is a peer of the benchmark only: pip install -r requirements-benchmark.txt",
)

CLASSES = 5
# PyTorch's names of a layer's weights, and Keras's.
NAMES = {
    "weight": "kernel",
    "bias": "bias",
    "normalization.weight": "gamma",
    "normalization.bias": "beta",
    "normalization.running_mean": "moving_mean",
    "normalization.running_var": "moving_variance",
}


def keras_name(name):
    """From features.stage1_block1.2.convolution.weight to stage1_block1_2_convolution/kernel."""
    *layer, kind = name.removeprefix("features.").split(".")
    known = f"normalization.{kind}" if layer[-1] == "normalization" else kind
    return f"{'_'.join(layer)}/{NAMES[known]}"


def pytorch_form(name, value):
    """A weight of Keras in PyTorch's order of axes."""
    value = np.asarray(value)
    if value.ndim == 2:
        return value.T
    if value.ndim == 4:
        return value.transpose((2, 3, 0, 1) if "depthwise" in name else (3, 2, 0, 1))
    return value


class NetworksTest(tf.test.TestCase):
    def test_logits_gradients_and_statistics_of_a_batch(self):
        # Odd sizes, which both pad alike.
        for name, stem, size in (
            ("resnet8", "cifar", 17),
            ("resnet18", "imagenet", 33),
            ("resnet50", "cifar", 17),
            ("mobilenet_v2", "cifar", 17),
            ("mobilenet_v2", "imagenet", 65),
        ):
            with self.subTest(name=name, stem=stem):
                self.check_same(name, stem, size)

    def check_same(self, name, stem, size):
        from scripts.benchmarking.pytorch_network import network

        random = np.random.default_rng(8)
        images = random.normal(size=(8, size, size, 3)).astype(np.float32)
        labels = random.integers(0, CLASSES, 8)
        model = build_model(keras_core, name, CLASSES, 0.0, stem=stem)
        for weight in model_weights(model):
            if weight.name == "gamma":
                weight.assign(random.uniform(0.5, 1.5, weight.shape))
        weights = {weight.path: weight.numpy() for weight in model_weights(model)}
        ours = Network(model)
        trainable, statistics = ours.split([tf.constant(w) for w in ours.initial_weights()])
        with tf.GradientTape() as tape:
            tape.watch(trainable)
            logits, statistics, _, _ = ours.train(
                trainable, statistics, ours.seed_states(tf.constant(0)), tf.constant(images)
            )
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        paths = [variable.path for variable in model.trainable_variables]
        gradients = dict(zip(paths, tape.gradient(loss, trainable), strict=True))
        paths = [variable.path for variable in model.non_trainable_variables]
        moved = dict(zip((p for p in paths if "seed" not in p), statistics, strict=True))

        theirs = network(name, CLASSES, 0.0, stem).to(memory_format=torch.channels_last)
        tensors = {
            their_name: tensor
            for their_name, tensor in theirs.state_dict().items()
            if tensor.is_floating_point()
        }
        self.assertCountEqual(map(keras_name, tensors), weights)
        for their_name, tensor in tensors.items():
            path = keras_name(their_name)
            tensor.copy_(torch.from_numpy(pytorch_form(path, weights[path]).copy()))
        their_logits = theirs(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
        torch.nn.functional.cross_entropy(their_logits, torch.from_numpy(labels)).backward()

        self.check_close(logits, their_logits.detach().numpy(), "logits")
        # Some have a gradient of 0 but for rounding, such as an offset before a normalisation.
        largest = max(float(tf.norm(gradient)) for gradient in gradients.values())
        for their_name, parameter in theirs.named_parameters():
            path = keras_name(their_name)
            ours_here = pytorch_form(path, gradients[path])
            self.check_close(ours_here, parameter.grad.numpy(), path, 1e-4 * largest)
        for their_name, tensor in tensors.items():
            if their_name.endswith("running_mean"):
                path = keras_name(their_name)
                # What follows a convolution of normalised values alone has a mean of 0.
                self.check_close(moved[path], tensor.numpy(), path, 1e-5)

    def check_close(self, ours, theirs, what, rounding=0.0):
        # Fifty normalisations of a few small images make much of a difference in the last digit.
        difference, size = np.linalg.norm(np.asarray(ours) - theirs), np.linalg.norm(theirs)
        self.assertLess(difference, 0.1 * size + rounding, what)


class ImagesTest(tf.test.TestCase):
    def test_every_image_once_a_pass_and_windows_of_the_padded_image(self):
        from scripts.benchmarking.pytorch_images import Images

        with TemporaryDirectory() as folder:
            data, pixels = record_data(Path(folder), 6)
            plain = Images(data, 6, ())
            seen = list(itertools.islice(plain.batches([4, 1], 3), 5))
            self.assertEqual([len(labels) for _, labels in seen], [4, 1, 4, 1, 4])
            labels = torch.cat([labels for _, labels in seen])
            self.assertAllEqual(np.sort(labels[:6]), range(6))
            self.assertAllEqual(np.sort(labels[6:12]), range(6))
            mean, deviation = np.array(data.spec.mean), np.array(data.spec.standard_deviation)
            for images, labels in seen:
                expected = (pixels[labels.numpy()] / 255 - mean) / deviation
                self.assertAllClose(images.permute(0, 2, 3, 1), expected, atol=1e-5)
                self.assertTrue(images.is_contiguous(memory_format=torch.channels_last))

            steps = [
                AugmentStep("random_crop", {"padding": 2}),
                AugmentStep("random_flip", {"mode": "horizontal"}),
            ]
            images, labels = next(Images(data, 6, steps).batches([600], 3))
        got = np.rint((images.permute(0, 2, 3, 1).numpy() * deviation + mean) * 255).astype(int)
        size, windows = data.spec.image_size, {}
        for label in range(6):
            padded = np.pad(pixels[label], ((2, 2), (2, 2), (0, 0)))
            for top, left in itertools.product(range(5), repeat=2):
                window = padded[top : top + size, left : left + size]
                windows[label, window.tobytes()] = top, left, False
                windows[label, window[:, ::-1].tobytes()] = top, left, True
        found = [
            windows[int(label), image.astype(np.uint8).tobytes()]
            for label, image in zip(labels, got)
        ]
        self.assertEqual(
            {(top, left) for top, left, _ in found}, set(itertools.product(range(5), repeat=2))
        )
        self.assertEqual({flip for _, _, flip in found}, {False, True})


def record_data(folder, samples):
    """Record files of random images, the label of each its number; and the pixels."""
    from dataclasses import replace

    from dbsl_tf.config.catalogue import dataset_spec
    from dbsl_tf.data.record_files import RecordData

    spec = replace(dataset_spec("cifar10"), train_files=("a.bin",), train_records_per_file=samples)
    pixels = np.random.default_rng(2).integers(0, 256, (samples, 32, 32, 3), np.uint8)
    labels = np.arange(samples, dtype=np.uint8)[:, None]
    planes = pixels.transpose(0, 3, 1, 2).reshape(samples, -1)
    np.concatenate([labels, planes], axis=1).tofile(folder / "a.bin")
    return RecordData(spec, (folder / "a.bin",), ()), pixels
