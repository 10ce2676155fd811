"""A compiled program as bytes: what the compiler hands to the runtime, and what is saved."""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass
from typing import Any

from jic.errors import ArtifactError

from .features import missing_features

__all__ = ["FORMAT", "Artifact"]

FORMAT = 1
_MAGIC = b"\x89JIC\r\n\x1a\n"  # like PNG's: a transfer that changes line ends or cuts the eighth bit shows
_HEADER = struct.Struct("<8sI32sQQQ")  # magic, format, sha256 of what follows the header, sizes of the three parts
_HINT = "compile again, or delete the file"


@dataclass(frozen=True)
class Artifact:
    """A compiled program.

    Attributes:
        manifest: what `docs/architecture.md` says under "Artifact"; JSON values only.
        code: the target's code; for the cpu a relocatable ELF object.
        constants: the bytes of all constants, at the offsets that the manifest gives.
    """

    manifest: dict[str, Any]
    code: bytes
    constants: bytes

    def to_bytes(self) -> bytes:
        """The saved form. Equal artifacts give equal bytes."""
        manifest = json.dumps(self.manifest, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
        body = b"".join((manifest, self.code, self.constants))
        digest = hashlib.sha256(struct.pack("<QQQ", len(manifest), len(self.code), len(self.constants)) + body).digest()
        return _HEADER.pack(_MAGIC, FORMAT, digest, len(manifest), len(self.code), len(self.constants)) + body

    @classmethod
    def from_bytes(cls, data: bytes) -> Artifact:
        """Read the saved form.

        Raises:
            ArtifactError: not an artifact, damaged, of another format, or for a CPU with features this one lacks.
        """
        if len(data) < _HEADER.size or data[:8] != _MAGIC:
            raise ArtifactError("not an artifact of jic", hint=_HINT)
        _, version, digest, *sizes = _HEADER.unpack_from(data)
        if version != FORMAT:
            raise ArtifactError(f"an artifact of format {version}, expected {FORMAT}", hint=_HINT)
        body = data[_HEADER.size :]
        if sum(sizes) != len(body):
            raise ArtifactError(
                f"an artifact of {len(body)} bytes, expected {sum(sizes)}: it was cut or extended", hint=_HINT
            )
        if hashlib.sha256(struct.pack("<QQQ", *sizes) + body).digest() != digest:
            raise ArtifactError("the artifact's checksum does not match: it is damaged", hint=_HINT)
        try:
            manifest = json.loads(body[: sizes[0]])
        except ValueError as error:
            raise ArtifactError(f"the artifact's manifest is not JSON: {error}", hint=_HINT) from error
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            raise ArtifactError(f"the artifact's manifest is not of format {FORMAT}", hint=_HINT)
        artifact = cls(manifest, body[sizes[0] : sizes[0] + sizes[1]], body[sizes[0] + sizes[1] :])
        artifact.check_machine()
        return artifact

    def check_machine(self) -> None:
        """Raise ArtifactError if this CPU lacks features that the code was compiled for."""
        if self.manifest.get("target") != "cpu":
            return
        missing = missing_features(str(self.manifest.get("features", "")))
        if missing:
            raise ArtifactError(
                f"the artifact was compiled for a CPU with {', '.join(missing)}, which this one lacks",
                hint="compile again on this machine",
            )
