"""Where the entries of a zip file lie in it."""

import struct
import zipfile


def where(path):
    """Name, offset of the content and size of each entry, from the local headers."""
    data = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            name, extra = struct.unpack_from("<HH", data, info.header_offset + 26)
            yield info.filename, info.header_offset + 30 + name + extra, info.file_size
