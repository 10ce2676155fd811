"""From an artifact to a program that runs, by the artifact's target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jic.errors import ArtifactError

from .artifact import Artifact
from .program import Program

if TYPE_CHECKING:
    from .vulkan import VulkanProgram


def program_of(artifact: Artifact) -> Program | VulkanProgram:
    """The artifact, loaded.

    Raises:
        ArtifactError: it is damaged, or of a target that nothing here runs.
        DeviceError: the target's device is missing.
    """
    target = artifact.manifest.get("target")
    if target == "cpu":
        return Program(artifact)
    if target == "vulkan":
        from .vulkan import VulkanProgram  # and the driver: only now

        return VulkanProgram(artifact)
    raise ArtifactError(f"an artifact for {target!r}, which this runtime does not run", hint="it runs cpu and vulkan")
