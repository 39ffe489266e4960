"""Ask a device several questions in one command: a round trip to a small board costs more than the answer."""

import secrets
from collections.abc import Mapping

from edgeq.devices.link import Link, printable
from edgeq.errors import DeviceError

_SECONDS = 60.0


def ask_all(link: Link, questions: Mapping[str, str]) -> dict[str, str]:
    """Run each of `questions` (name -> shell script) and return what it wrote to stdout, by name.

    A script that fails gives what it wrote until then; what it wrote to stderr is dropped.

    Raises:
        DeviceUnreachable: the link broke.
        DeviceError: the device has no working `sh`.
    """
    mark = f"--{secrets.token_hex(8)}--"
    script = "".join(
        f"echo '{mark}{name}'\n( {text}\n) 2>/dev/null\necho\n" for name, text in questions.items()
    )
    done = link.run(["sh", "-c", script], timeout=_SECONDS)
    parts = printable(done.stdout.replace(b"\0", b"\n")).split(mark)[1:]
    answers = {name: text for name, _, text in (part.partition("\n") for part in parts)}
    if answers.keys() != questions.keys():
        done.check("asking the device about itself", DeviceError)
        raise DeviceError("the device's shell did not answer as a POSIX shell does")
    return {name: text.strip() for name, text in answers.items()}
