import io
import stat

import pytest

from edgeq.devices.board import cpio


def archive(entries):
    out = io.BytesIO()
    cpio.write_archive(out, entries)
    return out.getvalue()


def read(data):
    """A reader after the format's description: name -> (mode, links, content)."""
    found, at = {}, 0
    while True:
        assert data[at : at + 6] == b"070701"
        assert at % 4 == 0
        fields = [int(data[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        size, name_size = fields[6], fields[11]
        name = data[at + 110 : at + 110 + name_size - 1].decode()
        start = (at + 110 + name_size + 3) // 4 * 4
        if name == "TRAILER!!!":
            return found, start
        found[name] = (fields[1], fields[4], data[start : start + size])
        at = (start + size + 3) // 4 * 4


def test_entries_come_back_with_their_parents():
    data = archive(
        {"usr/bin/tool": cpio.file(b"abc", 0o755), "bin": cpio.link("usr/bin"), "tmp": cpio.folder(0o1777)}
    )
    found, end = read(data)
    assert end == len(data)
    assert list(found) == ["bin", "tmp", "usr", "usr/bin", "usr/bin/tool"]
    assert found["usr/bin/tool"] == (stat.S_IFREG | 0o755, 1, b"abc")
    assert found["bin"] == (stat.S_IFLNK | 0o777, 1, b"usr/bin")
    assert found["tmp"] == (stat.S_IFDIR | 0o1777, 2, b"")
    assert found["usr"] == (stat.S_IFDIR | 0o755, 2, b"")


def test_equal_entries_give_equal_bytes_in_any_order():
    one, other = cpio.file("1"), cpio.file("2")
    assert archive({"a": one, "b": other}) == archive({"b": other, "a": one})


@pytest.mark.parametrize("size", range(5))
def test_every_archive_ends_where_another_may_begin(size):
    assert len(archive({"x" * (size + 1): cpio.file(b"y" * size)})) % 4 == 0


def test_files_and_links_are_read_with_their_modes(tmp_path):
    (tmp_path / "file").write_text("text")
    (tmp_path / "file").chmod(0o640)
    (tmp_path / "link").symlink_to("file")
    assert cpio.read_entry(tmp_path / "file") == cpio.file("text", 0o640)
    assert cpio.read_entry(tmp_path / "link") == cpio.link("file")
    assert stat.S_ISDIR(cpio.read_entry(tmp_path).mode)
