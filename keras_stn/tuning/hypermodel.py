"""The search space: where a transformer stands, what it reads and how it learns."""

import keras
import keras_tuner

from keras_stn import transforms
from keras_stn.models import splice, with_localization_rate
from keras_stn.ops.arguments import FILL_MODES, check_choice
from keras_stn.tuning.dimension import (
    Range,
    check_positive,
    declare,
    standardize_choices,
)
from keras_stn.tuning.localization import fits, localization_builders, map_shapes
from keras_stn.tuning.places import Places

# Our choice: one decade and a half around what the training scripts use.
_LEARNING_RATES = Range(3e-4, 1e-2)
# Our choice: around Jaderberg et al.'s 0.1, up to the classifier's own.
_MULTIPLIERS = Range(0.03, 1.0)


class SpatialTransformerHyperModel(keras_tuner.HyperModel):
    """A classifier with a transformer whose place, kind and training are searched for.

    Give it to `keras_tuner.RandomSearch`, `Hyperband` or `BayesianOptimization`. Each
    trial is one model that `keras_stn.models.splice` builds, compiled. A dimension is
    fixed by one value, or searched among the values of a list; those of floats also
    within a `keras_stn.tuning.Range`. The defaults are our choice.

    Only what makes a difference is drawn: at X = 0 the variants are the same network
    and appear as one, `"stn_c0"`; a localisation network is drawn only for maps that it
    fits; the CNN, where it takes part, has no transformer's choices.

    All trials have the dtype policy that is set when the hypermodel is made.

    | hyperparameter | is there |
    |---|---|
    | `variant` | always: `"stn_c0"`, `"stn_c"`, `"stn_sl"`, `"stn_dl"`, `"cnn"` |
    | `depth` | X, for the middle three |
    | `localization`, or `localization_x<X>` where maps differ in what fits them | \
with a transformer |
    | `localization_width`, `transform`, `fill_mode`, `localization_lr_multiplier` | \
with a transformer |
    | `learning_rate` | always |

    Args:
        input_shape: Shape of one image, as for `splice`.
        blocks: A function without arguments that returns new blocks, as `splice` takes
            them: no two trials may share a layer.
        head: A function that returns what follows the last block.
        loss: A Keras loss.
        metrics: A list of Keras metrics or their names.
        variant: Of `"stn_c"`, `"stn_sl"`, `"stn_dl"` and `"cnn"`; by default the first
            three.
        depth: X, the blocks before what the localisation network reads. By default from
            0 to the number of blocks, as far as the output is a map that a localisation
            network fits.
        localization: Names that `keras_stn.models.localization_network` knows, or a
            dict from names of your own to such names or to functions that take the
            shape of a map and a width and return a new Keras layer.
        localization_width: What the filters and units of the localisation network are
            multiplied by.
        transform: Families of transforms: names or `keras_stn.transforms.Transform`.
        fill_mode: The image beyond its edges; see `SpatialTransformer`.
        learning_rate: Its peak, for all weights but those that only theta depends on.
        localization_lr_multiplier: The learning rate of those, relative to it.
            Jaderberg et al. have 0.1.
        optimizer: A function `(learning_rate, hp)` that returns a Keras optimiser. By
            default Adam. It may ask `hp` for dimensions of its own.
        compile_options: A dict of further arguments of `Model.compile`.
        name: Name of the hypermodel.
        tunable: As for `keras_tuner.HyperModel`.
        **splice_options: Further arguments of `splice` and `SpatialTransformer`, such
            as `downsample`, the same for all trials.

    Raises:
        ValueError: If a choice is not as above, or nothing fits.

    Example:

    >>> import keras_tuner
    >>> from keras import layers
    >>> from keras_stn.tuning import SpatialTransformerHyperModel
    >>> hypermodel = SpatialTransformerHyperModel(
    ...     input_shape=(16, 16, 1),
    ...     blocks=lambda: [layers.Conv2D(8, 3, activation="relu")],
    ...     head=lambda: [layers.GlobalAveragePooling2D(), layers.Dense(10)],
    ...     loss="mse",
    ...     variant="stn_sl",
    ...     depth=1,
    ...     learning_rate=0.001,
    ... )
    >>> hp = keras_tuner.HyperParameters()
    >>> model = hypermodel.build(hp)
    >>> hypermodel.choices(hp)["variant"], hypermodel.choices(hp)["localization"]
    ('stn_sl1', 'fcn')

    References:
        - [Finnveden et al., 2020](https://arxiv.org/abs/2001.05858), section 2
        - [Jaderberg et al., 2015](https://arxiv.org/abs/1506.02025), section 4.2
    """

    def __init__(
        self,
        input_shape,
        blocks,
        head,
        loss,
        metrics=None,
        *,
        variant=("stn_c", "stn_sl", "stn_dl"),
        depth=None,
        localization=("fcn", "cnn", "svhn"),
        localization_width=(1.0, 0.5, 2.0),
        transform=("affine", "similarity", "rigid", "attention"),
        fill_mode=("constant", "nearest"),
        learning_rate=_LEARNING_RATES,
        localization_lr_multiplier=_MULTIPLIERS,
        optimizer=None,
        compile_options=None,
        name=None,
        tunable=True,
        **splice_options,
    ):
        super().__init__(name=name, tunable=tunable)
        self._dtype_policy = keras.config.dtype_policy()
        _check_builder("blocks", blocks)
        _check_builder("head", head)
        self.input_shape = tuple(input_shape)
        self.blocks = blocks
        self.head = head
        self.loss = loss
        self.metrics = metrics
        self.optimizer = optimizer or _adam
        self.compile_options = dict(compile_options or {})
        self.splice_options = splice_options
        self._transforms = _transforms_by_label(transform)
        self._builders = localization_builders(localization)
        self._dimensions = {
            "localization_width": _positive("localization_width", localization_width),
            "transform": tuple(self._transforms),
            "fill_mode": standardize_choices(
                "fill_mode",
                fill_mode,
                str,
                lambda choice: check_choice("fill_mode", choice, FILL_MODES),
            ),
            "localization_lr_multiplier": _positive(
                "localization_lr_multiplier", localization_lr_multiplier
            ),
        }
        self._learning_rate = _positive("learning_rate", learning_rate)
        width = self._dimensions["localization_width"][0]
        self._places = Places(
            self._shapes(),
            variant,
            depth,
            lambda shape: [
                name
                for name, build in self._builders.items()
                if fits(build, shape, width)
            ],
        )
        self._check_sizes(width)

    def declare_hyperparameters(self, hp):
        """Makes all dimensions known to KerasTuner, each where it makes a difference.

        Args:
            hp: A `keras_tuner.HyperParameters`.
        """
        self._places.declare(hp)
        declare(hp, "learning_rate", self._learning_rate)
        if not self._places.has_transformer:
            return
        with self._places.with_transformer(hp):
            for name, choices in self._dimensions.items():
                declare(hp, name, choices)

    def build(self, hp):
        """Builds and compiles the model of one trial.

        Args:
            hp: A `keras_tuner.HyperParameters`.

        Returns:
            A functional `keras.Model`, named after its variant, that can be saved and
            loaded wherever `keras_stn` is imported.
        """
        self.declare_hyperparameters(hp)
        choices = self.choices(hp)
        model = self.network(choices)
        model.compile(
            with_localization_rate(
                lambda rate: self.optimizer(rate, hp),
                model,
                choices["learning_rate"],
                choices.get("localization_lr_multiplier", 1.0),
            ),
            loss=self.loss,
            metrics=[_fresh(metric) for metric in self.metrics or ()],
            **self.compile_options,
        )
        # So that Hyperband goes on with the state that it saved with the weights.
        model.optimizer.build(model.trainable_variables)
        return model

    def network(self, choices):
        """Builds the model that some choices describe, not compiled.

        Keras' dtype policy is then what it was when the hypermodel was made.

        Args:
            choices: What `choices` returned.

        Returns:
            A functional `keras.Model`.
        """
        # KerasTuner clears Keras' session before each trial, and the policy with it.
        keras.config.set_dtype_policy(self._dtype_policy)
        options = {}
        if choices["variant"] != "cnn":
            build = self._builders[choices["localization"]]
            width = choices["localization_width"]
            options = {
                "localization": lambda shape: build(shape, width),
                "transform": self._transforms[choices["transform"]],
                "fill_mode": choices["fill_mode"],
            }
        return splice(
            self.input_shape,
            self.blocks(),
            self.head(),
            choices["variant"],
            **options,
            **self.splice_options,
        )

    def choices(self, hp):
        """What a trial's hyperparameters stand for.

        Args:
            hp: A `keras_tuner.HyperParameters`, such as
                `tuner.get_best_hyperparameters()[0]`.

        Returns:
            A dict with the variant as `splice` takes it, for example `"stn_sl1"`, and
            the other choices that this variant has.
        """
        choices = self._places.chosen(hp)
        if choices["variant"] != "cnn":
            choices |= {name: hp.get(name) for name in self._dimensions}
        return choices | {"learning_rate": hp.get("learning_rate")}

    def _shapes(self):
        # `splice` says what is wrong with blocks and head.
        splice(self.input_shape, self.blocks(), self.head(), "cnn")
        return map_shapes(self.input_shape, self.blocks())

    def _check_sizes(self, width):
        """Builds each variant once where the transformer changes the size."""
        if not {"downsample", "output_size"} & self.splice_options.keys():
            return
        for variant, network in self._places.variants.items():
            choices = {
                "variant": variant,
                "localization": network,
                "localization_width": width,
                "transform": self._dimensions["transform"][0],
                "fill_mode": self._dimensions["fill_mode"][0],
            }
            try:
                self.network(choices)
            except ValueError as error:
                raise ValueError(
                    f"'{variant}' cannot be built with {self.splice_options}: {error} "
                    "Leave it out by `variant` or `depth`."
                ) from error


def _check_builder(name, function):
    if not callable(function) or isinstance(function, keras.layers.Layer):
        raise ValueError(
            f"`{name}` must be a function that returns new layers, so that no two "
            f"trials share weights: `lambda: [...]`. Received: {name}={function!r}"
        )


def _adam(learning_rate, hp):
    del hp
    return keras.optimizers.Adam(learning_rate)


def _positive(name, value):
    return standardize_choices(
        name, value, float, lambda number: check_positive(name, number)
    )


def _transforms_by_label(transform):
    """The families by what KerasTuner shows and stores for them."""
    choices = standardize_choices("transform", transform, None)
    families = [(choice, transforms.get(choice)) for choice in choices]
    return {
        choice if isinstance(choice, str) else repr(family): family
        for choice, family in families
    }


def _fresh(metric):
    """A metric without another trial's state."""
    if isinstance(metric, keras.metrics.Metric):
        return type(metric).from_config(metric.get_config())
    return metric
