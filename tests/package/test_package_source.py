"""The generated Java source: what compiles without a warning, and what is refused before it is written."""

import os
import re
import shutil

import pytest
from hostile import TEXTS
from made import IMAGES, SCORES, change_manifest, make_folder, packed
from msgspec import to_builtins
from msgspec.structs import replace

from edgeq.errors import HostError, InputError
from edgeq.package.facts import Facts, InputFacts, OutputFacts
from edgeq.package.java import ClassName, name_class, write_class
from edgeq.package.javac import compile_class
from edgeq.package.templates import java_literal

DIGITS = ClassName("com.example.digits", "Digits")
ASSETS = {"int8": "assets/edgeq/digits.int8.pte"}


@pytest.mark.parametrize(
    "dtype",
    ["float16", "bfloat16", "float64", "int64", "int32", "int16", "int8", "uint8", "bool"],
)
def test_the_source_of_every_type_names_its_buffer(tmp_path, dtype):
    folder = make_folder(tmp_path / "a")
    change_manifest(folder, inputs=to_builtins([replace(IMAGES, dtype=dtype)]))
    source = write_class(packed(folder), DIGITS, ASSETS)
    assert re.search(r"public static \w+Buffer allocateImages\(\)", source)


def test_all_types_names_that_collide_and_scalars_compile_without_a_warning(tmp_path):
    folder = make_folder(tmp_path / "a")
    types = ["float32", "float16", "float64", "int64", "int32", "int16", "int8", "uint8", "bool"]
    names = ["a.b", "a_b", "A B", "1", "class", "\u00e9", "", "a.b_2", "shape"]
    specs = [
        replace(IMAGES, dtype=dtype, name=name, shape=(2,) * place)
        for place, (dtype, name) in enumerate(zip(types, names, strict=True))
    ]
    change_manifest(folder, inputs=to_builtins(specs))
    labels = OutputFacts(labels=("x", "y", "z"))
    contents = packed(folder, facts=Facts(outputs={"output": labels}))
    source = write_class(contents, DIGITS, ASSETS)
    assert compile_class(source, DIGITS)


def test_as_many_labels_as_are_allowed_compile(tmp_path):
    folder = make_folder(tmp_path / "a")
    change_manifest(folder, outputs=to_builtins([replace(SCORES, shape=(1, 4000))]))
    facts = Facts(outputs={"output": OutputFacts(labels=tuple(f"label {n}" for n in range(4000)))})
    source = write_class(packed(folder, facts=facts), DIGITS, ASSETS)
    assert compile_class(source, DIGITS)


def test_as_many_means_as_are_allowed_compile_and_no_more_are_taken(tmp_path):
    folder = make_folder(tmp_path / "a")
    specs = [replace(IMAGES, name=f"image {n}", shape=(1, count)) for n, count in enumerate((3000, 500, 1))]
    change_manifest(folder, inputs=to_builtins(specs))
    given = {
        spec.name: InputFacts(
            mean=tuple(0.001 * (n + 1) for n in range(spec.shape[1])),
            scale=tuple(1.001 * (n + 1) for n in range(spec.shape[1])),
        )
        for spec in specs
    }
    with pytest.raises(InputError, match="3501 means"):
        packed(folder, facts=Facts(inputs=given))
    del given["image 2"]
    source = write_class(packed(folder, facts=Facts(inputs=given)), DIGITS, ASSETS)
    assert compile_class(source, DIGITS)


@pytest.mark.parametrize("mean", [0.0, -0.0, 2e-37, -2.9e38])
def test_the_least_and_the_largest_mean_compile(int8, mean):
    facts = Facts(inputs={"images": InputFacts(mean=(mean,), scale=(1.5e-37,))})
    assert compile_class(write_class(packed(int8, facts=facts), DIGITS, ASSETS), DIGITS)


@pytest.mark.parametrize(
    "package",
    [
        "digits",
        "com.example.class",
        "com..x",
        "com.Example",
        "com.1x",
        "a.b;c",
        "com.example.x\n",
        "java.x",
        "android.x",
    ],
)
def test_an_illegal_package_is_refused(package):
    with pytest.raises(InputError, match="--java-package"):
        name_class(package, None, "digits")


@pytest.mark.parametrize("name", ["digits", "Di gits", "1x", "Dig-its", "\u00c9", "Class\n"])
def test_an_illegal_class_name_is_refused(name):
    with pytest.raises(InputError, match="no Java class name"):
        name_class("com.example.x", name, "digits")


def test_a_class_is_named_after_the_model_or_the_user_is_asked():
    assert name_class("com.example.x", None, "mobilenet_v2").name == "MobilenetV2"
    with pytest.raises(InputError, match=r"made from the model's name.*no Java class name"):
        name_class("com.example.x", None, "3dnet")


@pytest.mark.parametrize("name", ["Context", "String", "Tensor", "Program", "File", "Labels0"])
def test_a_class_that_would_hide_one_that_it_uses_is_refused(int8, name):
    contents = packed(int8, facts=Facts(outputs={"output": OutputFacts(labels=("x", "y", "z"))}))
    with pytest.raises(InputError, match="it uses that name"):
        write_class(contents, ClassName("com.example.x", name), ASSETS)


def test_an_image_with_its_channels_last_is_refused(tmp_path):
    folder = make_folder(tmp_path / "a")
    change_manifest(folder, inputs=to_builtins([replace(IMAGES, channels_last=True)]))
    with pytest.raises(InputError, match="row-major"):
        write_class(packed(folder), DIGITS, ASSETS)


def test_a_type_or_size_that_java_has_no_buffer_for_is_refused(tmp_path):
    folder = make_folder(tmp_path / "a")
    for spec in (replace(IMAGES, dtype="complex64"), replace(IMAGES, shape=(2**30, 2))):
        change_manifest(folder, inputs=to_builtins([spec]))
        with pytest.raises(InputError, match="buffer"):
            write_class(packed(folder), DIGITS, ASSETS)


def test_a_machine_without_a_compiler_is_told_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(HostError) as caught:
        compile_class("", DIGITS)
    assert "openjdk" in caught.value.hint


@pytest.mark.parametrize("where", ["missing", "other"])
def test_the_class_path_of_the_user_is_not_asked(int8, tmp_path, monkeypatch, where):
    """Not for a warning of a part that is not there, nor for classes of the same name."""
    other = tmp_path / "other" / "android" / "content" / "Context.class"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"no class")
    os.utime(other, (2**31, 2**31))
    monkeypatch.setenv("CLASSPATH", str(tmp_path / where))
    assert compile_class(write_class(packed(int8), DIGITS, ASSETS), DIGITS)


def test_literals_are_ascii():
    assert java_literal('a"\\\n\u20ac\x00') == '"a\\"\\\\\\012\\u20ac\\000"'
    assert java_literal("".join(TEXTS)).isascii()


def test_javac_is_there():
    assert shutil.which("javac"), "scripts/setup installs openjdk-17-jdk-headless"
