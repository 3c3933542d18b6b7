"""Measured comparisons: `make bench`. Every figure stands beside a named baseline of the same run."""
