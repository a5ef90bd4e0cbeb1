import keras
import pytest


@pytest.fixture(autouse=True)
def channels_last():
    """The models follow Keras' image data format; these tests are for one."""
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_last")
    yield
    keras.config.set_image_data_format(before)
