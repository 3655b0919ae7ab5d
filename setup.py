"""The one thing pyproject.toml can't express: `profiles/` is packaged as `wdsr_tf/profiles`."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["wdsr_tf", "wdsr_tf.*"]), "wdsr_tf.profiles"],
    package_dir={"wdsr_tf.profiles": "profiles"},
)
