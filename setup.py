"""The packages; all else is in pyproject.toml, which cannot name one that lies elsewhere."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["dbsl_tf", "dbsl_tf.*"]), "dbsl_tf.configs"],
    package_dir={"dbsl_tf.configs": "configs"},
)
