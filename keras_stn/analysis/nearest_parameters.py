"""The member of a family of transforms that is nearest to a theta."""

import numpy as np
from keras import ops

# Our choice: points to start from in each of three boxes around the identity, and steps
# of Gauss and Newton's method from the nearest of them.
_POINTS = 2048
_BOXES = (0.25, 1.0, np.pi)
_STEPS = 20
# Of the difference quotients, in single precision.
_STEP = 1e-2


def nearest_parameters(family, theta):
    """Finds the parameters whose theta is nearest to a given one.

    A family only says how to go from parameters to theta. This goes back, for families
    of one's own too.

    Args:
        family: A `keras_stn.transforms.Transform`.
        theta: Array of shape `(batch, 2, 3)`.

    Returns:
        float32 array of shape `(batch, num_parameters)`, and the distances that remain,
        of shape `(batch,)`: zero, but for rounding, for a member of the family.
    """
    wanted = np.reshape(theta, (-1, 6)).astype(np.float64)
    count = family.num_parameters
    identity = np.array(family.identity_parameters, np.float64)

    def compute(parameters):
        found = family(ops.convert_to_tensor(parameters, dtype="float32"))
        return ops.convert_to_numpy(found).reshape(-1, 6).astype(np.float64)

    generator = np.random.default_rng(0)
    box = generator.uniform(-1, 1, (_POINTS, count))
    points = np.concatenate([[identity], *(identity + side * box for side in _BOXES)])
    distances = np.linalg.norm(compute(points)[:, None] - wanted, axis=2)
    parameters = points[np.argmin(distances, axis=0)]
    best, smallest = parameters, np.min(distances, axis=0)
    for _ in range(_STEPS):
        offsets = _STEP * np.eye(count)
        slopes = [
            (compute(parameters + offset) - compute(parameters - offset)) / (2 * _STEP)
            for offset in offsets
        ]
        residual = wanted - compute(parameters)
        step = np.linalg.pinv(np.stack(slopes, axis=2)) @ residual[:, :, None]
        parameters = parameters + step[:, :, 0]
        distance = np.linalg.norm(compute(parameters) - wanted, axis=1)
        is_nearer = distance < smallest
        best = np.where(is_nearer[:, None], parameters, best)
        smallest = np.where(is_nearer, distance, smallest)
    return best.astype(np.float32), smallest
