"""Open an SSH connection with paramiko: strict host keys, keys from files or the agent, never a password.

A connection may lead through jump hosts: each is a connection of its own with its own host-key check and its
own key, and all of them end together.
"""

import contextlib
import getpass
import logging
import socket
from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from edgeq.devices.ssh.host_check import check_host_key, known_kinds
from edgeq.devices.ssh.keys import Offer, home, read_key
from edgeq.devices.ssh.known_hosts import HostKey
from edgeq.devices.ssh.target import SshTarget
from edgeq.errors import DeviceError, DeviceUnreachable, EdgeqError, ProfileError

if TYPE_CHECKING:
    import paramiko

OPEN_SECONDS = 30.0
# Bytes that a device may send before we have taken them, and in one packet; OpenSSH takes no packets over
# 256 kB. paramiko's own are 2 MB and 32 kB, and a packet costs about as much time as 100 kB.
WINDOW = 1 << 22
_PACKET = 1 << 17
# Bytes that may wait here to be sent, if the system allows as many.
_UNDER_WAY = 1 << 20
# One pass for cipher and checksum: a fifth less time than with paramiko's first choice.
_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
# What servers have by themselves, and what an administrator may have made.
_USUAL_KEYS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa")
_RARE_KEYS = ("ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521")
# paramiko's words where the server says neither yes nor no to a key; the error is that of a refusal.
_NO_ANSWER = "Authentication timeout."
# Kind of a host key -> what it is called in the negotiation, where that differs.
_SIGNATURES = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}


def open_client(target: SshTarget) -> "paramiko.SSHClient":
    """Connect and authenticate, through the jump hosts where there are some; closing it closes those too.

    Raises:
        HostKeyError: a host key is unknown, revoked, or another than the known one.
        DeviceError: our key is not accepted, or a jump host lets nobody through.
        DeviceUnreachable: there is no answer as an SSH server gives it.
        ProfileError: a key file or a file of known hosts cannot be used.
    """
    import paramiko

    class Check(paramiko.MissingHostKeyPolicy):
        def missing_host_key(self, _client: paramiko.SSHClient, _name: str, key: paramiko.PKey) -> None:
            check_host_key(target, _as_host_key(key), known)

    def make_transport(sock: Any, **options: Any) -> paramiko.Transport:  # noqa: ANN401 - as paramiko calls it
        return _transport(sock, known_kinds(target, known), **options)

    _hush()
    login: Any = _Login(target)  # paramiko asks no more of a strategy than this has
    known = [] if target.pinned is not None else target.known_lines()
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(Check())  # the client knows no host, so every key is asked about
    with _explained(target), contextlib.ExitStack() as stack:
        sock = stack.enter_context(contextlib.closing(_dial(target)))
        stack.callback(client.close)
        client.connect(
            target.host,
            target.port,
            target.user,
            sock=sock,
            timeout=OPEN_SECONDS,
            banner_timeout=OPEN_SECONDS,
            auth_timeout=OPEN_SECONDS,
            transport_factory=make_transport,
            auth_strategy=login,
        )
        stack.pop_all()
    return client


def show_host_keys(target: SshTarget) -> list[HostKey]:
    """The host keys that the device presents: those of the usual kinds and of the kinds that are known of it.

    There is a connection for each, and servers of today lock out who comes too often without logging in: so
    the rare kinds are asked for only where there is no other. Nobody logs in, nothing is checked.

    Raises:
        EdgeqError: as `open_client` for the jump hosts, which are checked.
        DeviceUnreachable: it does not answer as an SSH server does.
    """
    _hush()
    kinds = dict.fromkeys((*_USUAL_KEYS, *known_kinds(target, target.known_lines())))
    with _explained(target):
        for each in (tuple(kinds), _RARE_KEYS):
            if keys := [key for kind in each if (key := _show_host_key(target, kind)) is not None]:
                return keys
    raise DeviceError(
        f"{target.where} has no host key of a kind that edgeq knows: {', '.join(_USUAL_KEYS + _RARE_KEYS)}"
    )


def _show_host_key(target: SshTarget, kind: str) -> HostKey | None:
    import paramiko

    with contextlib.closing(_dial(target)) as sock, contextlib.closing(_transport(sock, ())) as transport:
        security = transport.get_security_options()
        chosen = tuple(name for name in _SIGNATURES.get(kind, (kind,)) if name in security.key_types)
        if not chosen:
            return None  # a kind that only OpenSSH knows
        security.key_types = chosen
        try:
            transport.start_client(timeout=OPEN_SECONDS)
        except paramiko.ssh_exception.IncompatiblePeer:
            return None  # it has none
        return _as_host_key(transport.get_remote_server_key())


class _Through:
    """A channel through a jump host, as a socket; with it goes the connection that it lies in."""

    def __init__(self, channel: "paramiko.Channel", jump: "paramiko.SSHClient") -> None:
        self._channel = channel
        self._jump = jump

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a channel has
        return getattr(self._channel, name)

    def close(self) -> None:
        self._jump.close()  # and all channels in it


def _dial(target: SshTarget) -> Any:  # noqa: ANN401 - a socket, or what acts as one
    """A connection to the port of the device's SSH server."""
    if target.through is None:
        direct = socket.create_connection((target.host, target.port), OPEN_SECONDS)
        # Else a small packet waits up to 40 ms for the answer to the one before it.
        direct.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Else up to 4 MB wait here, and on a slow way signs of life wait behind them for a minute.
        direct.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNDER_WAY)
        return direct
    import paramiko

    jump = open_client(target.through)
    try:
        transport = jump.get_transport()
        assert transport is not None  # noqa: S101 - optional by its type only; a connected client has one
        way = (target.host, target.port)
        channel = transport.open_channel("direct-tcpip", way, ("127.0.0.1", 0), timeout=OPEN_SECONDS)
        return _Through(channel, jump)
    except BaseException as error:
        jump.close()
        if isinstance(error, paramiko.ChannelException):
            _explain_refused_way(target, target.through, error)
        raise


def _explain_refused_way(target: SshTarget, jump: SshTarget, error: "paramiko.ChannelException") -> NoReturn:
    what = f"{jump.where} opens no way to {target.where}: {error.text}"
    if error.code == 1:  # RFC 4254, 5.1: administratively prohibited
        raise DeviceError(what, hint="allow it in its sshd_config: AllowTcpForwarding, PermitOpen") from error
    raise DeviceUnreachable(what, hint="check from there that the device is on, and its address") from error


def _transport(sock: Any, key_kinds: Sequence[str], **options: Any) -> "paramiko.Transport":  # noqa: ANN401
    """A transport over `sock` that asks for a host key of one of these kinds first.

    So a host that has several keys shows the one that is known.
    """
    import paramiko

    transport = paramiko.Transport(
        sock, default_window_size=WINDOW, default_max_packet_size=_PACKET, **options
    )
    security = transport.get_security_options()
    security.ciphers = _first(_CIPHERS, security.ciphers)
    wanted = [name for kind in key_kinds for name in _SIGNATURES.get(kind, (kind,))]
    security.key_types = _first(wanted, security.key_types)
    return transport


def _first(chosen: Sequence[str], all_of: Sequence[str]) -> tuple[str, ...]:
    """`all_of` with those that are in `chosen` first."""
    return tuple(sorted(all_of, key=lambda each: chosen.index(each) if each in chosen else len(chosen)))


def _as_host_key(key: "paramiko.PKey") -> HostKey:
    return HostKey(key.get_name(), key.asbytes())


class _Login:
    """Offers our keys one after the other, where paramiko asks for a strategy."""

    def __init__(self, target: SshTarget) -> None:
        self._target = target
        self._own = read_key(home(target.key)) if target.key is not None else None

    def authenticate(self, transport: "paramiko.Transport") -> None:
        """Log in.

        Raises:
            DeviceError: no key was accepted.
            paramiko.AuthenticationException: the connection broke off, or no answer came, before any key
                was refused.
        """
        import paramiko

        target = self._target
        offer = Offer(target.keys, only_files=target.only_keys)
        said, count, user = "", 0, target.user or _local_user()
        with contextlib.closing(self._keys(offer)) as keys:
            for key in keys:
                count += 1
                try:
                    further = transport.auth_publickey(user, key)
                except paramiko.AuthenticationException as error:
                    if not transport.is_active():
                        if not said:  # no key was answered, so none was refused
                            raise
                        break  # too many keys
                    if str(error) == _NO_ANSWER:
                        raise
                    said = str(error)
                    continue
                if not further:
                    return
                said = f"it wants {' and '.join(map(str, further))} as well, which edgeq does not give"
                break
        self._refuse(user, said, count, offer.unusable)

    def _keys(self, offer: Offer) -> Generator["paramiko.PKey", None, None]:
        if self._own is not None:
            yield self._own
        else:
            yield from offer.keys()

    def _refuse(self, user: str, said: str, count: int, unusable: list[str]) -> NoReturn:
        target = self._target
        if target.key is not None:
            asked = f"the key {target.key}"
        else:
            asked = f"{count} keys of the agent and of files" if count else "no key: there is none to offer"
        left_out = "".join(f"; {reason}" for reason in unusable)
        raise DeviceError(
            f"{target.where} lets nobody in as {user} with {asked}{f': {said}' if said else ''}{left_out}",
            hint="put the public key into its authorized_keys (`ssh-copy-id`); "
            "give a key with a passphrase to ssh-add",
        )


def _local_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise ProfileError(
            "nobody knows the name of the user who runs edgeq", hint="set `user` in the device profile"
        ) from error


def _hush() -> None:
    """What paramiko would log is raised as well; without a handler it would print tracebacks."""
    logging.getLogger("paramiko").addHandler(logging.NullHandler())


@contextlib.contextmanager
def _explained(target: SshTarget) -> Iterator[None]:
    """Say what an error of connecting means for the user."""
    import paramiko

    try:
        yield
    except EdgeqError as error:
        error.private = (*error.private, *target.private_words)
        raise
    except (paramiko.SSHException, OSError, EOFError, UnicodeError) as error:
        said = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise DeviceUnreachable(
            f"no SSH connection to {target.where}: {said or 'it closed the connection'}",
            hint="check that the device is on, its address, and that its SSH server runs",
            private=target.private_words,
        ) from error
