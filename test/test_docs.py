"""What the documentation says runs, and names what there is."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from jic import dialects
from jic.passes import registry
from jic.targets.cpu.pipeline import stages

ROOT = Path(__file__).resolve().parent.parent
WITH_CODE = ["README.md", "docs/usage.md", "docs/passes.md"]


@pytest.mark.parametrize("name", WITH_CODE)
def test_python_blocks_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of a file, in order, as one script: in a file, so that sources and lines can be found."""
    monkeypatch.setenv("JIC_CACHE_DIR", str(tmp_path / "cache"))
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / name).read_text(encoding="utf-8"), re.M | re.S)
    assert blocks
    script = tmp_path / "blocks.py"
    script.write_text("\n".join(blocks))
    runpy.run_path(str(script), run_name="blocks")


def test_every_pass_is_documented() -> None:
    text = (ROOT / "docs/passes.md").read_text(encoding="utf-8")
    assert [n for n in registry.names() if n.startswith("jic-") and f"`{n}`" not in text] == []


def test_every_stage_is_documented_in_order() -> None:
    text = (ROOT / "docs/passes.md").read_text(encoding="utf-8")
    table = text[text.index("| stage |") :].split("\n\n")[0]
    assert re.findall(r"^\| `([\w-]+)`", table, re.M) == list(stages())


def test_every_op_is_documented() -> None:
    text = (ROOT / "docs/dialect.md").read_text(encoding="utf-8")
    names = [op.OPERATION_NAME.removeprefix("jic.") for op in dialects.Jic.operations]
    assert [n for n in names if f"`{n}`" not in text] == []
