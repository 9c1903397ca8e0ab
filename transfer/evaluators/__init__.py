"""One evaluator a metric, whichever tool made the predictions."""
