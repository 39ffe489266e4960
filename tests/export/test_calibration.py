"""Bad calibration data are refused or flagged by name; honest data are not."""

import numpy as np
import pytest
import torch
from networks import EXAMPLES, make_workload
from sklearn.datasets import load_sample_images
from torch import nn

from edgeq.compile.calibration.calibrate import survey_calibration
from edgeq.compile.calibration.doubts import REMEMBERED, open_inquiry
from edgeq.compile.recipe import find_recipe
from edgeq.compile.subject import open_subject
from edgeq.errors import CalibrationError
from edgeq.workload.loader import load_workload

SIZE = 64
IMAGE = (1, 3, SIZE, SIZE)


def crops() -> list[torch.Tensor]:
    """Real images, (1, 3, 64, 64) from 0 to 1."""
    found = []
    for image in load_sample_images().images:
        for top in range(0, 384, 2 * SIZE):
            for left in range(0, 512, 2 * SIZE):
                crop = image[top : top + SIZE, left : left + SIZE].transpose(2, 0, 1)[None]
                found.append(torch.from_numpy(np.ascontiguousarray(crop, np.float32) / 255))
    return found


IMAGES = crops()


def warnings_of(samples, example=None, channels=3):
    """The warnings about `samples`, beside an example that is a real image unless it is given."""
    example = IMAGES[3] if example is None else example
    workload = make_workload(
        lambda: nn.Flatten(), inputs=lambda: (example,), calibration=lambda: ((s,) for s in samples)
    )
    return survey_calibration(open_subject(workload), find_recipe("int8")).inquiry.warnings()


def codes(samples, example=None):
    return [warning.code for warning in warnings_of(samples, example)]


def interleave(image: torch.Tensor) -> torch.Tensor:
    """The bytes of NHWC taken for NCHW."""
    return image.permute(0, 2, 3, 1).reshape(image.shape)


def noise(count=8, shape=IMAGE):
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(shape, generator=generator) for _ in range(count)]


def test_honest_images_raise_no_doubt():
    assert codes(IMAGES) == []


@pytest.mark.parametrize(
    "workload", ["digits", "linear.py", "mobilenet_v2.py", "transformer_block.py"], ids=lambda name: name
)
def test_honest_workloads_raise_no_doubt(workload):
    loaded = load_workload(str(EXAMPLES / workload) if workload.endswith(".py") else workload)
    survey = survey_calibration(open_subject(loaded), find_recipe("int8"))
    assert survey.inquiry.warnings() == ()
    assert survey.inquiry.samples >= 24


@pytest.mark.parametrize("factor", [1 / 8, 1 / 3, 3, 8])
def test_images_darker_or_brighter_than_the_example_raise_no_doubt(factor):
    assert codes([image * factor for image in IMAGES]) == []


def test_example_like_one_of_very_different_samples_raises_no_doubt():
    loud = [image * 10**power for image, power in zip(IMAGES, np.linspace(-3, 1, len(IMAGES)), strict=True)]
    assert codes(loud, loud[0]) == codes(loud, loud[-1]) == []


@pytest.mark.parametrize("example", [torch.zeros(IMAGE), torch.rand(IMAGE)], ids=["zeros", "noise"])
def test_honest_images_beside_a_made_up_example_raise_no_doubt(example):
    assert codes(IMAGES, example) == []


@pytest.mark.parametrize(("factor", "word"), [(255.0, "larger"), (1 / 255, "smaller")])
def test_scale_that_differs_by_255_is_flagged(factor, word):
    (warning,) = warnings_of([image * factor for image in IMAGES])
    assert warning.code == "calibration-scale"
    assert word in warning.message
    assert warning.facts["input"] == "input"
    assert 16 < warning.facts["factor"] < 255 * 4


def test_normalized_images_of_bytes_are_flagged_for_scale():
    mean, deviation = (
        torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    honest = [(image - mean) / deviation for image in IMAGES]
    assert codes(honest, honest[3]) == []
    assert codes([(image * 255 - mean) / deviation for image in IMAGES], honest[3]) == ["calibration-scale"]


def test_interleaved_colours_in_a_planar_shape_are_flagged():
    (warning,) = warnings_of([interleave(image) for image in IMAGES])
    assert warning.code == "calibration-layout"
    assert "permute(0, 3, 1, 2)" in warning.message
    assert warning.facts["interleaving"] > 1 > warning.facts["example_interleaving"]


def test_channels_last_shape_is_refused_with_the_way_to_turn_it():
    with pytest.raises(
        CalibrationError, match=r"expected float32\[1, 3, 64, 64\], got float32\[1, 64, 64, 3\]"
    ) as caught:
        codes([image.permute(0, 2, 3, 1) for image in IMAGES])
    assert "permute(0, 3, 1, 2)" in caught.value.hint


def test_empty_set_is_refused():
    with pytest.raises(CalibrationError, match="gave no samples"):
        codes([])


@pytest.mark.parametrize(("value", "name"), [(float("nan"), "NaN"), (float("inf"), "infinity")])
def test_value_that_is_not_finite_is_refused(value, name):
    broken = IMAGES[1].clone()
    broken[0, 0, 0, 0] = value
    with pytest.raises(CalibrationError, match=f"calibration sample 1: input 'input' holds {name}"):
        codes([IMAGES[0], broken])


def test_single_sample_is_flagged():
    assert codes(IMAGES[:1]) == ["calibration-single"]


def test_few_samples_are_flagged():
    assert codes(IMAGES[:4]) == ["calibration-few"]
    assert codes(IMAGES[:5]) == []


def test_one_sample_again_and_again_is_flagged_as_constant():
    assert codes(IMAGES[:1] * 8) == ["calibration-constant"]
    assert codes([torch.zeros(IMAGE)] * 8) == ["calibration-constant"]


def test_samples_of_one_value_each_are_flagged_as_flat():
    assert codes([torch.full(IMAGE, 0.1 * step) for step in range(1, 8)]) == ["calibration-flat"]


def test_repeated_samples_are_counted_and_flagged():
    (warning,) = warnings_of([*IMAGES[:8], *IMAGES[:4]])
    assert warning.code == "calibration-duplicates"
    assert (warning.facts["duplicates"], warning.facts["samples"]) == (4, 12)
    assert codes([*IMAGES, IMAGES[0]]) == []


@pytest.mark.parametrize("example", [None, torch.rand(IMAGE)], ids=["image", "noise"])
def test_noise_in_the_shape_of_images_is_flagged(example):
    assert codes(noise(), example) == ["calibration-random"]
    assert codes([2 * each - 1 for each in noise()], example) == ["calibration-random"]


def test_noise_beside_a_sound_is_flagged_and_beside_noise_is_not():
    time = torch.linspace(0, 60, 4000)
    assert codes(noise(8, (1, 4000)), torch.sin(time)[None]) == ["calibration-random"]
    assert codes(noise(8, (1, 4000)), torch.rand(1, 4000)) == []
    assert codes([torch.sin(time * pitch)[None] for pitch in range(1, 9)], torch.sin(time)[None]) == []


def test_memory_of_the_inquiry_does_not_grow_with_the_set():
    example = torch.rand(1, 4)
    inquiry = open_inquiry(["x"], [example])
    for index in range(REMEMBERED + 1000):
        inquiry.seen.add(index.to_bytes(8)) if index < REMEMBERED else inquiry.add(
            [example], index.to_bytes(8)
        )
    assert len(inquiry.seen) == REMEMBERED
    assert inquiry.samples == 1000


def test_progress_is_told_of_every_sample():
    told = []
    workload = make_workload(
        nn.Flatten, inputs=lambda: (IMAGES[0],), calibration=lambda: ((i,) for i in IMAGES)
    )
    survey_calibration(open_subject(workload), find_recipe("int8"), lambda *step: told.append(step))
    assert [done for _, done, _ in told] == list(range(1, len(IMAGES) + 1))
