"""Job documents that every runner refuses: changes to a good one, with what the refusal names."""

# `...` leaves the key out.
BAD_JOBS = (
    ({"speed": 3}, "unknown job key 'speed'"),
    ({"agreement": {"window": 3, "spread": 0.1, "kind": 1}}, "unknown job key 'agreement.kind'"),
    ({"agreement": {"window": 3}}, "'spread' is missing"),
    ({"agreement": {"window": 1, "spread": 0.1}}, "'agreement.window'"),
    ({"agreement": {"window": 3, "spread": -0.1}}, "'agreement.spread'"),
    ({"agreement": 3}, "'agreement'"),
    ({"schema": ...}, "'schema' is missing"),
    ({"schema": 2}, "'schema'"),
    ({"pass": ...}, "'pass' is missing"),
    ({"pass": "power"}, "'pass'"),
    ({"program": ...}, "'program' is missing"),
    ({"program": 3}, "'program'"),
    ({"inputs": ...}, "'inputs' is missing"),
    ({"inputs": None}, "'inputs'"),
    ({"threads": 0}, "'threads'"),
    ({"threads": 1.5}, "'threads'"),
    ({"threads": "1"}, "'threads'"),
    ({"threads": 2**64 - 1}, "'threads'"),
    ({"cpus": 0}, "'cpus'"),
    ({"cpus": [-1]}, "'cpus'"),
    ({"warmup": -1}, "'warmup'"),
    ({"iterations": [0, 1]}, "'iterations'"),
    ({"iterations": [5, 1]}, "'iterations'"),
    ({"iterations": 5}, "'iterations'"),
    ({"seconds": [2.0, 1.0]}, "'seconds'"),
    ({"seconds": [0, "60"]}, "'seconds'"),
    ({"deadline": 0}, "'deadline'"),
    ({"pass": "outputs"}, "'outputs'"),
    ({"pass": "operators"}, "'etdump'"),
)

# Texts, a byte a letter, that are no job at all.
NO_JOBS = ("", "{", "[]", "null", "{}", "[" * 100_000, '{"schema": 1e999}', "\xff\xfe")
