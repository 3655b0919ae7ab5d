import importlib.metadata
import json
import sys

import pytest

from wdsr_tf.errors import InputError
from wdsr_tf.system import extras

WHEEL = "file:///home/me/wdsr_tf-0.2.0-py3-none-any.whl"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """`installed(direct_url)` makes wdsr-tf look installed into site-packages, as pip records it."""

    def install(direct_url=None):
        class Distribution:
            @staticmethod
            def read_text(name):
                return json.dumps(direct_url) if direct_url and name == "direct_url.json" else None

        monkeypatch.setattr(extras, "PROJECT", tmp_path)
        monkeypatch.setattr(importlib.metadata, "distribution", lambda name: Distribution)

    return install


def test_a_checkout_adds_an_extra_to_itself(tmp_path, monkeypatch):
    monkeypatch.chdir(extras.PROJECT)
    assert extras.install_command("train") == "pip install -e '.[train]'"
    monkeypatch.chdir(tmp_path)
    assert extras.install_command("train") == f"pip install -e '{extras.PROJECT}[train]'"


def test_a_release_adds_an_extra_from_the_index(installed):
    installed()
    assert extras.install_command("train") == "pip install 'wdsr-tf[train]'"
    assert extras.install_command() == "pip install 'wdsr-tf'"


@pytest.mark.parametrize(
    "direct_url, origin",
    [
        ({"url": WHEEL, "archive_info": {}}, WHEEL),
        ({"url": "file:///home/me/wdsr_tf", "dir_info": {}}, "file:///home/me/wdsr_tf"),
        (
            {"url": "https://example.org/wdsr.git", "vcs_info": {"vcs": "git", "commit_id": "abc123"}},
            "git+https://example.org/wdsr.git@abc123",
        ),
    ],
)
def test_a_wheel_a_folder_and_a_repository_are_installed_again_from_where_they_came(installed, direct_url, origin):
    installed(direct_url)
    assert extras.install_command("openvino") == f"pip install 'wdsr-tf[openvino] @ {origin}'"


def test_another_project_around_the_package_is_no_checkout(installed, tmp_path):
    installed()
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "other"\n')
    assert extras.install_command("train") == "pip install 'wdsr-tf[train]'"


def test_a_copy_that_pip_did_not_install_is_installed_from_the_index(monkeypatch, tmp_path):
    def unknown(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(extras, "PROJECT", tmp_path)
    monkeypatch.setattr(importlib.metadata, "distribution", unknown)
    assert extras.install_command("train") == "pip install 'wdsr-tf[train]'"


def test_windows_gets_double_quotes(installed, monkeypatch):
    installed()
    monkeypatch.setattr(extras.os, "name", "nt")
    assert extras.install_command("train") == 'pip install "wdsr-tf[train]"'


def test_the_message_names_the_package_the_purpose_and_the_command(installed):
    installed()
    error = extras.missing("onnx", "train", "Exporting to ONNX")
    assert isinstance(error, InputError)
    assert str(error) == (
        "Exporting to ONNX needs onnx, which isn't installed. Install it with: pip install 'wdsr-tf[train]'"
    )


def test_installed_packages_are_found_without_importing_them(monkeypatch):
    assert extras.is_installed("numpy")
    assert not extras.is_installed("no_such_package")
    assert not extras.is_installed("no_such_package.part")
    monkeypatch.setitem(sys.modules, "blocked", None)
    assert not extras.is_installed("blocked")
