"""The data sets' own on-disk layouts, one module each: where the files lie, what their labels say. Light: no torch.

`transfer.data` calls, by the name that a task's ``layout`` property has:

    check(config, root)                 every list and annotation the task reads; DataError names the first at fault
    fingerprint(config, root) -> str    one hash of what it reads; sound data only

and of a detection task `transfer.detection.run` calls

    load(config, root) -> Labels        images to train on and to test on (`transfer.layouts.record`), and the classes
"""
