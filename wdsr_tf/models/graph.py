"""What a network is made of, in the order in which it runs."""

import keras


def graph_nodes(model):
    """The calls of layers that the output needs, each behind those whose results it takes; no auxiliary outputs."""
    graph = keras.Function(model.inputs[0], model.outputs[0])
    nodes = [node for _, level in sorted(graph._nodes_by_depth.items(), reverse=True) for node in level]
    return [node for node in nodes if not node.is_input]
