"""Every error that edgeq raises on purpose; each class knows the exit code of the command that meets it.

A message says what was tried and what came back; `hint` says what to do next. Errors are stable (trying
again changes nothing) unless `transient` says otherwise.
"""

from typing import ClassVar


class EdgeqError(Exception):
    """Root of the tree.

    Attributes:
        message: what was tried and what came back, one paragraph.
        hint: what to do next, or None.
        stage: where in the line of travel it happened (`workload`, `lower`, `deploy`, ...).
        private: words of the message or hint that no record may hold, e.g. another user's name.
    """

    exit_code: ClassVar[int] = 5
    transient: ClassVar[bool] = False
    stage: ClassVar[str] = "edgeq"

    def __init__(self, message: str, *, hint: str | None = None, private: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.private = private


class GateFailed(EdgeqError):
    """A limit that the user set was not met."""

    exit_code = 1
    stage = "gate"


class InputError(EdgeqError):
    """What the user gave is wrong."""

    exit_code = 2
    stage = "input"


class WorkloadError(InputError):
    """A workload is missing, raises, or lacks something that the command needs."""

    stage = "workload"


class CalibrationError(InputError):
    """Calibration data is missing, empty, of the wrong shape or dtype, or not finite."""

    stage = "calibrate"


class RecipeError(InputError):
    """A recipe is unknown, or cannot be applied to this model."""

    stage = "recipe"


class ProfileError(InputError):
    """A device profile is unknown or malformed."""

    stage = "profile"


class ArtifactError(InputError):
    """An artifact is missing, damaged, or of a version that this edgeq does not read."""

    stage = "artifact"


class StoreError(InputError):
    """A store of runs is missing, damaged, full, locked, or of a version that this edgeq does not read."""

    stage = "store"


class HostError(InputError):
    """This machine lacks a tool or a package that the step needs; the hint says which."""

    stage = "host"


class ExportError(EdgeqError):
    """The model could not be turned into a program as asked."""

    exit_code = 3
    stage = "export"


class NotQuantizedError(ExportError):
    """The converted model is not quantized as the recipe says."""

    stage = "quantize"


class BuildError(ExportError):
    """The native runner could not be built."""

    stage = "build"


class DeviceUnreachable(EdgeqError):
    """The device did not answer, or the link broke; trying again may help."""

    exit_code = 4
    transient = True
    stage = "connect"


class DeadlineError(DeviceUnreachable):
    """The device did not come to an end in time; another attempt would take as long."""

    transient = False


class DeviceBusy(EdgeqError):
    """Another one has the device."""

    exit_code = 4
    stage = "connect"


class HostKeyError(EdgeqError):
    """The device's SSH host key is unknown or has changed."""

    exit_code = 5
    stage = "connect"


class DeviceError(EdgeqError):
    """The device answered, and refused or failed."""

    exit_code = 5
    stage = "device"


class DeployError(DeviceError):
    """A file could not be put on the device whole."""

    stage = "deploy"


class RunnerError(DeviceError):
    """The native runner failed on the device."""

    stage = "run"


class MeasurementError(EdgeqError):
    """Measured, but not usable: outputs off, or too little data."""

    exit_code = 6
    stage = "measure"
