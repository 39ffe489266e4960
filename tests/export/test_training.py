"""The recipe int8-qat: the workload's train() on a rounding model, and what is refused."""

from dataclasses import replace

import pytest
import torch
from networks import export, make_workload
from torch import nn
from torchao.quantization.pt2e import FakeQuantizeBase, disable_fake_quant, enable_fake_quant

from edgeq.compile.quantization.overrides import apply_overrides
from edgeq.compile.quantization.training import _trace_for_training, _train, prepare_training
from edgeq.compile.recipe import Histogram, Override, extend_recipe, find_recipe
from edgeq.compile.sources import hash_sources
from edgeq.compile.subject import open_subject
from edgeq.errors import RecipeError, WorkloadError

IMAGE = (1, 2, 6, 6)


def make_model() -> nn.Module:
    """A convolution with an odd batch norm and a clamp, one without, and a classifier."""
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4, eps=0.1, momentum=0.3), nn.ReLU6(),
        nn.Dropout(0.2), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3),
    )  # fmt: skip
    nn.init.constant_(model[1].running_var, 0.01)
    return model


def batches(count: int):
    """Noise whose class is where its mean is highest."""
    for _ in range(count):
        images = torch.randn(32, 2, 6, 6)
        labels = torch.randint(0, 3, (32,))
        images[torch.arange(32), :, 2 * labels] += 2
        yield images, labels


def train(model: nn.Module) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for images, labels in batches(30):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()


def train_to_nan(model: nn.Module) -> None:
    model(torch.ones(4, 2, 6, 6))
    model.get_parameter("0.weight").data.fill_(torch.nan)
    model(torch.ones(4, 2, 6, 6))


def evaluate(predict):
    torch.manual_seed(3)
    images, labels = next(batches(1))
    right = [int(predict(image[None]).argmax()) == label for image, label in zip(images, labels, strict=True)]
    return {"top1": sum(right) / len(right)}


def workload(**functions):
    return make_workload(make_model, IMAGE, **{"train": train, "evaluate": evaluate, **functions})


@pytest.fixture(scope="module")
def trained():
    return export(workload(), "int8-qat")


def test_every_layer_is_int8(trained):
    layers = [layer for layer in trained.manifest.layers if layer.kind != "batch_norm"]
    assert [(layer.module, layer.kind, layer.got) for layer in layers] == [
        ("0", "conv2d", "int8"),
        ("4", "conv2d", "int8"),
        ("7", "linear", "int8"),
    ]
    assert trained.manifest.delegation.left_out == ()


def test_program_is_the_trained_one(trained):
    accuracy = trained.manifest.accuracy
    assert accuracy.eager["top1"] < 0.6
    assert accuracy.host["top1"] > 0.8
    assert accuracy.host == accuracy.converted


def test_recipe_in_the_manifest_trains_the_same_program_again(trained, monkeypatch, tmp_path):
    monkeypatch.setenv("EDGEQ_CACHE", str(tmp_path))
    again = export(workload(), str(trained.folder))
    assert again.folder != trained.folder
    assert again.program.read_bytes() == trained.program.read_bytes()


@pytest.fixture(scope="module")
def prepared():
    """A model ready for training, without rounding."""
    subject = open_subject(workload())
    program = _trace_for_training(subject, print)
    plan = apply_overrides(program, find_recipe("int8-qat"))
    module = prepare_training(program, plan)
    module.apply(disable_fake_quant)
    return subject, module


def test_without_rounding_the_prepared_model_is_the_model(prepared):
    """Its batch norms keep their own epsilon and momentum, which PT2E does not keep; dropout goes off."""
    subject, module = prepared
    images, _ = next(batches(1))
    with torch.no_grad():
        expected = subject.module.eval()(images)
        assert torch.allclose(module.eval()(images), expected, atol=1e-5)
        torch.manual_seed(1)
        expected = subject.module.train()(images)
        torch.manual_seed(1)
        assert torch.allclose(module.train()(images), expected, atol=1e-4)
    mean = dict(module.named_buffers())["1.running_mean"]
    assert torch.allclose(mean, subject.module[1].running_mean, atol=1e-5)


def test_rounding_is_behind_the_clamp(prepared):
    (clamp,) = (node for node in prepared[1].graph.nodes if "hardtanh" in str(node.target))
    assert "batch_norm" in str(clamp.args[0].target)
    assert next(iter(clamp.users)).op == "call_module"


def test_workload_without_train_is_refused_before_the_model_is_made():
    def model():
        raise AssertionError

    with pytest.raises(WorkloadError, match=r"brings no train\(\)") as caught:
        export(make_workload(model, IMAGE), "int8-qat")
    assert "train(model)" in caught.value.hint


def test_training_that_did_not_happen_is_refused(prepared):
    subject, module = prepared
    module.apply(enable_fake_quant)
    for function, complaint in ((lambda _: None, "ran nothing through"), (train_to_nan, "NaN or infinite")):
        for fake in (each for each in module.modules() if isinstance(each, FakeQuantizeBase)):
            fake.activation_post_process.reset_min_max_vals()
        trained = replace(subject, workload=replace(subject.workload, train=function))
        with pytest.raises(WorkloadError, match=complaint):
            _train(trained, module, print)


def test_other_training_is_another_artifact():
    def key(function):
        return hash_sources(workload(train=function))

    assert key(train) == key(train)
    assert key(train) != key(train_to_nan)


@pytest.mark.parametrize(
    ("base", "changes", "complaint"),
    [
        ("int8-dynamic", {"training": True}, "its activations are dynamic"),
        ("int8-qat", {"observer": Histogram()}, "too slow"),
        ("int8-qat", {"equalize": True}, "trains and equalizes"),
        ("int8-qat", {"overrides": [Override(module="0", observer=Histogram())]}, "too slow"),
    ],
)
def test_recipe_that_cannot_train_is_refused(base, changes, complaint):
    with pytest.raises(RecipeError, match=complaint):
        extend_recipe(base, name="mine", **changes)
