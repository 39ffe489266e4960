"""A copy of an exported program that may be changed: its graph, its signature and its weights."""

import copy
import itertools
from collections.abc import Iterator
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, InputSpec, TensorArgument
from torch.fx import Node
from torch.fx.node import map_arg

# What a new node takes over from the one that it stands for: the user's module and line.
_ORIGIN = ("nn_module_stack", "stack_trace", "source_fn_stack", "torch_fn", "from_node")


class Draft:
    """A program in the making. The one that it was made from is left alone; its weights are shared."""

    def __init__(self, program: ExportedProgram) -> None:
        self._program = program
        self._module = copy.deepcopy(program.graph_module)
        for old, new in zip(program.graph.nodes, self._module.graph.nodes, strict=True):
            # The copy would call an input named as a built-in function, such as `input`, differently.
            new.name = old.name
        self._signature = copy.deepcopy(program.graph_signature)
        self._tensors = dict(program.state_dict)
        self._names = {
            **program.graph_signature.inputs_to_parameters,
            **program.graph_signature.inputs_to_buffers,
        }

    def calls(self, *targets: Any) -> Iterator[Node]:  # noqa: ANN401 - torch's operators, untyped
        """The nodes that call one of `targets`, in order of execution; they may be replaced meanwhile."""
        for node in self._module.graph.nodes:
            if node.op == "call_function" and node.target in targets:
                yield node

    def call(self, target: Any, *args: Any, like: Node) -> Node:  # noqa: ANN401 - torch's operators, untyped
        """A new call before `like`, in the same module of the user's."""
        with self._module.graph.inserting_before(like):
            node: Node = self._module.graph.call_function(target, args)
        node.meta = {key: like.meta[key] for key in _ORIGIN if key in like.meta}
        # On fake tensors: only shape and dtype are computed.
        node.meta["val"] = target(*map_arg(args, lambda arg: arg.meta["val"]))
        return node

    def repeat(self, call: Node) -> Node:
        """The same call once more, beside it."""
        with self._module.graph.inserting_after(call):
            return self._module.graph.node_copy(call)

    def replace(self, old: Node, new: Node) -> None:
        """Let `new` stand where `old` stood, as an output of the program too."""
        old.replace_all_uses_with(new)
        self._signature.replace_all_uses(old.name, new.name)
        self._module.graph.erase_node(old)

    def sweep(self) -> None:
        """Remove what nothing uses any more, so that the users of a node are those that count."""
        self._module.graph.eliminate_dead_code()

    def remove(self, node: Node) -> None:
        """Take away a call that nothing uses any more: torch keeps those that could draw random numbers."""
        self._module.graph.erase_node(node)

    def tensor(self, node: object) -> torch.Tensor | None:
        """The weight that `node` is, when it is one."""
        name = self._names.get(node.name) if isinstance(node, Node) else None
        return None if name is None else self._tensors.get(name)

    def set_tensor(self, node: Node, value: torch.Tensor) -> None:
        """Give the weight that `node` is other values, of the same shape and dtype."""
        name = self._names[node.name]
        old = self._tensors[name]
        new = value.detach().to(old.dtype).contiguous()
        kept = isinstance(old, torch.nn.Parameter)
        self._tensors[name] = torch.nn.Parameter(new, requires_grad=old.requires_grad) if kept else new

    def lift(self, node: Node) -> bool:
        """Make a weight of `node` when it is computed from weights alone; gives whether it is."""
        with torch.no_grad():
            value = self._compute(node)
        if value is None:
            return False
        new = self._add_weight(value, node)
        self.replace(node, new)
        return True

    def copy_weight(self, node: Node) -> Node:
        """Another weight of the values of the weight that `node` is, in the same module of the user's."""
        return self._add_weight(self._tensors[self._names[node.name]], node)

    def _add_weight(self, value: torch.Tensor, like: Node) -> Node:
        name = self._free_name(like)
        graph = self._module.graph
        with graph.inserting_before(next(iter(graph.nodes))):
            new = graph.placeholder(f"p_{name.replace('.', '_')}")
        new.meta["val"] = like.meta["val"]
        self._tensors[name] = torch.nn.Parameter(value.detach().clone(memory_format=torch.contiguous_format))
        self._names[new.name] = name
        argument = TensorArgument(name=new.name)
        self._signature.input_specs.insert(0, InputSpec(InputKind.PARAMETER, argument, name))
        return new

    def _compute(self, node: Node) -> Any:  # noqa: ANN401 - a tensor, or what an operator gives instead
        """The value of `node`; None when it depends on more than weights."""
        if node.op != "call_function":
            return self.tensor(node)
        sources = {source: self._compute(source) for source in node.all_input_nodes}
        if not sources or any(value is None for value in sources.values()):
            return None
        return node.target(*map_arg(node.args, sources.get), **map_arg(node.kwargs, sources.get))

    def _free_name(self, node: Node) -> str:
        """A name in the module of the first weight that `node` is computed from."""
        while node.op == "call_function":
            node = node.all_input_nodes[0]
        module, parametrized, rest = self._names[node.name].partition(".parametrizations.")
        stem = f"{module}.{rest.partition('.')[0]}" if parametrized else module
        return next(name for i in itertools.count() if (name := f"{stem}_{i}") not in self._tensors)

    def finish(self) -> ExportedProgram:
        """The changed program, verified by torch."""
        self.sweep()
        self._module.recompile()
        return ExportedProgram(
            root=self._module,
            graph=self._module.graph,
            graph_signature=self._signature,
            state_dict=self._tensors,
            range_constraints=copy.deepcopy(self._program.range_constraints),
            module_call_graph=copy.deepcopy(self._program.module_call_graph),
            example_inputs=self._program.example_inputs,
            constants=self._program.constants,
            verifiers=self._program.verifiers,
        )


def arguments_of(node: Node) -> dict[str, Any]:
    """All arguments of a call by name, with the operator's defaults where the call has none."""
    schema = node.target._schema
    given = dict(zip([each.name for each in schema.arguments], node.args, strict=False))
    defaults = {each.name: each.default_value for each in schema.arguments if each.has_default_value()}
    return {**defaults, **given, **node.kwargs}


def shape_of(node: Node) -> tuple[int, ...]:
    """The shape of what `node` gives."""
    return tuple(node.meta["val"].shape)
