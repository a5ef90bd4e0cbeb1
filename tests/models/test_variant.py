import pytest

from keras_stn.models import Variant


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cnn", ("cnn", 0)),
        ("stn_c0", ("c", 0)),
        ("stn_c12", ("c", 12)),
        ("stn_sl3", ("sl", 3)),
        ("stn_dl1", ("dl", 1)),
    ],
)
def test_parse(name, expected):
    assert Variant.parse(name, max_depth=12) == expected


@pytest.mark.parametrize(
    "name", ["stn", "stn_c", "stn_x1", "stn_c-1", "stn_c01", "CNN", "", None]
)
def test_parse_rejects_unknown_names(name):
    with pytest.raises(ValueError, match="Unknown variant.*X from 0 to 2"):
        Variant.parse(name, max_depth=2)


def test_parse_says_the_range():
    with pytest.raises(ValueError, match="2 blocks, so X must be from 0 to 2.*stn_sl3"):
        Variant.parse("stn_sl3", max_depth=2)


def test_reads_image():
    assert Variant("c", 0).reads_image
    assert not Variant.parse("cnn", 2).reads_image
    assert not Variant("sl", 1).reads_image
