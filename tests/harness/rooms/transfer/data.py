from ground.errors import DataError


def check(config, root):
    fingerprint(config, root)


def check_root(root):
    if not root.is_dir():
        raise DataError(root, "no such folder", "Set the data root.")


def fingerprint(config, root):
    file = root / {"voc_detection": "voc.txt"}.get(config.name, f"{config.name}.txt")
    if not file.exists():
        raise DataError(file, "no such file", "Check --data.")
    return f"voc {file.read_text()}"


def counts(config, root):
    counts.calls += 1
    return {"VOC2007/test": len((root / "voc.txt").read_text())}


counts.calls = 0


def unofficial(layout, counted):
    """The set is whole unless its list is that of a part."""
    return [f"{layout} {name} has {number} images of 4952" for name, number in counted.items() if number == len("part")]
