"""Where a functional model calls a layer."""

from typing import Any, NamedTuple

import keras


class Call(NamedTuple):
    """What computed a symbolic tensor, from Keras' record.

    Attributes:
        operation: The layer, model or operation.
        number: Which of its calls it was.
        index: Which of its outputs the tensor is.
        sources: The symbolic tensors that it was called on; none for an input.
    """

    operation: Any
    number: int
    index: int
    sources: list


def call_of(tensor):
    """The `Call` that computed a symbolic tensor."""
    operation, number, index = tensor._keras_history
    sources = operation._inbound_nodes[number].input_tensors
    return Call(operation, number, index, sources)


def first_call(model, layer):
    """Finds the first call of a layer among those that a model is made of.

    `layer.input` and `layer.output` are those of the first call of all, which may
    belong to another model that shares the layer.

    Args:
        model: A functional or Sequential model that has been built.
        layer: One of its layers.

    Returns:
        The symbolic inputs, in the structure that the layer is called on, and the
        symbolic outputs: one tensor, or a list of several.

    Raises:
        ValueError: If the model is another one, or does not call the layer.
    """
    inputs, outputs = ends(model)
    numbers = _calls(inputs, outputs)[0].get(id(layer))
    if not numbers:
        raise ValueError(
            f"Expected a layer that the model '{model.name}' calls itself. Received: "
            f"the layer '{layer.name}', which it does not call on the way from its "
            "inputs to its outputs."
        )
    node = layer._inbound_nodes[min(numbers)]
    arguments = [*node.arguments.args, *node.arguments.kwargs.values()]
    outputs = node.outputs
    return arguments[0], outputs[0] if len(outputs) == 1 else outputs


def inputs_of(model, tensor):
    """Finds which of a model's inputs a symbolic tensor is computed from.

    Args:
        model: A functional or Sequential model that has been built.
        tensor: A symbolic tensor of it.

    Returns:
        A list of the positions in `model.inputs`, in their order.

    Raises:
        ValueError: If the model is another one, or the tensor is not computed from its
            inputs alone.
    """
    inputs, _ = ends(model)
    reached, others = _calls(inputs, tensor)[1:]
    if others:
        raise ValueError(
            f"Expected a tensor that is computed from the inputs of the model "
            f"'{model.name}'. Received one that needs '{others[0]}'. That of a model "
            "within the model belongs to the inner one: give that one instead, "
            "`model.get_layer(...)`."
        )
    return [index for index, one in enumerate(inputs) if id(one) in reached]


def ends(model):
    """The symbolic inputs and outputs of a model, two lists.

    Raises:
        ValueError: If it is not functional, or a Sequential one that is not built.
    """
    try:
        return model.inputs, model.outputs
    except (AttributeError, ValueError) as error:
        raise ValueError(
            "Expected a functional or Sequential model that has been built. "
            f"Received: {model!r}"
        ) from error


def _calls(inputs, outputs):
    """What lies between symbolic tensors.

    Returns:
        The numbers of the calls of each layer, by its `id`; the `id`s of the inputs
        that are reached; and the names of other inputs that are.
    """
    starts = {id(tensor) for tensor in inputs}
    calls, reached, others = {}, set(), []
    tensors = keras.tree.flatten(outputs)
    while tensors:
        tensor = tensors.pop()
        if id(tensor) in starts:
            reached.add(id(tensor))
            continue
        call = call_of(tensor)
        numbers = calls.setdefault(id(call.operation), set())
        if call.number not in numbers:
            numbers.add(call.number)
            if not call.sources:
                others.append(call.operation.name)
            tensors += call.sources
    return calls, reached, others
