"""A target's default pipeline by named stages, and a user's passes put between them.

{"simplify": "jic-cse", "fusion": "jic-form-kernels"}  with  {"before-fusion": "my-pass"}
  →  jic-cse | my-pass | jic-form-kernels
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jic.errors import PipelineError

from .options import near
from .pipeline import Pipeline


@dataclass(frozen=True)
class Section:
    """Consecutive passes of a pipeline.

    Attributes:
        source: where the user wrote them (`extra_passes["before-fusion"]`); empty for the target's own.
    """

    pipeline: Pipeline
    source: str = ""


def places(stages: Mapping[str, str]) -> list[str]:
    """Where passes can be put: `before-NAME` and `after-NAME` of each stage, in order."""
    return [f"{side}-{name}" for name in stages for side in ("before", "after")]


def with_passes(stages: Mapping[str, str], extra: Mapping[str, str]) -> list[Section]:
    """The stages, in order (name to pipeline text, which may be empty), with the pipelines of `extra` at their places.

    What goes after a stage runs before what goes before the next one.

    Raises:
        PipelineError: an unknown place, or a text that does not parse.
    """
    known = places(stages)
    for place in extra:
        if place not in known:
            raise _unknown(place, stages)
    sections: list[Section] = []
    for name, text in stages.items():
        for place, own in ((f"before-{name}", False), (name, True), (f"after-{name}", False)):
            if own:
                sections.append(Section(Pipeline.parse(text, name)))
            elif place in extra:
                source = f'extra_passes["{place}"]'
                sections.append(Section(Pipeline.parse(extra[place], source), source))
    return sections


def _unknown(place: str, stages: Mapping[str, str]) -> PipelineError:
    message = f"extra_passes names the place '{place}', which the pipeline does not have"
    known = places(stages)
    spelled = "-".join(place.lower().replace("_", "-").split())
    if spelled in stages:
        hint = f"did you mean 'before-{spelled}' or 'after-{spelled}'?"
    else:
        hint = f"did you mean '{spelled}'?" if spelled in known else near(spelled, known)
    names = f"places are before-STAGE and after-STAGE of {', '.join(stages)}"
    return PipelineError(message, hint=f"{hint} {names}".strip())
