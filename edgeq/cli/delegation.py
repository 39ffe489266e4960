"""The option `--require-delegation`, the same for every command that makes or shows programs."""

import re

import click


class Share(click.ParamType[float]):
    """A share in percent such as `100%` or `99.5%`, from 0 to 1."""

    name = "share"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """From 0 to 1."""
        found = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]+)?)\s*%", str(value).strip())
        if found is None or float(found[1]) > 100:
            self.fail(f"{value!r} is no share; write it like 100% or 99.5%", param, ctx)
        return float(found[1]) / 100


delegation_option = click.option(
    "--require-delegation",
    "least",
    type=Share(),
    help="Exit 1 unless this share is delegated to XNNPACK, by nodes and by multiply-accumulates.",
)
