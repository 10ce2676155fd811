"""PyTorch's recurrent modules and cells, against float64, and their gradients against eager's."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import pytest
import torch
from checking import assert_like, in_float64
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.utils import _pytree as pytree

import jic

UNCACHED = jic.JitConfig(enable_caching=False)
KINDS = {"tanh": (nn.RNN, {}), "relu": (nn.RNN, {"nonlinearity": "relu"}), "gru": (nn.GRU, {}), "lstm": (nn.LSTM, {})}
OPTIONS = {
    "plain": {},
    "batch first": {"batch_first": True},
    "two layers": {"num_layers": 2},
    "both ways": {"bidirectional": True},
    "everything": {"num_layers": 3, "bidirectional": True, "batch_first": True},
    "no bias": {"bias": False, "num_layers": 2},
    "no dropout": {"dropout": 0.0, "num_layers": 2},
}


@pytest.fixture(autouse=True)
def _deterministic() -> None:
    torch.random.manual_seed(0)


def compiled_and_checked(module: nn.Module, *args: Any, compiled_whole: bool = True) -> Any:
    """Compile `module`, call it twice, compare with the module in float64. Returns the compiled module."""
    compiled = jic.compile(module, config=UNCACHED)
    with torch.no_grad():
        expected = module(*args)
        reference = copy.deepcopy(module).double()(*pytree.tree_map(in_float64, args))
        for _ in range(2):
            assert_like(compiled(*args), expected, reference, factor=8)
    if compiled_whole:
        assert not any(s["eager"] for s in compiled.stats()["signatures"]), str(jic.explain(compiled)(*args))
    return compiled


def initial_state(module: nn.RNNBase, batch: int | None) -> Any:
    """The state that `module` takes, of a batch (None: without a batch dim)."""
    directions = module.num_layers * (2 if module.bidirectional else 1)
    dims = () if batch is None else (batch,)
    h = torch.randn(directions, *dims, module.proj_size or module.hidden_size)
    return (h, torch.randn(directions, *dims, module.hidden_size)) if isinstance(module, nn.LSTM) else h


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_module(kind: str, options: str) -> None:
    build, own = KINDS[kind]
    module = build(5, 6, **own, **OPTIONS[options])  # in train mode, as it is made
    x = torch.randn(3, 7, 5) if module.batch_first else torch.randn(7, 3, 5)
    compiled_and_checked(module, x)
    compiled_and_checked(module, x, initial_state(module, 3))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("steps", [1, 2, 33])
def test_lengths(kind: str, steps: int) -> None:
    build, own = KINDS[kind]
    compiled_and_checked(build(4, 3, **own).eval(), torch.randn(steps, 1, 4))


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_batch_dim(kind: str) -> None:
    build, own = KINDS[kind]
    module = build(5, 6, 2, **own).eval()
    compiled_and_checked(module, torch.randn(7, 5))
    compiled_and_checked(module, torch.randn(7, 5), initial_state(module, None))


@pytest.mark.parametrize(
    "options", [{}, {"num_layers": 2, "bidirectional": True, "batch_first": True}, {"bias": False}]
)
def test_lstm_with_projection(options: dict[str, Any]) -> None:
    module = nn.LSTM(5, 6, proj_size=3, **options).eval()
    x = torch.randn(4, 7, 5)
    compiled_and_checked(module, x)
    batch = 4 if module.batch_first else 7
    compiled_and_checked(module, x, initial_state(module, batch))


@pytest.mark.parametrize("kind", KINDS)
def test_widths_that_fill_no_vector(kind: str) -> None:
    build, own = KINDS[kind]
    for inputs, hidden, batch in ((1, 1, 1), (17, 33, 5), (64, 48, 2)):
        compiled_and_checked(build(inputs, hidden, **own).eval(), torch.randn(9, batch, inputs))


@pytest.mark.parametrize("kind", KINDS)
def test_empty_batch_and_no_steps(kind: str) -> None:
    build, own = KINDS[kind]
    module = build(4, 3, **own).eval()
    for shape in ((5, 0, 4), (0, 2, 4)):
        x = torch.randn(shape)
        compiled = jic.compile(module, config=UNCACHED)
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            try:
                expected = module(x)
            except Exception as error:
                with pytest.raises(type(error)):
                    compiled(x)
            else:
                assert_like(compiled(x), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_packed_sequences(kind: str) -> None:
    """They may run eagerly."""
    build, own = KINDS[kind]
    module = build(4, 3, 2, bidirectional=True, **own).eval()

    def padded(x: torch.Tensor, lengths: torch.Tensor) -> Any:
        packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
        out, state = module(packed)
        return (*pad_packed_sequence(out), state)

    x, lengths = torch.randn(6, 3, 4), torch.tensor([6, 2, 4])
    compiled_module = jic.compile(module, config=UNCACHED)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        compiled = jic.compile(padded, config=UNCACHED)
        for _ in range(2):
            assert_like(compiled(x, lengths), padded(x, lengths))
        packed = pack_padded_sequence(x, torch.tensor([6, 4, 2]))
        expected, _ = module(packed)
        found, _ = compiled_module(packed)
        assert_like(found.data, expected.data)
        assert torch.equal(found.batch_sizes, expected.batch_sizes)


def test_dropout_between_layers_is_random_in_train_mode() -> None:
    module = nn.LSTM(4, 8, num_layers=2, dropout=0.5).train()
    x = torch.randn(6, 2, 4)
    compiled = jic.compile(module, config=UNCACHED)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        assert not torch.equal(compiled(x)[0], compiled(x)[0])
        module.eval()
        assert_like(compiled(x), module(x))


@pytest.mark.parametrize("kind", KINDS)
def test_inside_a_model(kind: str) -> None:
    build, own = KINDS[kind]

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(11, 5)
            self.rnn = build(5, 6, 2, batch_first=True, **own)
            self.head = nn.Linear(6, 3)

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            out, _ = self.rnn(self.embedding(tokens))
            return self.head(out[:, -1]).log_softmax(-1)

    compiled_and_checked(Model().eval(), torch.randint(0, 11, (3, 7)))


class CellLoop(nn.Module):
    """A cell in a loop written by hand."""

    def __init__(self, cell: nn.Module) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: torch.Tensor) -> Any:
        state = None
        outs = []
        for t in range(x.size(0)):
            state = self.cell(x[t], state)
            outs.append(state[0] if isinstance(state, tuple) else state)
        return torch.stack(outs), state


CELLS = {
    "tanh": lambda: nn.RNNCell(4, 5),
    "relu": lambda: nn.RNNCell(4, 5, nonlinearity="relu"),
    "gru": lambda: nn.GRUCell(4, 5),
    "lstm": lambda: nn.LSTMCell(4, 5),
    "no bias": lambda: nn.LSTMCell(4, 5, bias=False),
}


@pytest.mark.parametrize("cell", CELLS)
def test_cell_in_a_loop(cell: str) -> None:
    compiled = compiled_and_checked(CellLoop(CELLS[cell]()), torch.randn(20, 3, 4))
    assert "jic.loop" in compiled.ir("jic") or "jic.while" in compiled.ir("jic")
    compiled_and_checked(CellLoop(CELLS[cell]()), torch.randn(1, 1, 4))


def gradients(function: Any, module: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    x = x.detach().clone().requires_grad_()
    module.zero_grad()
    loss = sum(t.square().sum() for t in pytree.tree_leaves(function(x)))
    loss.backward()  # pyright: ignore[reportAttributeAccessIssue]
    found = [x.grad, *(p.grad for p in module.parameters())]
    return [g.clone() for g in found if g is not None]


@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.RNN(4, 5, 2),
        lambda: nn.GRU(4, 5, bidirectional=True),
        lambda: nn.LSTM(4, 5, 2, batch_first=True),
        lambda: nn.LSTM(4, 5, proj_size=2),
        lambda: CellLoop(nn.LSTMCell(4, 5)),
        lambda: CellLoop(nn.GRUCell(4, 5)),
        lambda: CellLoop(nn.RNNCell(4, 5)),
    ],
    ids=["rnn", "gru", "lstm", "lstm with projection", "lstm cell", "gru cell", "rnn cell"],
)
def test_gradients(build: Any) -> None:
    module = build()
    x = torch.randn(6, 3, 4)
    compiled = jic.compile(module, config=UNCACHED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        expected = gradients(module, module, x)
        wide = copy.deepcopy(module).double()
        reference = gradients(wide, wide, x.double())
        for _ in range(2):
            assert_like(gradients(compiled, module, x), expected, reference, factor=32)
    assert len(expected) == 1 + len(list(module.parameters()))
