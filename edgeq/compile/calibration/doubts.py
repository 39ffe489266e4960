"""What makes calibration data doubtful, found on the way through it, in memory that does not grow with it.

Scale and layout are judged by comparison with `example_inputs()` alone: what is odd in both is the user's
data. A doubt is a warning with facts in it, not a refusal.
"""

import math
from dataclasses import dataclass, field

import torch

from edgeq.artifact import CalibrationInput
from edgeq.results.records import RunWarning

# Repeated samples are looked for among this many.
REMEMBERED = 65_536

# One sample in five is held out; fewer than that cannot be judged.
HOLD_OUT = 5

# A tenth of the set said twice weighs its values twice.
_DUPLICATES = 0.1

# Data in bytes where fractions belong are 255 times too large. Loud and quiet samples of honest data differ
# by more than one would think: the example must lie this far outside of all samples.
_SCALE = 16.0

# Neighbours in images correlate above 0.8, in noise about 0. It takes some of them to tell.
_NOISE, _NOT_NOISE, _PAIRS = 0.02, 0.5, 1000
_LEAST_SIDE = 8

# In an image the next pixel is nearer in value than the one three further on. Where colours are interleaved
# it is not: the next value is another colour, the third the same colour of the next pixel.
_INTERLEAVED, _PLANAR = 1.05, 0.95


@dataclass
class Traits:
    """Sums over the samples of one floating-point input."""

    shape: tuple[int, ...]
    low: float = math.inf
    high: float = -math.inf
    rms_low: float = math.inf
    rms_high: float = 0.0
    samples: int = 0
    flat: int = 0
    pairs: int = 0
    product: float = 0.0
    power: float = 0.0
    near: float = 0.0
    far: float = 0.0

    def add(self, tensor: torch.Tensor) -> None:
        """Take in one sample."""
        values = tensor.double()
        low, high = (float(extreme) for extreme in torch.aminmax(values))
        rms = float(values.square().mean().sqrt())
        self.low, self.high = min(self.low, low), max(self.high, high)
        self.rms_low, self.rms_high = min(self.rms_low, rms), max(self.rms_high, rms)
        self.samples += 1
        self.flat += low == high
        if values.dim() and values.shape[-1] > 1:
            # Each channel about its own mean: an offset between channels is no likeness of neighbours.
            centred = values - values.mean((-2, -1) if values.dim() >= 3 else -1, keepdim=True)
            left, right = centred[..., :-1], centred[..., 1:]
            self.pairs += left.numel()
            self.product += float((left * right).sum())
            self.power += float((left.square().sum() + right.square().sum()) / 2)
        if (colours := self.colours) is not None:
            self.near += float(values.diff(dim=-1).abs().mean())
            self.far += float((values[..., colours:] - values[..., :-colours]).abs().mean())

    @property
    def neighbours(self) -> float | None:
        """Correlation of values side by side in the last dimension."""
        return self.product / self.power if self.power else None

    @property
    def colours(self) -> int | None:
        """The channels of an input that may be an image (N, C, H, W), when there are two to four."""
        is_image = len(self.shape) == 4 and min(self.shape[2:]) >= _LEAST_SIDE
        return self.shape[1] if is_image and 2 <= self.shape[1] <= 4 else None

    @property
    def interleaving(self) -> float | None:
        """Difference of neighbours over that of values as many places apart as there are channels."""
        return self.near / self.far if self.far else None


@dataclass
class Inquiry:
    """Traits of each input of the calibration set beside those of the example inputs."""

    names: tuple[str, ...]
    examples: list[Traits]
    sets: list[Traits]
    samples: int = 0
    duplicates: int = 0
    first: bytes | None = None
    varied: bool = False
    seen: set[bytes] = field(default_factory=set)

    def add(self, leaves: list[torch.Tensor], digest: bytes) -> None:
        """Take in one sample, whose content has this hash."""
        self.samples += 1
        self.first = self.first or digest
        self.varied = self.varied or digest != self.first
        if digest in self.seen:
            self.duplicates += 1
        elif len(self.seen) < REMEMBERED:
            self.seen.add(digest)
        floats = [leaf for leaf in leaves if leaf.is_floating_point() and leaf.numel()]
        for traits, leaf in zip(self.sets, floats, strict=True):
            traits.add(leaf)

    def inputs(self) -> tuple[CalibrationInput, ...]:
        """The traits as they are recorded."""
        return tuple(
            CalibrationInput(
                name=name,
                low=mine.low,
                high=mine.high,
                rms_low=mine.rms_low,
                rms_high=mine.rms_high,
                neighbours=mine.neighbours,
                example_low=example.low,
                example_high=example.high,
                example_rms=example.rms_high,
                example_neighbours=example.neighbours,
            )
            for name, mine, example in zip(self.names, self.sets, self.examples, strict=True)
        )

    def warnings(self) -> tuple[RunWarning, ...]:
        """Every doubt about the set."""
        found = [self._of_the_whole()]
        if self.samples > 1 and not self.varied:
            return tuple(warning for warning in found if warning)
        for name, mine, example in zip(self.names, self.sets, self.examples, strict=True):
            found += [
                _doubt_scale(name, mine, example),
                _doubt_layout(name, mine, example),
                _doubt_content(name, mine, example),
            ]
        return tuple(warning for warning in found if warning)

    def _of_the_whole(self) -> RunWarning | None:
        if self.samples == 1:
            return RunWarning(
                code="calibration-single",
                message="the ranges come from a single calibration sample; give some hundred typical ones",
                facts={"samples": 1},
            )
        if not self.varied:
            return RunWarning(
                code="calibration-constant",
                message="all calibration samples are the same; give some hundred different ones",
                facts={"samples": self.samples},
            )
        if self.samples < HOLD_OUT:
            return RunWarning(
                code="calibration-few",
                message=f"the ranges come from {self.samples} calibration samples; give some hundred",
                facts={"samples": self.samples},
            )
        if self.duplicates > _DUPLICATES * self.samples:
            return RunWarning(
                code="calibration-duplicates",
                message=f"{self.duplicates} of {self.samples} calibration samples repeat an earlier one",
                facts={"duplicates": self.duplicates, "samples": self.samples},
            )
        return None


def open_inquiry(names: list[str], example: list[torch.Tensor]) -> Inquiry:
    """Begin with the example inputs; `names` and `example` are those of all inputs, in order."""
    floats = [
        (name, leaf)
        for name, leaf in zip(names, example, strict=True)
        if leaf.is_floating_point() and leaf.numel()
    ]
    examples = [Traits(tuple(leaf.shape)) for _, leaf in floats]
    for traits, (_, leaf) in zip(examples, floats, strict=True):
        traits.add(leaf)
    sets = [Traits(tuple(leaf.shape)) for _, leaf in floats]
    return Inquiry(tuple(name for name, _ in floats), examples, sets)


def _doubt_scale(name: str, mine: Traits, example: Traits) -> RunWarning | None:
    if not (math.isfinite(example.rms_high) and example.rms_high and mine.rms_high):
        return None
    if mine.rms_low > _SCALE * example.rms_high:
        factor, word = mine.rms_low / example.rms_high, "larger"
    elif mine.rms_high * _SCALE < example.rms_high:
        factor, word = example.rms_high / mine.rms_high, "smaller"
    else:
        return None
    return RunWarning(
        code="calibration-scale",
        message=f"calibration samples of {name!r} are at least {factor:.3g} times {word} than "
        "example_inputs(); bytes from 0 to 255 where fractions belong are 255 times larger",
        facts={"input": name, "factor": factor, "example_rms": example.rms_high, "rms": mine.rms_low},
    )


def _doubt_layout(name: str, mine: Traits, example: Traits) -> RunWarning | None:
    got, expected = mine.interleaving, example.interleaving
    if got is None or expected is None or got < _INTERLEAVED or expected > _PLANAR:
        return None
    return RunWarning(
        code="calibration-layout",
        message=f"calibration samples of {name!r} look like NHWC data in an NCHW shape: values "
        f"{mine.colours} places apart are more alike than neighbours, and in example_inputs() they are not; "
        "use permute(0, 3, 1, 2), not reshape",
        facts={"input": name, "interleaving": got, "example_interleaving": expected},
    )


def _doubt_content(name: str, mine: Traits, example: Traits) -> RunWarning | None:
    """Constant within each sample, or noise."""
    if mine.flat == mine.samples and math.prod(mine.shape) > 1 and not example.flat:
        return RunWarning(
            code="calibration-flat",
            message=f"every calibration sample of {name!r} holds one value only; example_inputs() does not",
            facts={"input": name, "samples": mine.samples},
        )
    likeness, expected = mine.neighbours, example.neighbours
    if likeness is None or abs(likeness) > _NOISE or mine.pairs < _PAIRS:
        return None
    is_image = len(mine.shape) == 4 and min(mine.shape[2:]) >= _LEAST_SIDE
    if not is_image and (expected is None or expected < _NOT_NOISE or example.pairs < _PAIRS):
        return None
    return RunWarning(
        code="calibration-random",
        message=f"calibration samples of {name!r} look like noise: neighbours correlate by {likeness:.3f}; "
        "INT8 needs its ranges from real data",
        facts={"input": name, "neighbours": likeness, "example_neighbours": expected or 0.0},
    )
