import keras
import numpy as np
import pytest

from keras_stn.analysis import alignment_gap, letter, letter_network


def test_an_m_is_a_w_upside_down():
    np.testing.assert_array_equal(letter("M"), np.rot90(letter("W"), 2))
    assert np.any(letter("M") != letter("W"))


@pytest.mark.parametrize(("name", "channel"), [("W", 0), ("M", 1)])
@pytest.mark.parametrize("place", [(0, 0), (5, 9), (12, 11)])
def test_each_letter_has_its_channel(name, channel, place):
    image = np.zeros((1, 20, 21, 1), "float32")
    row, column = place
    image[0, row : row + 7, column : column + 9, 0] = letter(name)
    features = letter_network((20, 21)).predict(image, verbose=0)[0]
    assert features[row + 3, column + 4, channel] == pytest.approx(1, abs=1e-4)
    features[row + 3, column + 4, channel] = 0
    assert features.max() == 0


def test_the_gap_of_half_a_turn_is_the_root_of_two():
    image = np.zeros((1, 19, 19, 1), "float32")
    image[0, 2:9, 1:10, 0] = letter("W")
    half_turn = [[[-1, 0, 0], [0, -1, 0]]]
    gap = alignment_gap(letter_network((19, 19)), "letters", image, half_turn)
    np.testing.assert_allclose(gap, [[np.sqrt(2)], [0]], atol=1e-4)


def test_channels_first(channels_first):
    model = letter_network((11, 13))
    assert model.output_shape == (None, 2, 11, 13)


def test_says_what_is_wrong():
    with pytest.raises(ValueError, match="Received: name='N'"):
        letter("N")
    with pytest.raises(ValueError, match=r"positive.*Received: size=\(0, 4\)"):
        letter_network((0, 4))


def test_saves_and_loads(tmp_path):
    model = letter_network((11, 13))
    model.save(tmp_path / "letters.keras")
    loaded = keras.saving.load_model(tmp_path / "letters.keras")
    image = np.pad(letter("M"), 2)[None, :, :, None]
    found, expected = (one.predict(image, verbose=0) for one in (loaded, model))
    np.testing.assert_allclose(found, expected)


def test_one_integer_for_both_sides():
    assert letter_network(20).input_shape == letter_network((20, 20)).input_shape
