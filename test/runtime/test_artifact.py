"""Saved artifacts: what is read back is what was written, or an error."""

from __future__ import annotations

import random

import pytest

from jic.errors import ArtifactError
from jic.runtime.artifact import Artifact
from jic.runtime.features import missing_features

ARTIFACT = Artifact({"format": 1, "target": "cpu", "features": "", "steps": [1, "é", None]}, b"code" * 50, b"constants")


def test_round_trip():
    assert Artifact.from_bytes(ARTIFACT.to_bytes()) == ARTIFACT
    assert ARTIFACT.to_bytes() == ARTIFACT.to_bytes()


def test_any_flipped_byte_is_noticed():
    data = ARTIFACT.to_bytes()
    random.seed(3)
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= random.randrange(1, 256)
        with pytest.raises(ArtifactError):
            Artifact.from_bytes(bytes(damaged))


def test_any_truncation_is_noticed():
    data = ARTIFACT.to_bytes()
    for size in range(len(data)):
        with pytest.raises(ArtifactError):
            Artifact.from_bytes(data[:size])
    with pytest.raises(ArtifactError):
        Artifact.from_bytes(data + b"\0")


def test_another_manifest_format():
    with pytest.raises(ArtifactError, match="format"):
        Artifact.from_bytes(Artifact({"format": 2}, b"", b"").to_bytes())


def test_features():
    assert missing_features("") == []
    assert missing_features("generic -avx,+unheard-of") == []
    lacking = missing_features("x +xop,+fma4,+tbm,+amx-tile,+sve2,+avx512vp2intersect")
    assert lacking
    other = Artifact({"format": 1, "target": "cpu", "features": f"x +{lacking[0]}"}, b"", b"")
    with pytest.raises(ArtifactError, match=lacking[0]):
        Artifact.from_bytes(other.to_bytes())
