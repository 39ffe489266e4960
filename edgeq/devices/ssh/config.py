"""What a device profile leaves out comes from the user's ssh_config(5), just as `ssh HOST` would take it.

`ssh -G` is asked, which is OpenSSH's own reading of it: `Include`, `Match` (also `Match exec`, with the
commands that the user wrote there), patterns and the system's file count as they always do. paramiko's reader
knows only some of that, and leaves the rest out without a word.

What is never taken over: `StrictHostKeyChecking no` (host keys are always checked), a password, and
`ProxyCommand`, which is refused by name.
"""

import os
import pwd
import re
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgeq.devices.profile import SshSpec
from edgeq.devices.ssh.keys import home
from edgeq.devices.ssh.target import SshTarget
from edgeq.errors import HostError, ProfileError

# A `Match exec` of the user's may ask a network.
_ASK_SECONDS = 60
# Jump hosts behind jump hosts; more of them is a circle.
_MOST_HOPS = 8
_JUMP = re.compile(
    r"(?:ssh://)?(?:(?P<user>[^@:/\s]+)@)?(?P<host>\[[0-9a-fA-F:.%\w]+\]|[^@:/,\s\[\]]+)(?::(?P<port>[0-9]{1,5}))?/?"
)
_NOTHING = ("none", "/dev/null")

Options = Mapping[str, Sequence[str]]


def resolve(spec: SshSpec, name: str | None = None) -> SshTarget:
    """Whom to reach for a profile's `spec`, and through which jump hosts.

    Args:
        spec: what the profile says; it goes before ssh_config.
        name: what the user calls the device, for messages.

    Raises:
        ProfileError: a jump host is malformed, or ssh_config is, or it names a ProxyCommand.
        HostError: there is an ssh_config, but no `ssh` to read it with.
    """
    return _Resolution(spec, name).target()


class _Resolution:
    def __init__(self, spec: SshSpec, name: str | None) -> None:
        self._spec = spec
        self._name = name

    def target(self) -> SshTarget:
        spec = self._spec
        return self._reach(spec.host, spec.port, spec.user, jumps=spec.jump or None, depth=0)

    def _reach(
        self,
        host: str,
        port: int | None,
        user: str | None,
        *,
        jumps: Sequence[str] | None,
        depth: int,
        through: SshTarget | None = None,
    ) -> SshTarget:
        """The way to `host`: through `through`, or else `jumps`, or else (None) as its ssh_config says."""
        if depth > _MOST_HOPS:
            raise ProfileError(
                f"the way to {self._spec.host} leads through more than {_MOST_HOPS} jump hosts",
                hint="look for a circle of `ProxyJump` in ssh_config",
            )
        spec, options = self._spec, _ask(host, port, user, self._spec.config)
        if through is None:
            if jumps is None:
                jumps = _jumps_of(host, options)
            through = self._chain(jumps, depth)
        known = [spec.known_hosts] if spec.known_hosts else []
        if not spec.known_hosts or depth > 0:  # a jump host may be known to the user already
            known += _words(options, "userknownhostsfile")
        own = [home(file) for file in known if file not in _NOTHING]
        system = [Path(file) for file in _words(options, "globalknownhostsfile") if file not in _NOTHING]
        reached = SshTarget(
            host=_first(options, "hostname") or host,
            port=int(_first(options, "port") or port or 22),
            user=_first(options, "user") or user,
            key=home(spec.key) if spec.key and depth == 0 else None,
            known_hosts=own[0] if own else None,
            also_known=(*own[1:], *system),
            name=self._name,
            alias=_first(options, "hostkeyalias"),
            only_keys=_first(options, "identitiesonly") == "yes",
            through=through,
            is_jump=depth > 0,
            silence=_silence(options),
        )
        keys = [file for file in options.get("identityfile", ()) if file not in _NOTHING]
        return _with_keys(reached, host, keys) if keys else reached

    def _chain(self, jumps: Sequence[str], depth: int) -> SshTarget | None:
        """The last one of `jumps`; as with `ssh -J` only the first is reached as its own ssh_config says."""
        through: SshTarget | None = None
        for jump in jumps:
            host, port, user = parse_jump(jump)
            through = self._reach(host, port, user, jumps=None, depth=depth + 1, through=through)
        return through


def _silence(options: Options) -> float | None:
    """What ServerAliveInterval and ServerAliveCountMax make together, where the user has set them."""
    interval, count = (int(_first(options, f"serveralive{part}") or 0) for part in ("interval", "countmax"))
    return float(interval * count) or SshTarget.silence


def parse_jump(text: str) -> tuple[str, int | None, str | None]:
    """Host, port and user of `[user@]host[:port]`, also as `ssh://[user@]host[:port]`.

    Raises:
        ProfileError: it is neither. The message does not repeat it where it may hold a password.
    """
    found = _JUMP.fullmatch(text)
    if found is None:
        if "@" in text and ":" in text.rpartition("@")[0].removeprefix("ssh://"):
            raise ProfileError(
                f"the jump host {text.rpartition('@')[2]} comes with a password",
                hint="remove it: keys come from files or the agent, a password is never kept",
            )
        raise ProfileError(
            f"{text!r} is no jump host", hint="write it as `[user@]host[:port]`, an IPv6 address in brackets"
        )
    port = int(found["port"]) if found["port"] else None
    if port is not None and not 1 <= port <= 65535:
        raise ProfileError(f"{text!r} is no jump host: ports go from 1 to 65535")
    return found["host"].strip("[]"), port, found["user"]


def _ask(host: str, port: int | None, user: str | None, config: str | None) -> Options:
    """What ssh_config says of a host: option in lower case -> its lines."""
    file = str(home(config)) if config else None
    if shutil.which("ssh") is None:
        if file or home("~/.ssh/config").exists():
            raise HostError(
                f"reading {file or '~/.ssh/config'} needs `ssh`, which is not on this machine",
                hint="apt-get install openssh-client",
            )
        return {}
    command = ["ssh", "-G", *(["-F", file] if file else [])]
    command += [*(["-p", str(port)] if port else []), *(["-l", user] if user else []), "--", host]
    try:
        done = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=_ASK_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ProfileError(
            f"ssh_config did not say within {_ASK_SECONDS} s how to reach {host}",
            hint="see which `Match exec` in it takes so long",
        ) from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise ProfileError(
            f"ssh_config does not say how to reach {host!r}: {said}",
            hint=f"`ssh -G {'-F ' + file + ' ' if file else ''}HOST` shows what it says",
        )
    options: dict[str, list[str]] = {}
    for line in done.stdout.decode(errors="replace").splitlines():
        option, _, value = line.partition(" ")
        options.setdefault(option.lower(), []).append(value)
    return options


def _jumps_of(host: str, options: Options) -> list[str]:
    command = _first(options, "proxycommand")
    if command is not None:
        raise ProfileError(
            f"ssh_config reaches {host} by a ProxyCommand, which edgeq does not run",
            hint="say it as `ProxyJump` there, or as `jump` in the device profile",
        )
    jump = _first(options, "proxyjump")
    return jump.split(",") if jump else []


def _first(options: Options, option: str) -> str | None:
    """The option's value, unless it is missing or `none`."""
    values = options.get(option, ())
    return values[0] if values and values[0].lower() != "none" else None


def _words(options: Options, option: str) -> list[str]:
    return (_first(options, option) or "").split()


def _with_keys(target: SshTarget, host: str, files: Sequence[str]) -> SshTarget:
    """`target` with the `IdentityFile`s, whose tokens and variables `ssh -G` leaves as they are."""
    import dataclasses

    user = pwd.getpwuid(os.getuid()).pw_name
    tokens = {
        "%": "%",
        "d": str(home("~")),
        "h": target.host,
        "i": str(os.getuid()),
        "k": target.alias or host,
        "L": socket.gethostname().partition(".")[0],
        "l": socket.gethostname(),
        "n": host,
        "p": str(target.port),
        "r": target.user or user,
        "u": user,
    }

    def expand(file: str) -> Path:
        def token(found: re.Match[str]) -> str:
            if found[1] not in tokens:
                raise ProfileError(f"IdentityFile {file} of ssh_config: edgeq does not know %{found[1]}")
            return tokens[found[1]]

        named = re.sub(r"\$\{(\w+)\}", lambda found: os.environ.get(found[1], ""), file)
        return home(re.sub("%(.?)", token, named))

    return dataclasses.replace(target, keys=tuple(expand(file) for file in files))
