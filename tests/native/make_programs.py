"""Lowers the small programs of the native tests; run in a process of its own, since it imports torch.

For each program it writes NAME.pte, NAME.inputs.safetensors and NAME.expected.safetensors: what ExecuTorch's
own Python runtime gives for the same inputs.
"""

import sys
from pathlib import Path

import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import to_edge_transform_and_lower
from executorch.runtime import Runtime
from safetensors.torch import save_file

SAMPLES = 5


class Tokens(torch.nn.Module):
    """Integer inputs."""

    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(16, 8)
        self.linear = torch.nn.Linear(8, 4)

    def forward(self, tokens):
        return self.linear(self.embedding(tokens))


class Several(torch.nn.Module):
    """Two inputs, nested outputs of four kinds, one of them a scalar."""

    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(4, 3)

    def forward(self, a, b):
        c = self.linear(a) + b
        return c, (c.sum(), torch.argmax(c, 1)), c > 0


class ChannelsLast(torch.nn.Module):
    """Input and output whose dimension order is not row-major."""

    def forward(self, image):
        return torch.relu(image), image.to(memory_format=torch.contiguous_format)


class Loop(torch.nn.Module):
    """An inference that takes long enough to be counted, on several threads if there are any."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(*[torch.nn.Linear(256, 256) for _ in range(8)])

    def forward(self, x):
        return self.layers(x)


def random_like(tensor):
    if tensor.dtype.is_floating_point:
        return torch.randn(tensor.shape, dtype=tensor.dtype)
    return torch.randint(0, 16, tensor.shape, dtype=tensor.dtype)


def programs():
    last = torch.randn(1, 3, 4, 5).to(memory_format=torch.channels_last)
    batch = torch.export.Dim("batch", min=1, max=8)
    yield "linear", torch.nn.Linear(10, 10), (torch.randn(1, 10),), None, True
    yield "tokens", Tokens(), (torch.zeros(1, 5, dtype=torch.int64),), None, True
    yield "several", Several(), (torch.randn(2, 4), torch.randn(2, 3)), None, True
    yield "channels_last", ChannelsLast(), (last,), None, False
    yield "dynamic", torch.nn.Linear(10, 10), (torch.randn(4, 10),), ({0: batch},), True
    yield "loop", Loop(), (torch.randn(64, 256),), None, True


def write(folder, name, model, example, shapes, delegate):
    exported = torch.export.export(model.eval(), example, dynamic_shapes=shapes)
    partitioner = [XnnpackPartitioner()] if delegate else []
    program = to_edge_transform_and_lower(exported, partitioner=partitioner).to_executorch()
    path = folder / f"{name}.pte"
    path.write_bytes(program.buffer)
    method = Runtime.get().load_program(path).load_method("forward")
    inputs, expected = {}, {}
    for sample in range(SAMPLES):
        row = [random_like(tensor) for tensor in example]
        if shapes:
            row = [tensor[: sample % 4 + 1].contiguous() for tensor in row]
        inputs |= {f"{sample}.{i}": tensor for i, tensor in enumerate(row)}
        last = name == "channels_last"
        given = [t.to(memory_format=torch.channels_last) for t in row] if last else row
        outputs = method.execute(given)
        expected |= {f"{sample}.{i}": out.clone().contiguous() for i, out in enumerate(outputs)}
    save_file(inputs, folder / f"{name}.inputs.safetensors")
    save_file(expected, folder / f"{name}.expected.safetensors")


if __name__ == "__main__":
    torch.manual_seed(0)
    for entry in programs():
        write(Path(sys.argv[1]), *entry)
