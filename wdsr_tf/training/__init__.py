"""The training room: what `train.py` says in flags, turned into a run.

run.py           a run's directory: args.txt, models/, log/, history.csv, and the state that it resumes from
schedules.py     learning rate as a function of the step
optimizers.py    optimizers by name, with clipping
rematerialize.py computes again what a step does not store, for less memory
metrics.py       what is watched beside the loss
callbacks.py     what happens at the end of an epoch: progress, checkpoints, a stop when the loss is not finite
trainer.py       puts these together around `keras.Model.fit`
"""
