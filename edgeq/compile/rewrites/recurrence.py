"""Writes LSTM, GRU and RNN calls of an exported program as the linear layers and clamps of single steps.

XNNPACK has no recurrent operator, and quantizers have no pattern for one. What multiplies in a recurrent
layer is linear, though: one projection of the whole sequence by the input weights, then one of the state by
the hidden weights at each step. Both are `linear` with the user's own weights, so that a recipe holds for
them as for any other layer. The rest of a step (slices, sigmoid, tanh, products) is taken into the delegate.

The equations are those of torch.nn.LSTM, GRU and RNN. A state of zeros is left out of the first step instead
of being multiplied. Shapes are (N, T, C) when the batch comes first, else (T, N, C); a step keeps its T = 1.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.fx import Node

from edgeq.compile.rewrites.draft import Draft, shape_of

_aten = torch.ops.aten

# Each generated node has the name and the kind of the call that it is part of under this key of its meta.
ORIGIN = "edgeq_recurrent"

_ZEROS = (_aten.zeros.default, _aten.zeros_like.default, _aten.new_zeros.default)

# Hidden state, and for an LSTM the cell state; None where it is zero.
State = tuple[Node | None, ...]


@dataclass(frozen=True)
class _Weights:
    """Of one layer in one direction: (gates * H, C), (gates * H, H), biases, and an LSTM's (P, H)."""

    input: Node
    hidden: Node
    input_bias: Node | None
    hidden_bias: Node | None
    projection: Node | None


class _Emitter:
    """Adds calls to a draft before the recurrent one that they stand for, each with its origin."""

    def __init__(self, draft: Draft, call: Node, kind: str) -> None:
        self._draft = draft
        self._call = call
        self._origin = (call.name, kind)

    def __call__(self, operator: Any, *args: Any) -> Node:  # noqa: ANN401 - any operator's own arguments
        node = self._draft.call(operator, *args, like=self._call)
        node.meta[ORIGIN] = self._origin
        return node

    def part(self, tensor: Node, axis: int, start: int, end: int) -> Node:
        """`tensor` from `start` to `end` along `axis`; itself when that is all of it."""
        if (start, end) == (0, shape_of(tensor)[axis]):
            return tensor
        return self(_aten.slice.Tensor, tensor, axis % len(shape_of(tensor)), start, end)

    def gate(self, tensor: Node, index: int, count: int) -> Node:
        """One of the `count` equal parts of the last axis."""
        size = shape_of(tensor)[-1] // count
        return self.part(tensor, -1, index * size, (index + 1) * size)

    def join(self, tensors: Sequence[Node], axis: int) -> Node:
        """`tensors` one after the other along `axis`."""
        return tensors[0] if len(tensors) == 1 else self(_aten.cat.default, list(tensors), axis)


_Step = Callable[[_Emitter, Node, State, _Weights], State]


def rewrite_recurrences(draft: Draft) -> int:
    """Write each recurrent call in `draft` out, but for those on packed sequences; gives their number."""
    changed = 0
    for node in draft.calls(*_CALLS):
        kind, step, write = _CALLS[node.target]
        results = write(_Emitter(draft, node, kind), node, step)
        if len(results) == 1:
            draft.replace(node, results[0])
        else:
            for part in list(node.users):
                draft.replace(part, results[part.args[1]])
            draft.remove(node)
        changed += 1
    return changed


def is_inside_step(node: Node) -> bool:
    """Whether `node` is a generated one that multiplies by no weights."""
    return ORIGIN in node.meta and node.target is not _aten.linear.default


def _cell(emit: _Emitter, call: Node, step: _Step) -> list[Node]:
    """A single step: `lstm_cell(input, (h, c), w_ih, w_hh, b_ih, b_hh)` and the like."""
    data, hx, w_ih, w_hh, *biases = call.args
    b_ih, b_hh = (*biases, None, None)[:2]
    weights = _Weights(w_ih, w_hh, b_ih, b_hh, None)
    states = [_unless_zero(each) for each in (hx if isinstance(hx, list | tuple) else [hx])]
    projected = emit(_aten.linear.default, data, weights.input, weights.input_bias)
    return [each for each in step(emit, projected, tuple(states), weights) if each is not None]


def _sequence(emit: _Emitter, call: Node, step: _Step) -> list[Node]:
    """`lstm.input(input, (h, c), weights, biased, layers, dropout, train, bidirectional, batch_first)`."""
    data, hx, tensors, biased, layers, _, _, both, batch_first = call.args
    directions = 2 if both else 1
    rows = _rows(tensors, biased, layers * directions)
    axis = 1 if batch_first else 0
    initial = [_unless_zero(each) for each in (hx if isinstance(hx, list | tuple) else [hx])]
    final: list[State] = []
    for layer in range(layers):
        parts = []
        for direction in range(directions):
            row = layer * directions + direction
            state = tuple(_of_row(emit, each, row, axis) for each in initial)
            outputs, state = _walk(emit, data, state, rows[row], step, axis, direction == 1)
            parts.append(emit.join(outputs, axis))
            final.append(state)
        data = emit.join(parts, 2)
    columns = zip(*final, strict=True)
    return [data, *(emit.join([_swapped(emit, each, axis) for each in column], 0) for column in columns)]


def _walk(
    emit: _Emitter, data: Node, state: State, weights: _Weights, step: _Step, axis: int, backward: bool
) -> tuple[list[Node], State]:
    """The hidden state of each step in the order of time, and the state after the last one taken."""
    projected = emit(_aten.linear.default, data, weights.input, weights.input_bias)
    times = range(shape_of(projected)[axis])
    outputs = []
    for time in reversed(times) if backward else times:
        state = step(emit, emit.part(projected, axis, time, time + 1), state, weights)
        outputs.append(state[0])
    return (outputs[::-1] if backward else outputs), state


def _recurrent(emit: _Emitter, hidden: Node | None, weights: _Weights) -> Node | None:
    """`hidden @ W.T + b`; of a state of zeros the bias alone, or nothing."""
    if hidden is None:
        return weights.hidden_bias
    return emit(_aten.linear.default, hidden, weights.hidden, weights.hidden_bias)


def _plus(emit: _Emitter, tensor: Node, other: Node | None) -> Node:
    return tensor if other is None else emit(_aten.add.Tensor, tensor, other)


def _lstm_step(emit: _Emitter, projected: Node, state: State, weights: _Weights) -> State:
    hidden, cell = state
    gates = _plus(emit, projected, _recurrent(emit, hidden, weights))
    take, keep, give = (emit(_aten.sigmoid.default, emit.gate(gates, index, 4)) for index in (0, 1, 3))
    new = emit(_aten.mul.Tensor, take, emit(_aten.tanh.default, emit.gate(gates, 2, 4)))
    if cell is not None:
        new = emit(_aten.add.Tensor, emit(_aten.mul.Tensor, keep, cell), new)
    hidden = emit(_aten.mul.Tensor, give, emit(_aten.tanh.default, new))
    if weights.projection is not None:
        hidden = emit(_aten.linear.default, hidden, weights.projection, None)
    return hidden, new


def _gru_step(emit: _Emitter, projected: Node, state: State, weights: _Weights) -> State:
    (hidden,) = state
    recurrent = _recurrent(emit, hidden, weights)
    both = _plus(emit, projected, recurrent)
    reset, keep = (emit(_aten.sigmoid.default, emit.gate(both, index, 3)) for index in (0, 1))
    new = emit.gate(projected, 2, 3)
    if recurrent is not None:
        new = emit(_aten.add.Tensor, new, emit(_aten.mul.Tensor, reset, emit.gate(recurrent, 2, 3)))
    new = emit(_aten.tanh.default, new)
    # (1 - z) * n + z * h, which is n + z * (h - n).
    if hidden is None:
        return (emit(_aten.sub.Tensor, new, emit(_aten.mul.Tensor, keep, new)),)
    return (emit(_aten.add.Tensor, new, emit(_aten.mul.Tensor, keep, emit(_aten.sub.Tensor, hidden, new))),)


def _tanh_step(emit: _Emitter, projected: Node, state: State, weights: _Weights) -> State:
    return (emit(_aten.tanh.default, _plus(emit, projected, _recurrent(emit, state[0], weights))),)


def _relu_step(emit: _Emitter, projected: Node, state: State, weights: _Weights) -> State:
    return (emit(_aten.relu.default, _plus(emit, projected, _recurrent(emit, state[0], weights))),)


_CALLS: dict[Any, tuple[str, _Step, Callable[[_Emitter, Node, _Step], list[Node]]]] = {
    _aten.lstm.input: ("lstm", _lstm_step, _sequence),
    _aten.gru.input: ("gru", _gru_step, _sequence),
    _aten.rnn_tanh.input: ("rnn", _tanh_step, _sequence),
    _aten.rnn_relu.input: ("rnn", _relu_step, _sequence),
    _aten.lstm_cell.default: ("lstm", _lstm_step, _cell),
    _aten.gru_cell.default: ("gru", _gru_step, _cell),
    _aten.rnn_tanh_cell.default: ("rnn", _tanh_step, _cell),
    _aten.rnn_relu_cell.default: ("rnn", _relu_step, _cell),
}


def _rows(tensors: Sequence[Node], biased: bool, count: int) -> list[_Weights]:
    """The weights of each layer and direction: w_ih, w_hh, the biases if any, w_hr if any."""
    size = len(tensors) // count
    rows = []
    for start in range(0, len(tensors), size):
        w_ih, w_hh, *rest = tensors[start : start + size]
        b_ih, b_hh = rest[:2] if biased else (None, None)
        rest = rest[2:] if biased else rest
        rows.append(_Weights(w_ih, w_hh, b_ih, b_hh, rest[0] if rest else None))
    return rows


def _unless_zero(state: Node) -> Node | None:
    return None if state.target in _ZEROS else state


def _of_row(emit: _Emitter, state: Node | None, row: int, axis: int) -> Node | None:
    """Row `row` of a state (rows, N, H) in the shape of a step."""
    return None if state is None else _swapped(emit, emit.part(state, 0, row, row + 1), axis)


def _swapped(emit: _Emitter, tensor: Node, axis: int) -> Node:
    """(N, 1, H) for (1, N, H), and back, when the batch comes first."""
    if axis == 0 or shape_of(tensor)[:2] == (1, 1):
        return tensor
    return emit(_aten.permute.default, tensor, [1, 0, 2])
