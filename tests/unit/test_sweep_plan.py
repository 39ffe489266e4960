"""Which settings a sweep tries."""

import pytest

from edgeq.devices.probe import Cluster
from edgeq.errors import InputError
from edgeq.measure.sweep import plan_settings
from edgeq.results.sweep import Setting


def cluster(*cpus):
    return Cluster(name="Cortex-A76", cpus=cpus, max_hz=None, features=())


def test_device_of_one_cluster_is_swept_over_threads_without_pinning():
    settings = plan_settings([cluster(0, 1, 2, 3)], (), ())
    assert settings == [Setting(threads=1), Setting(threads=2), Setting(threads=4)]


def test_device_of_two_clusters_is_swept_on_each():
    settings = plan_settings([cluster(0, 1, 2, 3), cluster(4, 5, 6)], (), ())
    assert [(each.threads, each.cpus[0]) for each in settings] == [
        (1, 0), (2, 0), (4, 0), (1, 4), (2, 4), (3, 4),
    ]  # fmt: skip


def test_asked_threads_and_cores_are_taken_as_they_are_where_they_fit():
    settings = plan_settings([cluster(0, 1, 2, 3)], (1, 4), [(0,), (0, 1, 2, 3)])
    assert settings == [
        Setting(threads=1, cpus=(0,)),
        Setting(threads=1, cpus=(0, 1, 2, 3)),
        Setting(threads=4, cpus=(0, 1, 2, 3)),
    ]


@pytest.mark.parametrize(
    ("threads", "cores", "said"), [((1,), (), "only one setting"), ((), [(0, 9)], "has no core 9")]
)
def test_sweep_that_has_nothing_to_compare_or_no_such_core_is_refused(threads, cores, said):
    with pytest.raises(InputError, match=said):
        plan_settings([cluster(0, 1, 2, 3)], threads, cores)
