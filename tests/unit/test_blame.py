"""What accounts for a change, and how a comparison reads in a terminal and in a comment."""

from msgspec.structs import replace
from runs import DEVICE, make_run

from edgeq.report.comparison import comparison_sections, headline, render_comment
from edgeq.report.text import render_text
from edgeq.results.compare import compare_runs
from edgeq.results.records import Failure, Missing, Operator, Series

WALL = replace(DEVICE, profile="pi5", kind="hardware", clock="wall")


def pair_of(base, new):
    (pair,) = compare_runs([base], [new]).pairs
    return pair


def with_operators(run, *rows):
    made = [
        Operator(
            name=kernel.partition(" (")[0],
            kernel=kernel,
            module=module,
            delegated=not kernel.startswith("portable"),
            precision=precision,
            count=1,
            total=total,
            unit="insn",
        )
        for kernel, module, precision, total in rows
    ]
    return replace(run, operators=tuple(made))


def failed(stage="outputs", **changes):
    error = Failure(stage=stage, kind="MeasurementError", message="outputs are off")
    return make_run(status="failed", error=error, **changes)


def test_layers_are_blamed_by_module_largest_first_with_what_changed():
    base = with_operators(
        make_run(latency=(80_000.0,)),
        ("Convolution (NHWC, QC8) IGEMM #1", "stem", "int8", 20_000.0),
        ("Fully Connected (NC, QS8, QC8W) GEMM #1", "head", "int8", 10_000.0),
        ("Mean (ND) #1", None, "unknown", 4_000.0),
    )
    new = with_operators(
        make_run(latency=(120_000.0,)),
        ("Convolution (NHWC, QC8) IGEMM #1", "stem", "int8", 21_000.0),
        ("Convert (NC) #1", None, "unknown", 2_000.0),
        ("Fully Connected (NC, F32) GEMM #1", "head", "fp32", 50_000.0),
        ("portable mean.out", None, "unknown", 9_000.0),
    )
    comparison = compare_runs([base], [replace(new, artifact=replace(new.artifact, sha256="ff" * 32))])
    blame = comparison.pairs[0].blame
    assert [(each.name, each.delta) for each in blame] == [
        ("head", 40_000.0),
        ("portable mean.out", 9_000.0),
        ("Mean (ND) #1", -4_000.0),
        ("Convert (NC) #1", 2_000.0),
        ("stem", 1_000.0),
    ]
    assert blame[0].notes == ("int8 -> fp32",)
    assert [each.notes for each in blame[1:4]] == [("new",), ("gone",), ("new",)]
    assert "most of all head +40 k insn (int8 -> fp32)" in headline(comparison)
    assert "head +40 k insn (int8 -&gt; fp32) and 4 more</summary>" in render_comment(comparison)


def test_without_modules_kernels_are_aligned_by_name_and_order():
    def run(*rows):
        return with_operators(
            make_run(), *((kernel, None, precision, total) for kernel, precision, total in rows)
        )

    base = run(
        ("Fully Connected (NC, QS8, QC8W) GEMM #1", "int8", 10_000.0),
        ("Fully Connected (NC, QS8, QC8W) GEMM #2", "int8", 20_000.0),
        ("Mean (ND) #1", "unknown", 1_000.0),
    )
    new = run(
        ("Fully Connected (NC, QS8, QC8W) GEMM #1", "int8", 10_000.0),
        ("Fully Connected (NC, F32) GEMM #1", "fp32", 45_000.0),
        ("Mean (ND) #1", "unknown", 1_000.0),
    )
    (blame,) = pair_of(base, new).blame
    assert (blame.name, blame.module, blame.delta) == (
        "Fully Connected (NC, QS8, QC8W) GEMM #2",
        None,
        25_000.0,
    )
    assert blame.notes == ("int8 -> fp32",)


def test_a_kernel_that_leaves_the_delegate_is_named_even_if_it_costs_the_same():
    row = ("mean.out", None, "unknown", 1_000.0)
    base = with_operators(make_run(), row)
    new = replace(base, operators=(replace(base.operators[0], delegated=False),))
    (blame,) = pair_of(base, new).blame
    assert (blame.delta, blame.notes) == (0.0, ("left the delegate",))


def test_a_run_that_was_not_traced_says_so():
    untraced = make_run(operators=Missing(missing="not asked for"))
    blame = pair_of(make_run(), untraced).blame
    assert blame == Missing(missing="the new run has no operators: not asked for")


def test_a_comment_begins_with_the_verdict_and_folds_what_passed():
    base = [make_run("fp32"), make_run("int8", latency=(100_000.0,))]
    new = [make_run("fp32"), make_run("int8", latency=(150_000.0,))]
    comment = render_comment(compare_runs(base, new))
    first, *rest = comment.splitlines()
    assert first.startswith("**edgeq: Regression: digits.int8 on virt-pi5: instructions +50.0% (limit 1%)")
    assert "<details><summary>digits.fp32 on virt-pi5: no regression</summary>" in rest
    assert "### digits.int8 on virt-pi5: regressed" in rest
    assert comment.count("<details>") == comment.count("</details>")


def test_hostile_names_stay_text_in_a_comment():
    name = "</summary><script>alert(1)</script>|`x`\n# top"
    comment = render_comment(compare_runs([make_run(name=name)], [failed(name=name)]))
    assert "<script>" not in comment
    assert "\n# top" not in comment
    passed = render_comment(compare_runs([make_run(name=name)], [make_run(name=name)]))
    assert "<script>" not in passed
    assert "&lt;script&gt;" in passed


def test_the_word_emulated_stands_by_counts_and_latency_does_not():
    base, new = make_run(latency=(100_000.0,)), make_run(latency=(150_000.0,))
    text = render_text(comparison_sections(compare_runs([base], [new])))
    assert "instructions per inference (emulated), median" in text
    assert "latency" not in text


def test_a_wall_clock_says_slower_with_its_interval():
    def run(level):
        values = tuple(level * (1 + 0.001 * (i % 7)) for i in range(100))
        series = Series(name="latency", unit="s", phase="measured", values=values, source="test")
        return make_run(device=WALL, series=(series,))

    text = render_text(comparison_sections(compare_runs([run(1e-3)], [run(1.2e-3)])))
    assert "REGRESSED (slower)" in text
    assert "+20.0% (+1" in text
    assert "emulated" not in text
