"""Speed, memory and size, each measured by one command: `python -m benchmarks.inference`. Nothing is asserted."""
