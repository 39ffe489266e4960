"""A real artifact goes into packages and comes out of them as it was."""

import shutil

from edgeq.artifact import load_artifact
from edgeq.package.aar import Coordinates, build_aar
from edgeq.package.bundle import build_bundle
from edgeq.package.card import render_card
from edgeq.package.contents import Wishes, gather, open_artifacts
from edgeq.package.java import ClassName
from edgeq.package.verify import unpack_package, verify_package


def test_digits_in_two_recipes(digits_int8, digits_fp32, tmp_path):
    folders = []
    for artifact in (digits_int8, digits_fp32):
        folders.append(tmp_path / artifact.label)
        shutil.copytree(artifact.folder, folders[-1])
    wishes = Wishes(needs=("int8=dotprod",), allow_unmeasured=True)
    contents = gather(open_artifacts(folders), [], wishes)
    bundle, aar = tmp_path / "digits.zip", tmp_path / "digits.aar"
    bundle.write_bytes(build_bundle(contents))
    unpack_package(bundle, tmp_path / "out")
    assert load_artifact(tmp_path / "out" / "int8").info == digits_int8.info
    assert load_artifact(tmp_path / "out" / "fp32").info == digits_fp32.info
    # Trained on another kind of processor the network is another one, by some images.
    assert f"top1 {digits_int8.manifest.accuracy.host['top1']:.4f}" in render_card(contents)
    aar.write_bytes(build_aar(contents, Coordinates(ClassName("com.example.digits", "Digits"), "1.0.0")))
    programs = {program.recipe: program.sha256 for program in verify_package(aar).document.programs}
    assert programs == {"int8": digits_int8.info.sha256, "fp32": digits_fp32.info.sha256}
