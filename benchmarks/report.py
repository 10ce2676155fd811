"""Markdown tables from the benchmarks' JSON files.

python benchmarks/models.py --inductor --json models.json
python benchmarks/report.py models.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from harness import geometric_mean

CONTENDERS = ("eager", "inductor", "copy")


def micro(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def table(rows: list[dict[str, Any]]) -> str:
    """One line a case and thread count: times in µs, and how many times as long the others take."""
    found = [c for c in CONTENDERS if any(f"{c}_us" in r for r in rows)]
    lines = ["| work | threads | jic µs | " + " | ".join(f"{c} µs | × {c}" for c in found) + " |"]
    lines.append("|---|---|---|" + "---|---|" * len(found))
    for r in rows:
        cells = [r["name"], str(r["threads"]), micro(r["jic_us"])]
        for c in found:
            cells += [micro(r[f"{c}_us"]), f"{r[f'vs_{c}']:.2f}"] if f"{c}_us" in r else ["", ""]
        lines.append("| " + " | ".join(cells) + " |")
    for group in dict.fromkeys(r["group"] for r in rows):
        for threads in sorted({r["threads"] for r in rows}):
            part = [r for r in rows if r["group"] == group and r["threads"] == threads]
            if not part:
                continue
            cells = [f"**{group}: geometric mean (least)**", str(threads), ""]
            for c in found:
                values = [r[f"vs_{c}"] for r in part if f"vs_{c}" in r]
                cells += ["", f"**{geometric_mean(values):.2f}** ({min(values):.2f})"] if values else ["", ""]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    for name in sys.argv[1:]:
        data = json.loads(Path(name).read_text())
        rows = data["rows"] if isinstance(data, dict) else data
        for row in rows:
            row.setdefault("vs_eager", row.get("speedup", 1.0))
        print(f"\n{Path(name).stem}\n\n{table(rows)}")


if __name__ == "__main__":
    main()
