import numpy as np
import pytest

from keras_stn.datasets import lettering
from keras_stn.datasets.lettering import DIGIT_HEIGHT, FONTS, print_text


@pytest.fixture(params=sorted(set(FONTS)))
def font(request, monkeypatch):
    monkeypatch.setattr(lettering, "FONTS", (request.param,))


def test_boxes_hold_the_ink(font):
    text = "1234567890"
    for seed in range(3):
        mask, boxes = print_text(text, np.random.default_rng(seed))
        ink = np.asarray(mask) > 0
        assert boxes.shape == (10, 4)
        # Digits stand apart, from left to right.
        assert (boxes[1:, 0] > boxes[:-1, 2]).all()
        for left, top, right, bottom in boxes:
            columns = slice(int(np.floor(left)), int(np.ceil(right)))
            rows, across = np.nonzero(ink[:, columns])
            # Found in the mask itself, to a pixel and a half on each side.
            assert rows.min() == pytest.approx(top, abs=1.5)
            assert rows.max() + 1 == pytest.approx(bottom, abs=1.5)
            assert across.min() + columns.start == pytest.approx(left, abs=1.5)
            assert across.max() + 1 + columns.start == pytest.approx(right, abs=1.5)
            assert bottom - top == pytest.approx(DIGIT_HEIGHT, rel=0.2)
        # Black all around.
        edge = np.ones_like(ink)
        edge[1:-1, 1:-1] = False
        assert not (ink & edge).any()


def test_every_digit_is_in_every_font(font):
    looks = set()
    for digit in "0123456789":
        mask, _ = print_text(digit, np.random.default_rng(0))
        looks.add(mask.tobytes())
    # A font without them would show the same box for all.
    assert len(looks) == 10


def test_fonts_differ():
    assert (
        len(
            {
                print_text("52", np.random.default_rng(i)).mask.tobytes()
                for i in range(20)
            }
        )
        == 20
    )


def test_missing_fonts(monkeypatch, tmp_path):
    import matplotlib

    monkeypatch.setattr(matplotlib, "get_data_path", lambda: str(tmp_path))
    lettering._font.cache_clear()
    with pytest.raises(FileNotFoundError, match="pip install matplotlib") as caught:
        print_text("7", np.random.default_rng(0))
    assert str(tmp_path) in str(caught.value)
