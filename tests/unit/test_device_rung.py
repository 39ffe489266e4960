"""The last rung of the accuracy ladder: scored on the device, or missing for the true reason."""

from edgeq.agreement import Rung
from edgeq.measure.device import score_device
from edgeq.results.records import Accuracy, Closeness

NOT_YET = {"missing": "not run on a device yet"}
NO_EVALUATE = {"missing": "the workload has no evaluate()"}
SCORES = {"top1": 0.9}


def ladder(rung):
    return Accuracy(eager=rung, converted=rung, host=rung, device=NOT_YET)


def test_what_the_device_scored_is_its_rung():
    closeness = Closeness(samples=10, source="evaluate", sqnr_db=30.0)
    scored = score_device(ladder(SCORES), Rung({"top1": 0.8}, closeness))
    assert scored.device == {"top1": 0.8}
    assert scored.agreement == {"device": closeness}


def test_workload_that_cannot_be_scored_says_so_on_the_device_too():
    assert score_device(ladder(NO_EVALUATE), None).device == NO_EVALUATE


def test_device_that_was_not_asked_says_that_it_was_not():
    assert score_device(ladder(SCORES), None).device == NOT_YET
