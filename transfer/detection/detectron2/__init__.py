"""Detection through detectron2: its config, loop, data pipeline, checkpoints and evaluators, and the little around
them that makes a run a function of its seed."""
