import keras_tuner
import pytest

from keras_stn.tuning import Range
from keras_stn.tuning.dimension import check_positive, declare, standardize_choices


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (2, int, (2,)),
        ("a", str, ("a",)),
        (["a", "b", "a"], str, ("a", "b")),
        ((1, 0.5), float, (1.0, 0.5)),
        (Range(0.1, 1), float, Range(0.1, 1)),
    ],
)
def test_standardize_choices(value, kind, expected):
    standardized = standardize_choices("rate", value, kind)
    assert standardized == expected
    assert type(standardized) is type(expected)


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        ([], int, "Expected a int"),
        (1.5, int, "Received: rate=1.5"),
        (True, int, "Received: rate=True"),
        (["a", 1], str, "Expected a str"),
        (Range(1, 2), int, "Only learning rates"),
        (Range(1, 1), float, "to a larger one"),
        (Range(0, 1), float, "to a larger one"),
        (Range("a", 1), float, "Invalid range"),
    ],
)
def test_rejects(value, kind, message):
    with pytest.raises(ValueError, match=message):
        standardize_choices("rate", value, kind)


@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan")])
def test_check_positive(value):
    with pytest.raises(ValueError, match="Expected positive numbers"):
        check_positive("rate", value)


def test_declare():
    hp = keras_tuner.HyperParameters()
    declare(hp, "range", Range(0.01, 1.0))
    declare(hp, "fixed", ("a",))
    declare(hp, "choice", (3, 1))
    kinds = {entry.name: type(entry).__name__ for entry in hp.space}
    assert kinds == {"range": "Float", "fixed": "Fixed", "choice": "Choice"}
    assert hp.values == {"range": 0.01, "fixed": "a", "choice": 3}
    # Half of a logarithmic range lies below its geometric mean.
    draws = [hp.space[0].random_sample(seed) for seed in range(200)]
    assert 70 < sum(draw < 0.1 for draw in draws) < 130
