"""A booted arm64 board to break: one boot for many faults, reached as any Linux device is, over SSH."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from faults.proxy import Proxy
from faults.rig import PROGRAM, Place, Rig

from edgeq.devices.board.keys import find_keys
from edgeq.devices.deploy import store_path
from edgeq.devices.opening import open_device
from edgeq.devices.profile import load_profile
from edgeq.devices.ssh.link import SshLink
from edgeq.runner import EXECUTORCH
from edgeq.runner.build import build_runner
from edgeq.runner.launch import runner_files

PROFILE = "virt-pi5"
# Debian's static busybox has no flock; this is what the lock needs of it: `flock -n DESCRIPTOR`.
_FLOCK = """
#include <stdlib.h>
#include <sys/file.h>
int main(int argc, char **argv) { return argc == 3 ? flock(atoi(argv[2]), LOCK_EX | LOCK_NB) != 0 : 64; }
"""
_PROCESSES = f"ps -o pid,args | grep '[e]{PROGRAM[1:]}' | grep -v 'sha256sum'"


class BoardRig(Rig):
    """A board that has the runner from the start; `link` reaches it beside the proxy."""

    name = "board"

    def __init__(self, folder: Path, artifact: Path) -> None:
        self._stack = contextlib.ExitStack()
        proxy = Proxy(("127.0.0.1", 1))
        keys, known = find_keys(), folder / "known_hosts_of_proxy"
        known.write_text(f"[127.0.0.1]:{proxy.port} {keys.host_public.read_text()}")
        place = Place(keys.client_private, known, load_profile(PROFILE).work_folder, user="root")
        super().__init__(folder, artifact, proxy, place)
        self._preload = {"/usr/bin/flock": _build_flock(folder)}
        for files in runner_files(build_runner(EXECUTORCH, "aarch64", announce=lambda _line: None)):
            store = store_path(place.work_folder, files)
            self._preload |= {f"{store}/{name}": path for name, path in files.items()}
        self.boot()

    def boot(self) -> None:
        """Boot it, again if it has been before."""
        self._stack.close()
        link = self._stack.enter_context(open_device(load_profile(PROFILE), preload=self._preload))
        assert isinstance(link, SshLink)
        self.link = link
        self.proxy.target = (link.target.host, link.target.port)

    def close(self) -> None:
        """End the machine."""
        self._stack.close()
        self.proxy.close()

    def shell(self, script: str) -> str:
        """What a script on the device writes; it must succeed."""
        done = self.link.run(["sh", "-c", script], timeout=100).check(script)
        return done.stdout.decode()

    def runners(self) -> list[int]:
        """See `Rig.runners`."""
        return [int(line.split()[0]) for line in self.shell(f"{_PROCESSES} || true").splitlines()]

    def programs(self) -> list[int]:
        """See `Rig.programs`."""
        return [int(pid) for pid in self.shell(f"pidof {PROGRAM} || true").split()]

    def signal_runner(self, number: int) -> None:
        """See `Rig.signal_runner`."""
        self.shell(f"kill -{int(number)} $(pidof {PROGRAM})")

    def files(self) -> list[str]:
        """See `Rig.files`."""
        return self.shell(f"cd '{self.place.work_folder}' && find . -mindepth 1 | cut -c 3-").splitlines()


def _build_flock(folder: Path) -> Path:
    program = folder / "flock"
    (folder / "flock.c").write_text(_FLOCK)
    subprocess.run(["aarch64-linux-gnu-gcc", "-O1", "-static", "-o", program, folder / "flock.c"], check=True)
    return program


@contextlib.contextmanager
def board_rig(folder: Path, artifact: Path) -> Iterator[BoardRig]:
    """A rig in `folder`; all of it ends with the block."""
    rig = BoardRig(folder, artifact)
    try:
        yield rig
    finally:
        rig.close()
