"""The Java class that knows a model: tensors, preprocessing, labels, programs, and how to load one."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import edgeq
from edgeq.artifact import TensorSpec
from edgeq.errors import InputError
from edgeq.package.contents import Contents
from edgeq.package.facts import InputFacts, OutputFacts
from edgeq.package.templates import render

TEMPLATE = "Model.java"

# torch's dtype: (bytes of an element, java.nio's buffer, how a ByteBuffer becomes one). Java has no type for
# half precision and bfloat16: their bits are shorts.
_TYPES: dict[str, tuple[int, str, str]] = {
    "float32": (4, "FloatBuffer", ".asFloatBuffer()"),
    "float64": (8, "DoubleBuffer", ".asDoubleBuffer()"),
    "float16": (2, "ShortBuffer", ".asShortBuffer()"),
    "bfloat16": (2, "ShortBuffer", ".asShortBuffer()"),
    "int64": (8, "LongBuffer", ".asLongBuffer()"),
    "int32": (4, "IntBuffer", ".asIntBuffer()"),
    "int16": (2, "ShortBuffer", ".asShortBuffer()"),
    "int8": (1, "ByteBuffer", ""),
    "uint8": (1, "ByteBuffer", ""),
    "bool": (1, "ByteBuffer", ""),
}
# A direct buffer is as long as an int says.
_MOST_BYTES = 2**31 - 1

# The Java Language Specification, 3.9 and 3.10: no name is one of these.
_RESERVED = re.compile(
    "abstract|assert|boolean|break|byte|case|catch|char|class|const|continue|default|do|double|else|enum|"
    "extends|final|finally|float|for|goto|if|implements|import|instanceof|int|interface|long|native|new|"
    "package|private|protected|public|return|short|static|strictfp|super|switch|synchronized|this|throw|"
    "throws|transient|try|void|volatile|while|true|false|null"
)
_SEGMENT = re.compile(r"[a-z][a-z0-9_]*")
_CLASS = re.compile(r"[A-Z][A-Za-z0-9_]*")
_OTHERS = ("java.", "javax.", "android.", "dalvik.", "kotlin.")


@dataclass(frozen=True)
class ClassName:
    """A class of the app's author: package and simple name, both legal."""

    package: str
    name: str

    @property
    def path(self) -> str:
        """Path of its source below a source folder."""
        return f"{self.package.replace('.', '/')}/{self.name}.java"


def name_class(package: str, name: str | None, model: str) -> ClassName:
    """The class `name` of `package`; without a name it is made from the model's.

    Raises:
        InputError: one of them is not legal in Java, or belongs to a platform.
    """
    segments = package.split(".")
    if (
        len(segments) < 2
        or len(package) > 200
        or any(not _SEGMENT.fullmatch(s) or _RESERVED.fullmatch(s) for s in segments)
    ):
        raise InputError(
            f"--java-package {package!r} is no Java package for Android",
            hint="lower-case names with dots between, none of them a word of Java: com.example.digits",
        )
    if f"{package}.".startswith(_OTHERS):
        raise InputError(f"--java-package {package!r} belongs to a platform", hint="choose one of your own")
    made = name or camel_case(model)
    if not _CLASS.fullmatch(made) or len(made) > 100:
        given = f"--java-class {made!r}" if name else f"{made!r}, made from the model's name,"
        raise InputError(f"{given} is no Java class name", hint="say --java-class, such as Digits")
    return ClassName(package, made)


def write_class(contents: Contents, target: ClassName, assets: dict[str, str]) -> str:
    """Java source of the class `target`; `assets` are the programs' asset paths by recipe.

    Raises:
        InputError: a tensor that no Java buffer holds, or a class name that the source needs itself.
    """
    values = _values(contents, target, assets)
    probe = render(TEMPLATE, {**values, "class_name": "EdgeqProbe"})
    if target.name in re.findall(r"\w+", probe):
        raise InputError(
            f"a class cannot be called {target.name}: it uses that name", hint="choose another --java-class"
        )
    return render(TEMPLATE, values)


def camel_case(text: str) -> str:
    """`text` as a class name: `mobilenet_v2` is `MobilenetV2`."""
    return "".join(word[:1].upper() + word[1:] for word in re.split(r"[^A-Za-z0-9]+", text))


def _values(contents: Contents, target: ClassName, assets: dict[str, str]) -> dict[str, object]:
    manifest, facts = contents.manifest, contents.facts
    inputs = _tensors("input", manifest.inputs, facts.inputs, {})
    outputs = _tensors("output", manifest.outputs, {}, facts.outputs)
    constants = dict(
        zip(assets, _distinct([f"PROGRAM_{_constant(recipe)}" for recipe in assets]), strict=True)
    )
    programs = [
        {
            "recipe": variant.recipe,
            "constant": constants[variant.recipe],
            "asset": assets[variant.recipe].removeprefix("assets/"),
            "bytes": variant.manifest.program_bytes,
            "sha256": variant.manifest.program_sha256,
        }
        for variant in contents.variants
    ]
    return {
        "edgeq": edgeq.__version__,
        "name": contents.name,
        "package": target.package,
        "class_name": target.name,
        "executorch": manifest.versions["executorch"],
        "tensors": [*inputs, *outputs],
        "inputs": [tensor["constant"] for tensor in inputs],
        "outputs": [tensor["constant"] for tensor in outputs],
        "labelled": [tensor for tensor in outputs if tensor["labels"]],
        "programs": programs,
        "rules": [{"constant": constants[rule.recipe], "needs": rule.needs} for rule in contents.rules],
    }


def _tensors(
    role: str, specs: Sequence[TensorSpec], given: dict[str, InputFacts], meant: dict[str, OutputFacts]
) -> list[dict[str, object]]:
    constants = _distinct(
        [f"{role.upper()}_{_constant(spec.name) or place}" for place, spec in enumerate(specs)]
    )
    methods = _distinct([camel_case(spec.name) or str(place) for place, spec in enumerate(specs)])
    tensors = []
    for place, spec in enumerate(specs):
        size, buffer, view = _type_of(role, spec)
        facts, labels = given.get(spec.name), meant.get(spec.name)
        tensors.append(
            {
                "role": role,
                "place": place,
                "name": spec.name,
                "dtype": spec.dtype,
                "size": size,
                "shape": spec.shape,
                "buffer": buffer,
                "view": view,
                "constant": constants[place],
                "method": methods[place],
                "mean": facts.mean if facts else (),
                "scale": facts.scale if facts else (),
                "axis": facts.axis if facts else 0,
                "labels": labels.labels if labels else (),
            }
        )
    return tensors


def _type_of(role: str, spec: TensorSpec) -> tuple[int, str, str]:
    if spec.channels_last:
        raise InputError(
            f"{role} {spec.name!r} has its channels last, and tensors of ExecuTorch's Java library are "
            "row-major",
            hint="package it --as bundle, or export it without `channels_last`, and with contiguous outputs",
        )
    if spec.dtype not in _TYPES:
        raise InputError(
            f"{role} {spec.name!r} is {spec.dtype}, which Java has no buffer for",
            hint=f"there are: {', '.join(_TYPES)}",
        )
    size, buffer, view = _TYPES[spec.dtype]
    if any(length < 0 for length in spec.shape) or math.prod(spec.shape) * size > _MOST_BYTES:
        raise InputError(f"{role} {spec.name!r} is {list(spec.shape)}: no buffer of Java holds it")
    return size, buffer, view


def _constant(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_").upper()


def _distinct(names: Sequence[str]) -> list[str]:
    """`names`, with numbers after those that are there already."""
    found: list[str] = []
    for name in names:
        free, number = name, 1
        while free in found or (number > 1 and free in names):
            number += 1
            free = f"{name}_{number}"
        found.append(free)
    return found
