"""From a TrainingConfig to a run.

config.py        TrainingConfig: the settings with their defaults, bounds and sentences
train.py         train() and find_batch()
trainer.py       compile, restore, and the call of `keras.Model.fit`
run.py           a run's folder: args.txt, models/, log/, history.csv, and the state it resumes from
schedules.py     learning rate as a function of the step
optimizers.py    optimizers by name, with clipping
precision.py     the dtype policy that trains fastest on this machine
adversarial.py   the step of perceptual and adversarial training
objective.py     from a TrainingConfig to the losses and the discriminator of that step
rematerialize.py gradient checkpointing
multi_scale.py   one network trained at several scales
devices.py       several devices, and several processes, that share each batch
resident.py      images in device memory, from which the compiled step cuts its patches
find_batch.py    the largest batch that fits into memory
failures.py      clear errors when memory runs out or another process ends
metrics.py       metrics besides the loss
callbacks.py     progress, checkpoints, and a stop when the loss isn't finite
curve.py         the history of a run as an image
log.py           TensorBoard scalars and panels
samples.py       training patches as images
panels.py        validation images: LR, bicubic, SR and HR side by side
"""
