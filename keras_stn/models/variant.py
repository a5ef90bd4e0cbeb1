"""The names of the variants."""

import re
from typing import NamedTuple


class Variant(NamedTuple):
    """Where a transformer stands in a classifier and what its localisation reads.

    Attributes:
        kind: `"cnn"` (no transformer), `"c"` (reads and warps the map after block
            `depth`), `"sl"` (reads that map, warps the input, shares the blocks) or
            `"dl"` (the same with its own copy of the blocks).
        depth: X, the number of blocks before the localisation network.
    """

    kind: str
    depth: int = 0

    @classmethod
    def parse(cls, name, max_depth):
        """Reads the name of a variant.

        Args:
            name: `"cnn"`, `"stn_c0"`, `"stn_c<X>"`, `"stn_sl<X>"` or `"stn_dl<X>"`.
            max_depth: The number of blocks of the classifier.

        Returns:
            A `Variant`.

        Raises:
            ValueError: If the name is not one of these, or X exceeds `max_depth`.

        Example:

        >>> from keras_stn.models import Variant
        >>> Variant.parse("stn_sl1", max_depth=2)
        Variant(kind='sl', depth=1)
        """
        if name == "cnn":
            return cls("cnn")
        match = re.fullmatch(r"stn_(c|sl|dl)(0|[1-9]\d*)", str(name))
        if match is None:
            raise ValueError(
                "Unknown variant. Expected 'cnn', 'stn_c<X>', 'stn_sl<X>' or "
                f"'stn_dl<X>' with X from 0 to {max_depth}. Received: variant={name!r}"
            )
        depth = int(match[2])
        if depth > max_depth:
            raise ValueError(
                f"The classifier has {max_depth} blocks, so X must be from 0 to "
                f"{max_depth}. Received: variant={name!r}"
            )
        return cls(match[1], depth)

    @property
    def reads_image(self):
        """Whether the localisation network reads the image itself."""
        return self.kind != "cnn" and self.depth == 0
