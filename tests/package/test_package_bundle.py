"""The bundle: what is in it, the same bytes every time, and what is found when it was tampered with."""

import io
import shutil
import stat
import subprocess
import zipfile

import msgspec
import pytest
from entries import where
from made import make_key, packed

from edgeq.artifact import load_artifact
from edgeq.errors import GateFailed, InputError
from edgeq.package.archive import ALIGNMENT, read_zip, write_zip
from edgeq.package.bundle import build_bundle
from edgeq.package.signature import fingerprint, read_private_key, read_public_key
from edgeq.package.verify import unpack_package, verify_package
from edgeq.report.files import read_report


def write(path, data):
    path.write_bytes(data)
    return path


def rewrite(source, target, change):
    """Copy a package with its entries changed by `change(entries)`."""
    entries = read_zip(source)
    change(entries)
    return write(target, write_zip(entries))


@pytest.fixture
def bundle(tmp_path, int8, fp32):
    contents = packed(int8, fp32, needs=("int8=dotprod",), licence=b"Do what you like.\n")
    return write(tmp_path / "digits.zip", build_bundle(contents))


def test_a_bundle_holds_the_artifacts_their_runs_a_card_and_the_licence(bundle, tmp_path, int8):
    verified = unpack_package(bundle, tmp_path / "out")
    assert verified.document.kind == "bundle"
    assert load_artifact(tmp_path / "out" / "int8").info == load_artifact(int8).info
    runs = read_report(tmp_path / "out" / "runs.json").runs
    assert [run.id for run in runs] == [run.id for run in verified.document.runs]
    assert (tmp_path / "out" / "LICENCE.txt").read_text() == "Do what you like.\n"
    card = (tmp_path / "out" / "MODEL_CARD.md").read_text()
    for words in (*(run.id for run in runs), "pi5", "20 kB", "top1 0.9800", "no keepdim", "128 calibration"):
        assert words in card


def test_the_same_contents_give_the_same_bytes(bundle, int8, fp32, tmp_path):
    for folder in (int8, fp32):
        copy = tmp_path / "elsewhere" / folder.name
        shutil.copytree(folder, copy, copy_function=shutil.copyfile)
    again = packed(
        tmp_path / "elsewhere" / int8.name,
        tmp_path / "elsewhere" / fp32.name,
        needs=("int8=dotprod",),
        licence=b"Do what you like.\n",
    )
    assert build_bundle(again) == bundle.read_bytes()


def test_programs_are_stored_and_start_at_a_page(bundle):
    data = bundle.read_bytes()
    with zipfile.ZipFile(bundle) as archive:
        for info in archive.infolist():
            assert info.compress_type == zipfile.ZIP_STORED
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
            if info.filename.endswith(".pte"):
                content = archive.read(info)
                start = data.index(content)
                assert start % ALIGNMENT == 0
        assert archive.testzip() is None


@pytest.mark.parametrize("limit", [10_000, 20_000, 20_500, 100_000])
def test_programs_so_large_that_their_sizes_take_64_bits_are_aligned_and_whole(tmp_path, monkeypatch, limit):
    """zipfile writes such sizes into a field after the padding from 1 / 1.05 of its limit on."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", limit)
    program = bytes(range(256)) * 79
    path = write(tmp_path / "large.zip", write_zip({"a/model.pte": program, "b": b"1", "c.pte": program}))
    starts = [start for name, start, _ in where(path) if name.endswith(".pte")]
    assert [start % ALIGNMENT for start in starts] == [0, 0]
    assert read_zip(path)["c.pte"] == program


def test_a_card_without_licence_says_that_there_is_none(int8):
    from edgeq.package.card import render_card

    assert "No licence was stated." in render_card(packed(int8))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda e: e.update({"int8/model.pte": b"other"}), "int8/model.pte was changed"),
        (lambda e: e.update({"extra.txt": b""}), "extra.txt was added"),
        (lambda e: e.pop("MODEL_CARD.md"), "MODEL_CARD.md is missing"),
        (lambda e: e.pop("package.json"), "package.json is missing"),
        (lambda e: e.update({"assets/edgeq/a.package.json": b"{}"}), "a second package.json was added"),
    ],
)
def test_a_changed_package_is_found(bundle, tmp_path, change, words):
    other = rewrite(bundle, tmp_path / "other.zip", change)
    with pytest.raises(GateFailed, match=words):
        verify_package(other)
    with pytest.raises(GateFailed, match=words):
        unpack_package(other, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_signature_holds_for_its_key_only(tmp_path, int8):
    key, other = make_key(tmp_path / "key"), make_key(tmp_path / "other")
    signed = write(tmp_path / "signed.zip", build_bundle(packed(int8), read_private_key(key)))
    public = tmp_path / "key.pub"
    assert verify_package(signed, public).signer == verify_package(signed).signer
    told = subprocess.run(["ssh-keygen", "-lf", str(public)], capture_output=True, text=True, check=True)
    assert fingerprint(read_public_key(public)) in told.stdout
    with pytest.raises(GateFailed, match="signed by another key"):
        verify_package(signed, other.with_suffix(".pub"))


def test_signing_is_reproducible(tmp_path, int8):
    key = read_private_key(make_key(tmp_path / "key"))
    assert build_bundle(packed(int8), key) == build_bundle(packed(int8), key)


def test_a_document_changed_after_signing_is_found(tmp_path, int8):
    key = make_key(tmp_path / "key")
    signed = write(tmp_path / "signed.zip", build_bundle(packed(int8), read_private_key(key)))

    def forge(entries):
        document = msgspec.json.decode(entries["package.json"])
        entries["package.json"] = msgspec.json.encode({**document, "exceptions": ["none at all"]})

    with pytest.raises(GateFailed, match="not one of this package"):
        verify_package(rewrite(signed, tmp_path / "forged.zip", forge))
    stripped = rewrite(signed, tmp_path / "stripped.zip", lambda entries: entries.pop("signature.json"))
    with pytest.raises(GateFailed, match="not signed"):
        verify_package(stripped, tmp_path / "key.pub")
    garbled = rewrite(signed, tmp_path / "g.zip", lambda entries: entries.update({"signature.json": b"{}"}))
    with pytest.raises(GateFailed, match="not one of this package"):
        verify_package(garbled)


@pytest.mark.parametrize("kind", ["rsa", "passphrase", "public", "text", "missing"])
def test_a_key_that_cannot_sign_is_refused(tmp_path, kind):
    path = tmp_path / "key"
    if kind == "rsa":
        make_key(path, "-t", "rsa", "-b", "2048")
    elif kind == "passphrase":
        make_key(path, "-N", "secret")
    elif kind == "public":
        path = make_key(path).with_suffix(".pub")
    elif kind == "text":
        path.write_text("-----BEGIN NOTHING-----")
    with pytest.raises(InputError) as caught:
        read_private_key(path)
    assert str(path) in caught.value.message


def craft(path, *infos, compress=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compress) as archive:
        for info in infos:
            archive.writestr(info, b"x" * 1000)
    return path


def link(name):
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("infos", "words"),
    [
        (["../../etc/passwd"], "leads elsewhere"),
        (["/etc/passwd"], "leads elsewhere"),
        (["a/../b"], "leads elsewhere"),
        (["C:\\x"], "leads elsewhere"),
        (["a\\..\\b"], "leads elsewhere"),
        (["folder/"], "leads elsewhere"),
        (["a\x1b[31m"], "leads elsewhere"),
        (["a//b"], "leads elsewhere"),
        ([link("a")], "is a link"),
        (["a", "A"], "is there twice"),
    ],
)
def test_hostile_entries_are_refused_before_anything_is_written(tmp_path, infos, words):
    path = craft(tmp_path / "hostile.zip", *infos)
    with pytest.raises(InputError, match=words):
        unpack_package(path, tmp_path / "out")
    assert [each.name for each in tmp_path.iterdir()] == ["hostile.zip"]


def test_bombs_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"claims to hold more"):
        read_zip(craft(tmp_path / "bomb.zip", "a", compress=zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(tmp_path / "mixed.zip", "w") as archive:
        archive.writestr("a", b"x" * 1000, zipfile.ZIP_DEFLATED)
        archive.writestr("b", b"", zipfile.ZIP_DEFLATED)
        archive.comment = b"c" * 1000
    with pytest.raises(InputError, match="is compressed"):
        read_zip(tmp_path / "mixed.zip")
    plain = craft(tmp_path / "plain.zip", "a").read_bytes()
    size = (1000).to_bytes(4, "little")
    lying = plain.replace(size + size, (2**31).to_bytes(4, "little") * 2)
    assert lying != plain
    with pytest.raises(InputError, match="claims to hold more"):
        read_zip(write(tmp_path / "lying.zip", lying))
    many = io.BytesIO()
    with zipfile.ZipFile(many, "w") as archive:
        for number in range(1001):
            archive.writestr(str(number), b"")
    with pytest.raises(InputError, match="claims to hold more"):
        read_zip(write(tmp_path / "many.zip", many.getvalue()))


@pytest.mark.parametrize("keep", [0, 1, 100, -10])
def test_a_damaged_file_is_refused(bundle, tmp_path, keep):
    with pytest.raises(InputError):
        verify_package(write(tmp_path / "cut.zip", bundle.read_bytes()[:keep]))


def test_a_flipped_bit_in_a_program_is_found(bundle, tmp_path):
    data = bytearray(bundle.read_bytes())
    data[ALIGNMENT + 5] ^= 1
    with pytest.raises(GateFailed, match=r"entry 'fp32/model\.pte' was changed"):
        verify_package(write(tmp_path / "flipped.zip", bytes(data)))


def directory_of(data):
    """Where the directory of a zip starts, by its end."""
    return int.from_bytes(data[-6:-2], "little")


def moved(data, added):
    """A zip with `added` in front of its directory, and an end that knows."""
    start = directory_of(data)
    return data[:start] + added + data[start:-6] + (start + len(added)).to_bytes(4, "little") + data[-2:]


HIDDEN = b"PK\x03\x04" + bytes(22) + b"\x06\0\0\0hidden"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: moved(data, HIDDEN), "in front of its directory"),
        (lambda data: HIDDEN + data, "in front of entry"),
        (lambda data: data[:-2] + b"\x04\0evil", "another end"),
        (lambda data: data.replace(b"PK\x03\x04\x14\0\0\0", b"PK\x03\x04\x14\0\x08\0", 1), "tells otherwise"),
        (lambda data: data.replace(b"LICENCE.txt", b"LICENSE.txt", 1), "tells otherwise"),
        (lambda data: data[:-12] + (0).to_bytes(2, "little") + data[-10:], "another end"),
    ],
)
def test_what_the_directory_does_not_tell_is_found(bundle, tmp_path, change, words):
    data = bundle.read_bytes()
    changed = change(data)
    assert changed != data
    with pytest.raises(GateFailed, match=words):
        verify_package(write(tmp_path / "other.zip", changed))


def test_an_entry_between_two_others_is_found(tmp_path):
    """With offsets that are right, so that the directory alone looks whole."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a", b"1")
        archive.fp.write(HIDDEN)
        archive.start_dir = archive.fp.tell()
        archive.writestr("b", b"2")
    with pytest.raises(GateFailed, match="in front of entry 'b'"):
        read_zip(write(tmp_path / "gap.zip", stream.getvalue()))


def test_other_zips_and_newer_packages_are_refused(bundle, tmp_path):
    with pytest.raises(InputError, match=r"holds no package\.json"):
        verify_package(write(tmp_path / "a.zip", write_zip({"a": b"", "b/model.pte": b""})))
    with pytest.raises(InputError, match="cannot read"):
        verify_package(tmp_path / "missing.zip")
    newer = rewrite(bundle, tmp_path / "n.zip", lambda e: e.update({"package.json": b'{"schema": 2}'}))
    with pytest.raises(InputError, match="schema 2; this edgeq reads 1"):
        verify_package(newer)


def test_a_document_that_is_too_deep_is_refused(bundle, tmp_path):
    deep = b'{"x":' + b"[" * 100_000
    with pytest.raises(InputError, match=r"not the package\.json"):
        verify_package(rewrite(bundle, tmp_path / "deep.zip", lambda e: e.update({"package.json": deep})))


def test_unpacking_over_something_is_refused(bundle, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="exists"):
        unpack_package(bundle, tmp_path / "out")
