import pytest


@pytest.fixture(autouse=True)
def in_one_format(channels_last):
    """The models follow Keras' image data format; these tests are for one."""
