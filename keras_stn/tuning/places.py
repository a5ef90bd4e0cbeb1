"""Where a transformer can stand in a classifier, and what can read the map there."""

import contextlib

from keras_stn.ops.arguments import check_choice
from keras_stn.tuning.dimension import declare, standardize_choices

_VARIANTS = ("stn_c", "stn_sl", "stn_dl", "cnn")


class Places:
    """The variants, depths and localisation networks that go together.

    Args:
        shapes: Of the image and of the output of each block, without the batch.
        variant: One or some of `"stn_c"`, `"stn_sl"`, `"stn_dl"` and `"cnn"`.
        depth: One or some depths X, or None for all where something fits.
        fitting_networks: A function from a shape to the names of the localisation
            networks that can read it.

    Raises:
        ValueError: If a choice is unknown, or nothing fits.
    """

    def __init__(self, shapes, variant, depth, fitting_networks):
        asked = standardize_choices(
            "variant",
            variant,
            str,
            lambda kind: check_choice("variant", kind, _VARIANTS),
        )
        with_transformer = [kind for kind in asked if kind != "cnn"]
        self._networks = (
            _networks_at(shapes, depth, fitting_networks) if with_transformer else {}
        )
        self._deep = tuple(depth for depth in self._networks if depth > 0)
        # At X = 0 all variants with a transformer are one network.
        self._deep_kinds = tuple(with_transformer) if self._deep else ()
        self._kinds = (
            *(("stn_c0",) if 0 in self._networks else ()),
            *self._deep_kinds,
            *(("cnn",) if "cnn" in asked else ()),
        )
        self._groups = self._group()

    @property
    def variants(self):
        """All variants that can be drawn, each with one network that fits."""
        found = {"cnn": None} if "cnn" in self._kinds else {}
        for depth, networks in self._networks.items():
            kinds = self._deep_kinds if depth else ("stn_c",)
            found |= {f"{kind}{depth}": networks[0] for kind in kinds}
        return found

    @property
    def has_transformer(self):
        """Whether any variant that can be drawn has a transformer."""
        return self._kinds != ("cnn",)

    def declare(self, hp):
        """Makes variant, depth and localisation known to KerasTuner.

        Args:
            hp: A `keras_tuner.HyperParameters`.
        """
        declare(hp, "variant", self._kinds)
        with self._deep_scope(hp):
            if self._deep:
                declare(hp, "depth", self._deep)
        for depths in self._groups:
            with self._scope_of(hp, depths):
                networks = self._networks[depths[0]]
                declare(hp, self._localization_name(depths[0]), networks)

    def with_transformer(self, hp):
        """The scope of what only a network with a transformer has."""
        return _scope(hp, "variant", set(self._kinds) - {"cnn"}, self._kinds)

    def chosen(self, hp):
        """What a trial's hyperparameters stand for.

        Args:
            hp: A `keras_tuner.HyperParameters`.

        Returns:
            A dict with the name of the variant and, if there is a transformer, that of
            the localisation network.
        """
        kind = hp.get("variant")
        if kind == "cnn":
            return {"variant": "cnn"}
        depth = 0 if kind == "stn_c0" else hp.get("depth")
        return {
            "variant": f"{kind}{depth}" if depth else "stn_c0",
            "localization": hp.get(self._localization_name(depth)),
        }

    def _deep_scope(self, hp):
        return _scope(hp, "variant", self._deep_kinds, self._kinds)

    @contextlib.contextmanager
    def _scope_of(self, hp, depths):
        if len(self._groups) == 1:
            with self.with_transformer(hp):
                yield
        elif depths == (0,):
            with _scope(hp, "variant", ["stn_c0"], self._kinds):
                yield
        else:
            with self._deep_scope(hp), _scope(hp, "depth", depths, self._deep):
                yield

    def _group(self):
        """The depths, together where the same networks fit."""
        if len(set(self._networks.values())) == 1:
            return [tuple(self._networks)]
        groups = {}
        for depth, networks in self._networks.items():
            groups.setdefault((depth == 0, networks), []).append(depth)
        return [tuple(depths) for depths in groups.values()]

    def _localization_name(self, depth):
        """One name a group: in KerasTuner's TensorBoard log a name stands once."""
        if len(self._groups) == 1:
            return "localization"
        group = next(group for group in self._groups if depth in group)
        return "localization_x" + "_".join(map(str, group))


def _scope(hp, name, values, among):
    """Where `name` has one of `values`; no condition where it has no other."""
    if not values or set(values) == set(among):
        return contextlib.nullcontext()
    return hp.conditional_scope(name, [value for value in among if value in values])


def _networks_at(shapes, depth, fitting_networks):
    """For each depth that is searched, the localisation networks that fit."""
    last = len(shapes) - 1
    asked = range(last + 1) if depth is None else depth
    asked = standardize_choices(
        "depth", list(asked) if isinstance(asked, range) else asked, int
    )
    networks = {}
    for x in sorted(asked):
        if not 0 <= x <= last:
            raise ValueError(
                f"The classifier has {last} blocks, so `depth` must be from 0 to "
                f"{last}. Received: depth={depth!r}"
            )
        fitting = tuple(fitting_networks(shapes[x])) if len(shapes[x]) == 3 else ()
        if fitting:
            networks[x] = fitting
        elif depth is not None:
            raise ValueError(
                f"At depth {x} there is nothing to warp or nothing to read it: the "
                f"shape is {shapes[x]}, and none of the localisation networks fits. "
                "Leave this depth out, or add a network that does: 'fcn' reads any map."
            )
    if not networks:
        raise ValueError(
            "None of the localisation networks fits the image or what a block returns; "
            f"the shapes are {shapes}. Add a network that does: 'fcn' reads any map."
        )
    return networks
