"""Models x full-size images -> a ranking. `evaluate` puts it together:

datasets.py  finds the images
networks.py  finds the models
measure.py   measures a model on the images
metrics.py   PSNR, SSIM, MS-SSIM and the protocols
columns.py   all metrics that a ranking can have, and which of them ranks
niqe.py, gmsd.py, consistency.py  the metrics that don't depend on a protocol
report.py    the ranking as a table, bench.json and CSV
"""
