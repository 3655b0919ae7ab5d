"""Published weights files -> models, and back.

A file passes through these modules in order:

    formats              bytes -> named arrays (`formats.read`)
    recognize            names and shapes -> the models that they fit (`Candidate`), of which one is chosen
    carn, edsr, ...      one module per project or network: its layouts map published names to our layers
    tensors              sets the model's weights: all of them, or none
    import_weights       does all of this and records where the weights came from

A layout is a function that takes the published arrays (`Tensors`) and a model, and returns {layer name: [arrays in the
layer's order]}. `PROJECTS`, at the end of each module, pairs each layout with a function that recognizes its files.
`export_weights` runs the same layouts backwards. `vgg` reads what a perceptual loss compares features
with, which is no model of ours.
"""
