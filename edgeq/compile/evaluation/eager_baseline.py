"""The eager-mode flow of `torch.ao.quantization`, a reference beside PT2E: accuracy, and time on this host.

It quantizes modules of the Python model in place and cannot be lowered to ExecuTorch: what it gives runs on
this machine only. Where this torch has no such flow, or the model cannot take it, the row says why.
"""

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from edgeq.agreement import Rung, missing_rung
from edgeq.artifact import Array, Artifact
from edgeq.compile.calibration.calibrate import read_calibration
from edgeq.compile.evaluation.accuracy import answer_with, as_arrays
from edgeq.compile.evaluation.host import HostProgram
from edgeq.compile.evaluation.ladder import Eager, climb
from edgeq.compile.silence import silence
from edgeq.compile.subject import Subject, open_subject
from edgeq.compile.threads import one_thread
from edgeq.errors import EdgeqError
from edgeq.workload.loader import Workload

# Inferences of one sample on this host: a few unmeasured, then as many as fit, within bounds.
_WARMUP, _LEAST, _MOST, _SECONDS = 3, 5, 200, 1.0
# What fusing may change of a float model's outputs, as a share of the largest one.
_EQUAL = 1e-4
_WITHOUT_ACTIVATION = ((nn.Conv2d, nn.BatchNorm2d), (nn.Conv1d, nn.BatchNorm1d))
_WITH_ACTIVATION = (
    *((*pair, nn.ReLU) for pair in _WITHOUT_ACTIVATION),
    *_WITHOUT_ACTIVATION,
    (nn.Conv2d, nn.ReLU),
    (nn.Linear, nn.ReLU),
)
_DYNAMIC = (nn.Linear, nn.LSTM, nn.GRU)
_STATIC_ENGINES = (("qnnpack",), ("x86", "fbgemm"))


@dataclass(frozen=True)
class BaselineRow:
    """One way to run the model on this host.

    Attributes:
        method: what was run, in words.
        rung: its metrics, and its outputs beside the eager model's; or why there are none.
        times: seconds of single inferences of one sample on this host, in order.
    """

    method: str
    rung: Rung
    times: tuple[float, ...] = ()


class _Unfit(Exception):
    """The model, or this torch, cannot take the flow; the message says why."""


def run_baseline(
    workload: Workload, artifacts: Sequence[Artifact], announce: Callable[[str], None]
) -> list[BaselineRow]:
    """The eager model, the programs of `artifacts`, and the eager-mode flow's forms, in this order.

    Raises:
        WorkloadError: what the workload gives is wrong.
    """
    with silence(), one_thread():
        subject = open_subject(workload)
        eager = Eager(subject)
        leaves = subject.flatten_inputs(subject.args)
        announce(f"{workload.name}: the eager model and its programs on this host")
        fp32 = climb(subject, eager.answer, eager)
        rows = [BaselineRow("eager FP32", fp32, _time(partial(answer_with(subject.module, subject), leaves)))]
        for artifact in artifacts:
            host = HostProgram(artifact.program, artifact.inputs)
            rung = climb(subject, host.run, eager)
            rows.append(BaselineRow(f"{artifact.label}, .pte", rung, _time(host.bare(leaves))))
        for method, engine, make in _methods():
            announce(f"{workload.name}: {method}")
            rows.append(_try(BaselineRow(method, missing_rung("not tried")), engine, make, subject, eager))
    return rows


# Of a subject and an engine, the quantized module.
_Make = Callable[[Subject, str], nn.Module]


def _methods() -> Iterator[tuple[str, str | None, _Make]]:
    supported = torch.backends.quantized.supported_engines
    now = torch.backends.quantized.engine
    yield "eager mode, quantize_dynamic", now, _quantize_dynamic
    for names in _STATIC_ENGINES:
        found = next((name for name in names if name in supported), None)
        yield f"eager mode, static, {found or ' or '.join(names)}", found, _quantize_static


def _try(row: BaselineRow, engine: str | None, make: _Make, subject: Subject, eager: Eager) -> BaselineRow:
    if engine is None:
        return replace(
            row, rung=missing_rung(f"torch {torch.__version__} has no such engine on this machine")
        )
    with _engine(engine), torch.no_grad():
        try:
            answer = answer_with(make(subject, engine), subject)
            leaves = subject.flatten_inputs(subject.args)
            answer(leaves)
        except EdgeqError:
            raise
        except _Unfit as error:
            return replace(row, rung=missing_rung(str(error)))
        except Exception as error:  # noqa: BLE001 - the user's model under torch's flow raises anything
            reason = f"{type(error).__name__}: {error}".strip().splitlines()[0]
            return replace(row, rung=missing_rung(f"the model cannot take it: {reason:.200}"))
        return replace(row, rung=climb(subject, answer, eager), times=_time(partial(answer, leaves)))


@contextmanager
def _engine(name: str) -> Iterator[None]:
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = name
    try:
        yield
    finally:
        torch.backends.quantized.engine = before


def _quantize_dynamic(subject: Subject, _engine: str) -> nn.Module:
    quantization = _flow()
    module = _copied(subject)
    quantized: nn.Module = quantization.quantize_dynamic(module, set(_DYNAMIC), dtype=torch.qint8)
    return _require_quantized(quantized, "the model has no Linear, LSTM or GRU module")


def _quantize_static(subject: Subject, engine: str) -> nn.Module:
    quantization = _flow()
    if subject.workload.calibration is None:
        raise _Unfit("the workload has no calibration()")
    if len(subject.args) != 1 or not isinstance(subject.args[0], torch.Tensor):
        raise _Unfit("torch's QuantWrapper takes one tensor, and this model takes more")
    if not subject.args[0].is_floating_point():
        raise _Unfit(f"torch's QuantWrapper quantizes its input, which is {subject.inputs[0].dtype} here")
    module = _fused(_copied(subject), subject)
    wrapped = quantization.QuantWrapper(module).eval()
    wrapped.qconfig = quantization.get_default_qconfig(engine)
    quantization.prepare(wrapped, inplace=True)
    for leaves in read_calibration(subject):
        wrapped(*subject.nest_inputs(leaves))
    quantization.convert(wrapped, inplace=True)
    return _require_quantized(wrapped, "the model has no module that this flow quantizes")


def _flow() -> Any:  # noqa: ANN401 - a module of torch that a later torch may lack
    try:
        from torch.ao import quantization
    except ImportError as error:
        raise _Unfit(f"torch {torch.__version__} has no torch.ao.quantization any more") from error
    return quantization


def _copied(subject: Subject) -> nn.Module:
    """A copy to change: a program from a `.pt2` file has no modules that this flow knows."""
    if isinstance(subject.module, torch.fx.GraphModule):
        raise _Unfit("the model is an exported program, and this flow needs the modules of the Python model")
    return copy.deepcopy(subject.module).eval()


def _require_quantized(module: nn.Module, reason: str) -> nn.Module:
    names = ("torch.ao.nn.quantized", "torch.ao.nn.intrinsic.quantized", "torch.ao.nn.quantizable")
    kinds = [type(part) for part in module.modules() if type(part).__module__.startswith(names)]
    # Quantize and DeQuantize stand at the borders and hold no layer.
    if not [kind for kind in kinds if kind.__name__ not in ("Quantize", "DeQuantize")]:
        raise _Unfit(reason)
    return module


def _fused(module: nn.Module, subject: Subject) -> nn.Module:
    """`module` with what can be fused, fused: modules that stand one after the other in the same parent.

    They need not run in that order, so the outputs on the example inputs decide: with activations, else
    without them, else nothing is fused.
    """
    args = subject.nest_inputs(subject.flatten_inputs(subject.args))
    expected = as_arrays(tree_leaves(module(*args)))
    for kinds in (_WITH_ACTIVATION, _WITHOUT_ACTIVATION):
        found = list(_find_sequences(module, kinds))
        if not found:
            continue
        fused: nn.Module = _flow().fuse_modules(copy.deepcopy(module), found)
        got = as_arrays(tree_leaves(fused(*args)))
        if all(_is_equal(a, b) for a, b in zip(expected, got, strict=True)):
            return fused
    return module


def _find_sequences(module: nn.Module, kinds: Sequence[tuple[type, ...]]) -> Iterator[list[str]]:
    """Names of neighbours in one parent whose types are one of `kinds`; the longest first."""
    for name, parent in module.named_modules():
        children = list(parent.named_children())
        place = 0
        while place < len(children):
            run = next((k for k in kinds if _matches(children[place : place + len(k)], k)), ())
            if run:
                yield [f"{name}.{child}".lstrip(".") for child, _ in children[place : place + len(run)]]
            place += max(1, len(run))


def _matches(children: Sequence[tuple[str, nn.Module]], kinds: tuple[type, ...]) -> bool:
    return [type(child) for _, child in children] == list(kinds)


def _is_equal(expected: Array, got: Array) -> bool:
    reach = _EQUAL * max(1.0, float(np.abs(expected).max(initial=0.0)))
    return expected.shape == got.shape and bool(np.abs(expected - got).max(initial=0.0) <= reach)


def _time(infer: Callable[[], object]) -> tuple[float, ...]:
    """Seconds of single inferences on this host."""
    times: list[float] = []
    with torch.no_grad():
        for _ in range(_WARMUP):
            infer()
        begin = time.perf_counter()
        while len(times) < _LEAST or (len(times) < _MOST and time.perf_counter() - begin < _SECONDS):
            start = time.perf_counter()
            infer()
            times.append(time.perf_counter() - start)
    return tuple(times)
