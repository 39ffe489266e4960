"""The emulated board's kernel and root folder, made of Debian's arm64 packages without running any of them.

Made once and kept in the cache: which packages, versions and all, is written beside it. What differs between
boots (keys, preloaded files) is a second archive that is put behind the first one.
"""

import fnmatch
import json
import lzma
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from edgeq.cache import cached, key_of
from edgeq.devices.board import cpio
from edgeq.devices.board.keys import BoardKeys
from edgeq.devices.board.packages import Apt
from edgeq.errors import HostError

ARCHITECTURE = "arm64"
READY = b"BOARD-READY"

# Debian's kernel for virtual machines: a third of the generic one to fetch, and faster to boot.
_KERNEL = "linux-image-cloud-arm64"
# Taken with what they depend on ...
_PROGRAMS = ("busybox-static", "dropbear-bin", "libstdc++6")
# ... and without: sftp-server links libc only, but its package wants the whole SSH client.
_ALONE = ("base-files", "openssh-sftp-server")
_MODULES = ("virtio_pci", "virtio_net")
_KEEP = (
    "usr/bin/busybox",
    "usr/sbin/dropbear",
    "usr/lib/sftp-server",
    "usr/lib/openssh/sftp-server",
    "usr/lib/os-release",
    "etc/os-release",
    "usr/lib/ld-linux-aarch64.so.1",
)
_KEEP_LIBRARIES = "usr/lib/aarch64-linux-gnu/*.so*"

_PRELOAD = "preload"

# Preloaded files are moved to their places last, since these may be on a file system that is mounted here.
# 10.0.2.15 is the guest in QEMU's user network. The shell stays as process 1 and so reaps orphans.
_INIT = f"""#!/bin/sh
export PATH=/usr/sbin:/usr/bin
/usr/bin/busybox --install -s
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts pts /dev/pts
mount -t tmpfs tmp /tmp
mount -t tmpfs shm /dev/shm
mount -t tmpfs -o mode=1777 work /var/tmp
cp -R /{_PRELOAD}/. /
rm -r /{_PRELOAD}
for module in $(cat /modules/order); do insmod "/modules/$module"; done
hostname board
ip link set lo up
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
dropbear -E -s -j -k -W 1048576 -r /etc/dropbear/host -p 22
echo {READY.decode()}
while sleep 3600; do :; done
"""


def find_image(announce: Callable[[str], None]) -> tuple[Path, Path]:
    """Kernel and base archive of the board; fetches and builds them the first time, and announces that.

    Raises:
        HostError: apt is missing, or does not give the packages.
    """
    facts = {"format": 1, "init": _INIT, "kernel": _KERNEL, "packages": [*_PROGRAMS, *_ALONE], "keep": _KEEP}

    def make(folder: Path) -> None:
        announce("board: fetching its kernel and packages")
        _build(folder)

    folder, _ = cached("board", key_of(facts), make)
    return folder / "kernel", folder / "base.cpio"


def write_overlay(out: BinaryIO, keys: BoardKeys, preload: Mapping[str, Path]) -> None:
    """Write the archive that goes behind the base: the board's keys, and what to preload.

    `preload` maps an absolute path on the board to a file here, or to a folder with all that is in it.
    """
    entries = {
        "etc/dropbear/host": cpio.file(keys.host_private.read_bytes(), 0o600),
        "root": cpio.folder(0o700),
        "root/.ssh": cpio.folder(0o700),
        "root/.ssh/authorized_keys": cpio.file(keys.client_public.read_bytes(), 0o600),
    }
    for remote, local in preload.items():
        for path in local.rglob("*") if local.is_dir() else (local,):
            name = PurePosixPath(remote) / path.relative_to(local)
            entries[f"{_PRELOAD}{name}"] = cpio.read_entry(path.resolve(strict=True))
    cpio.write_archive(out, entries)


def _build(folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="edgeq-board-") as scratch:
        apt = Apt(Path(scratch), ARCHITECTURE)
        apt.update()
        kernels = [name for name in apt.depends(_KERNEL) if name.startswith("linux-image-")]
        if not kernels:
            raise HostError(f"{_KERNEL} names no kernel image among its dependencies")
        kernel = kernels[0]
        unpacked = apt.download([kernel, *apt.resolve(_PROGRAMS), *_ALONE])
        boot = unpacked.pop(kernel)
        (image,) = boot.glob("boot/vmlinuz-*")
        (folder / "kernel").write_bytes(image.read_bytes())
        with (folder / "base.cpio").open("wb") as out:
            cpio.write_archive(out, _skeleton() | _userland(unpacked.values()) | _modules(boot))
        packages = sorted(path.name for path in (Path(scratch) / "debs").glob("*.deb"))
        (folder / "packages.json").write_text(json.dumps(packages, indent=1))


def _skeleton() -> dict[str, cpio.Entry]:
    folders = (
        "dev",
        "etc",
        "mnt",
        "proc",
        "root",
        "run",
        _PRELOAD,
        "sys",
        "usr/bin",
        "usr/lib",
        "usr/sbin",
        "var/log",
    )
    return {
        **{name: cpio.folder() for name in folders},
        **{name: cpio.folder(0o1777) for name in ("tmp", "var/tmp")},
        **{name: cpio.link(f"usr/{name}") for name in ("bin", "lib", "sbin")},
        "usr/bin/sh": cpio.link("busybox"),
        "init": cpio.file(_INIT, 0o755),
        "etc/passwd": cpio.file("root:x:0:0:root:/root:/bin/sh\n"),
        "etc/group": cpio.file("root:x:0:\n"),
        "etc/shells": cpio.file("/bin/sh\n"),
    }


def _userland(folders: Iterable[Path]) -> dict[str, cpio.Entry]:
    """The files of unpacked packages that the board needs; /bin, /lib and /sbin are in /usr throughout."""
    entries = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            name = re.sub(r"^(bin|lib|sbin)/", r"usr/\1/", str(path.relative_to(folder)))
            wanted = name in _KEEP or (fnmatch.fnmatch(name, _KEEP_LIBRARIES) and name.count("/") == 3)
            if wanted and not path.is_dir():
                entries[name] = cpio.read_entry(path)
    if missing := {"usr/bin/busybox", "usr/sbin/dropbear", "usr/lib/openssh/sftp-server"} - entries.keys():
        raise HostError(f"Debian's packages have no {', '.join(sorted(missing))} any more")
    return entries


def _modules(boot: Path) -> dict[str, cpio.Entry]:
    """The kernel modules of the board's network card, and the order to load them in."""
    (home,) = boot.glob("**/lib/modules/*")
    files = {re.sub(r"\.ko(\.xz)?$", "", path.name): path for path in home.rglob("*.ko*")}
    built_in = {Path(line).stem for line in (home / "modules.builtin").read_text().split()}
    order: dict[str, bytes] = {}

    def add(name: str) -> None:
        if name in order or name in built_in:
            return
        if name not in files:
            raise HostError(f"the kernel package {boot.name} has no module {name}")
        data = files[name].read_bytes()
        data = lzma.decompress(data) if files[name].suffix == ".xz" else data
        for needed in _needs(data):
            add(needed)
        order[name] = data

    for name in _MODULES:
        add(name)
    entries = {f"modules/{name}.ko": cpio.file(data) for name, data in order.items()}
    return entries | {"modules/order": cpio.file("".join(f"{name}.ko\n" for name in order))}


def _needs(module: bytes) -> list[str]:
    """The modules that a kernel module depends on, from its `.modinfo` section (modinfo(8))."""
    found = re.search(rb"\0depends=([^\0]*)\0", module)
    return [name for name in found[1].decode().split(",") if name] if found else []
