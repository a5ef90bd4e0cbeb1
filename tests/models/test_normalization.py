import pytest

from keras_stn.models.normalization import batch_normalization


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_each_channel_has_statistics_of_its_own(data_format, request):
    request.getfixturevalue(data_format)
    shapes = {"channels_last": (2, 4, 5, 3), "channels_first": (2, 3, 4, 5)}
    for shape, count in ((shapes[data_format], 3), ((2, 7), 7)):
        layer = batch_normalization("norm")
        layer.build(shape)
        assert layer.name == "norm"
        assert {tuple(weight.shape) for weight in layer.weights} == {(count,)}
        assert layer.compute_output_shape(shape) == shape
