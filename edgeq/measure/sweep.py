"""Which settings of threads and cores are worth trying on a device: from its clusters of cores."""

from collections.abc import Sequence

from edgeq.devices.opening import open_device
from edgeq.devices.probe import Cluster, read_facts
from edgeq.devices.profile import DeviceProfile
from edgeq.errors import InputError
from edgeq.results.sweep import Setting


def find_clusters(profile: DeviceProfile) -> tuple[Cluster, ...]:
    """Clusters of cores as the device itself tells them.

    Raises:
        DeviceUnreachable, DeviceError: as the device says.
    """
    with open_device(profile) as link:
        return read_facts(link, profile).clusters


def plan_settings(
    clusters: Sequence[Cluster], threads: Sequence[int], core_sets: Sequence[tuple[int, ...]]
) -> list[Setting]:
    """The settings to try, each once.

    Args:
        clusters: of the device, asked only for what is not given.
        threads: thread counts; empty for 1, 2, 4, ... up to the cores of a set.
        core_sets: cores to pin to; empty for each cluster, or no pinning on a device of one.

    Raises:
        InputError: fewer than two settings are left, or a core that the device has not.
    """
    all_cores = tuple(cpu for cluster in clusters for cpu in cluster.cpus)
    if missing := [cpu for cores in core_sets for cpu in cores if all_cores and cpu not in all_cores]:
        raise InputError(f"the device has no core {missing[0]}; it has {', '.join(map(str, all_cores))}")
    sets = list(core_sets) or ([cluster.cpus for cluster in clusters] if len(clusters) > 1 else [()])
    settings = [
        Setting(threads=count, cpus=cores)
        for cores in sets
        for count in (threads or _counts(len(cores or all_cores)))
        if not cores or count <= len(cores)
    ]
    settings = list(dict.fromkeys(settings))
    if len(settings) < 2:
        raise InputError(
            "there is only one setting to try: a sweep needs two",
            hint="name them with --threads 1,2,4 and --cpus 0-3",
        )
    return settings


def _counts(cores: int) -> list[int]:
    """Powers of two up to the number of cores, and that number."""
    counts = [1 << power for power in range(max(cores, 1).bit_length()) if 1 << power <= cores]
    return sorted({1, *counts, max(cores, 1)})
