"""The project's files agree with each other."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

# What conda-forge calls otherwise: its matplotlib brings a GUI toolkit along.
CONDA_NAMES = {"graphviz": "python-graphviz", "matplotlib": "matplotlib-base"}

# What PyPI's packages bring by their own extras.
CONDA_LIBRARIES = {"cuda-version=13", "libcublas"}


def test_environment_has_the_dependencies_of_the_project():
    extras = PROJECT["optional-dependencies"]
    wanted = [*PROJECT["dependencies"], *extras["test"], *extras["lint"]]
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert sorted(environment) == sorted(
        [f"python{PROJECT['requires-python']}", "pip", *map(_conda_form, wanted)]
    )


@pytest.mark.parametrize("major", ["12", "13"])
def test_a_gpu_environment_has_what_the_extra_brings(major):
    extra = PROJECT["optional-dependencies"][f"cuda{major}"]
    assert {found for item in extra for found in re.findall(r"\[cu(\d+)\]", item)} == {major}
    listed = yaml.safe_load((ROOT / "environment-cuda.yml").read_text())["dependencies"]
    assert set(map(_conda_form, extra)) == set(listed) - CONDA_LIBRARIES


def test_every_dependency_has_a_lower_bound():
    extras = PROJECT["optional-dependencies"]
    listed = [*PROJECT["dependencies"], *(item for name in extras for item in extras[name])]
    others = [item for item in listed if not item.startswith(PROJECT["name"])]
    assert [item for item in others if ">=" not in item and "==" not in item] == []


def _conda_form(requirement: str) -> str:
    name, bound = re.fullmatch(r"([\w-]+)(?:\[.*\])?(.*)", requirement).groups()
    return CONDA_NAMES.get(name, name) + bound
