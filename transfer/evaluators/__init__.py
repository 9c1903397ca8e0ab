"""One evaluator a layout, whichever tool made the predictions.

`transfer.detection.run` calls, by the name of the layout of a detection task:

    measure(config, labels, found) -> dict[str, float]     the task's metrics, in percent
    rows(labels, found) -> list                            what is written of every detection
"""
