from keras_stn.datasets.damage import damaged


def test_says_what_was_expected_and_what_to_do():
    error = damaged("numbers.npz", "ten images", "nine")
    assert isinstance(error, ValueError)
    assert str(error) == (
        "numbers.npz is damaged or holds something else. Expected ten images. "
        "Received: nine. Replace it by a fresh copy, or delete it to use another "
        "source."
    )
