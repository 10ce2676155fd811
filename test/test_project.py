"""What the project says of itself: paths in the documents, licences, versions that are named twice."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import jic

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "README.md"])
def test_paths_that_are_named_exist(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    named = re.findall(r"`([\w][\w./-]*/[\w./-]*|[\w-]+\.(?:md|toml))`", text)
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_documents_of_a_project_are_there() -> None:
    for path in (
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "CHANGELOG.md",
        "python/jic/py.typed",
        *PROJECT["project"]["license-files"],
    ):
        assert (ROOT / path).is_file(), path
    assert PROJECT["project"]["license"] == "MIT OR Apache-2.0"


def test_versions_that_are_named_twice() -> None:
    assert jic.__version__ == PROJECT["project"]["version"]
    (ruff,) = (d for d in PROJECT["project"]["optional-dependencies"]["test"] if d.startswith("ruff=="))
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert re.findall(r"^ +rev: v(.*)$", hooks, re.M) == [ruff.removeprefix("ruff==")]
