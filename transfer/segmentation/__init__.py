"""Segmentation through mmsegmentation: a task as its config, and what the harness asks of a run beyond its runner.

Only `run` may be imported before `stub.install` was called.
"""
