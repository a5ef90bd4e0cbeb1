"""Where a functional model calls a layer."""

import keras


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
    try:
        ends, outputs = model.inputs, model.outputs
    except AttributeError as error:
        raise ValueError(
            "Expected a functional or Sequential model that has been built. "
            f"Received: {model!r}"
        ) from error
    numbers = _calls(ends, outputs).get(id(layer))
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


def _calls(ends, outputs):
    """The numbers of the calls between symbolic tensors, by the `id` of the layer."""
    ends = {id(tensor) for tensor in ends}
    calls, tensors = {}, keras.tree.flatten(outputs)
    while tensors:
        tensor = tensors.pop()
        if id(tensor) in ends:
            continue
        # Keras' record of what computed a symbolic tensor.
        operation, number, _ = tensor._keras_history
        numbers = calls.setdefault(id(operation), set())
        if number not in numbers:
            numbers.add(number)
            tensors += operation._inbound_nodes[number].input_tensors
    return calls
