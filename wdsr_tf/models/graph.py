"""The layers of a network in execution order."""

import keras


def graph_nodes(model: keras.Model) -> list:
    """Returns the layer calls that the output depends on, in execution order. Auxiliary outputs are left out."""
    # Keras has no public way to walk the nodes of a Function.
    graph = keras.Function(model.inputs[0], model.outputs[0])
    nodes = [node for _, level in sorted(graph._nodes_by_depth.items(), reverse=True) for node in level]
    return [node for node in nodes if not node.is_input]
