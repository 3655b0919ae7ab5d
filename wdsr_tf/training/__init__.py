"""The training room: what `train.py` says in flags, turned into a run.

run.py           a run's directory: args.txt, models/, log/, history.csv, and the state that it resumes from
schedules.py     learning rate as a function of the step
optimizers.py    optimizers by name, with clipping
rematerialize.py computes again what a step does not store, for less memory
devices.py       several devices, and several processes, that share each batch
resident.py      pictures in the device's memory, from which the compiled step cuts its patches
find_batch.py    the largest batch that fits into memory
failures.py      a sentence for a training that memory or another process ends
metrics.py       what is watched beside the loss
callbacks.py     what happens at the end of an epoch: progress, checkpoints, a stop when the loss is not finite
curve.py         the history of a run as a picture
log.py           what TensorBoard shows
panels.py        what the network makes of a few validation pictures
trainer.py       puts these together around `keras.Model.fit`
"""
