"""The file of SVHN's archives that holds the boxes of the digits."""

import math
import re

# What reading a damaged file may raise.
DAMAGED = (
    OSError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    RuntimeError,
    OverflowError,
)


def read_boxes(path):
    """Reads the names and boxes of images.

    Args:
        path: A `pathlib.Path`, a MATLAB 7.3 file, which is one of HDF5, in the layout
            of SVHN's `digitStruct.mat`.

    Yields:
        The number of an image, and its digits: for each the label, 10 for the digit 0,
        and `(left, top, right, bottom)` in pixels.

    Raises:
        One of `DAMAGED`: If the file is damaged or holds something else.
    """
    import h5py

    with h5py.File(path, "r") as file:
        names = file["digitStruct/name"][()].ravel()
        groups = file["digitStruct/bbox"][()].ravel()
        for name, group in zip(names, groups, strict=True):
            name = "".join(map(chr, file[name][()].ravel()))
            number = re.fullmatch(r"(\d+)\.png", name)
            if number is None:
                raise ValueError(f"{name!r} in place of the name of a png")
            box = file[group]
            columns = [
                _field(file, box[key])
                for key in ("label", "left", "top", "width", "height")
            ]
            digits = list(zip(*columns, strict=True))
            for label, *edges in digits:
                if label not in range(1, 11) or not all(map(math.isfinite, edges)):
                    raise ValueError(
                        f"the label {label} with the box {edges} in {name}"
                    )
            yield (
                int(number[1]),
                [
                    (int(label), (left, top, left + width, top + height))
                    for label, left, top, width, height in digits
                ],
            )


def _field(file, dataset):
    """One number for each digit: itself if there is one digit, else by reference."""
    import h5py

    values = dataset[()].ravel()
    if h5py.check_ref_dtype(dataset.dtype):
        return [file[reference][()].item() for reference in values]
    return values.tolist()
