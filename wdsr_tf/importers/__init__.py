"""Published weights -> the weights of our layers: one file per project, one function per layout.

A project's function takes the published arrays (`Tensors`) and the network that they are for, and returns
`{layer name: [arrays in the layer's own order]}`; `tensors.land` sets them, every one or none.
"""
