"""Published weights -> the weights of our layers, and back: one file per project, one function per layout.

A project's function takes the published arrays (`Tensors`) and the network that they are for, and returns
`{layer name: [arrays in the layer's own order]}`; `tensors.land` sets them, every one or none. `PROJECTS` at the end of
each file says by which names and shapes `recognize.recognize` knows its files. `formats` reads arrays from files,
`import_weights` makes a network of them, `export_weights` writes one, by the same functions.
"""
