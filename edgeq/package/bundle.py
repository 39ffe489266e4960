"""The bundle: a plain zip with one artifact folder for each recipe, and what a person must know of them."""

from typing import TYPE_CHECKING

from edgeq.artifact import PROGRAM
from edgeq.package.archive import write_zip
from edgeq.package.card import NAME as CARD
from edgeq.package.card import render_card
from edgeq.package.contents import Contents
from edgeq.package.document import describe
from edgeq.package.signature import sign
from edgeq.results.records import encode_report

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

DOCUMENT, SIGNATURE, RUNS, LICENCE = "package.json", "signature.json", "runs.json", "LICENCE.txt"


def build_bundle(contents: Contents, key: "Ed25519PrivateKey | None" = None) -> bytes:
    """The zip: the same contents and key give the same bytes.

    `{recipe}/` is an artifact that `edgeq bench` takes; `runs.json` is a report of the runs it rests on.
    """
    files = {CARD: render_card(contents).encode(), RUNS: encode_report(contents.runs)}
    if contents.licence is not None:
        files[LICENCE] = contents.licence
    for variant in contents.variants:
        files |= {f"{variant.recipe}/{name}": data for name, data in variant.files.items()}
    programs = {variant.recipe: f"{variant.recipe}/{PROGRAM}" for variant in contents.variants}
    files[DOCUMENT] = describe("bundle", contents, programs, files)
    if key is not None:
        files[SIGNATURE] = sign(files[DOCUMENT], key)
    return write_zip(files)
