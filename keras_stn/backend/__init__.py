"""What differs between the TensorFlow, JAX and PyTorch backends of Keras.

Everything else that computes is written with `keras.ops`. These files decide how a
sampler is compiled and differentiated, on which device, how rows are gathered per
image, how complex numbers and zeros are made and batch sizes compared, and what of that
is left out where a graph is rewritten, as in an export. (`datasets` names TensorFlow
where it reads data with it.)
"""

from keras_stn.backend.batch_sizes import assert_same_batch
from keras_stn.backend.compilation import compiled, compiled_in_parts
from keras_stn.backend.complex_numbers import as_complex, matmul
from keras_stn.backend.derivatives import (
    automatic_derivative,
    value_and_derivative,
    with_derivatives,
)
from keras_stn.backend.devices import on_cpu, runs_on_cpu
from keras_stn.backend.indices import (
    LARGEST_COUNT,
    gather_rows,
    stored,
    stored_index,
    to_index,
)
from keras_stn.backend.plain_operations import needs_plain_operations
from keras_stn.backend.zeros import zeros_beside

__all__ = [
    "LARGEST_COUNT",
    "as_complex",
    "assert_same_batch",
    "automatic_derivative",
    "compiled",
    "compiled_in_parts",
    "gather_rows",
    "matmul",
    "needs_plain_operations",
    "on_cpu",
    "runs_on_cpu",
    "stored",
    "stored_index",
    "to_index",
    "value_and_derivative",
    "with_derivatives",
    "zeros_beside",
]
