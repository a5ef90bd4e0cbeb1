"""The error for data that are not what they should be."""


def damaged(origin, expected, received):
    """Makes the error for a file that is damaged or holds something else.

    Args:
        origin: The file or directory.
        expected: What it should hold.
        received: What it holds.

    Returns:
        A `ValueError`.
    """
    return ValueError(
        f"{origin} is damaged or holds something else. Expected {expected}. Received: "
        f"{received}. Replace it by a fresh copy, or delete it to use another source."
    )
