"""The data sets by name."""

from __future__ import annotations

import pytest

from dbsl_tf.common.errors import UserError
from dbsl_tf.config.catalogue import DATASETS, dataset_spec


class TestRecordDataset:
    def test_official_figures(self):
        for name, train, test, record_bytes, classes in (
            ("digits", 1437, 360, 3073, 10),
            ("cifar10", 50_000, 10_000, 3073, 10),
            ("cifar100", 50_000, 10_000, 3074, 100),
        ):
            spec = dataset_spec(name)
            assert (spec.train_samples, spec.test_samples, spec.record_bytes, spec.classes) == (
                train,
                test,
                record_bytes,
                classes,
            )

    def test_pickled_files_pair_with_record_files(self):
        for spec in DATASETS.values():
            if spec.python_layout is not None:
                assert len(spec.python_layout.train_files) == len(spec.train_files)
                assert len(spec.python_layout.test_files) == len(spec.test_files)
                assert len(spec.python_layout.label_keys) == spec.label_bytes

    def test_unknown_name_lists_the_known(self):
        with pytest.raises(UserError, match="data.name is 'mnist'.*digits, cifar10, cifar100"):
            dataset_spec("mnist")
