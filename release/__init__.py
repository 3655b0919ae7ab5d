"""How the bundled models are trained, checked for leaks, measured and published: `python -m release.train NAME`."""
