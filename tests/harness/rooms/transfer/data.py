from ground.errors import DataError


def check(config, root):
    fingerprint(config, root)


def fingerprint(config, root):
    file = root / "voc.txt"
    if not file.exists():
        raise DataError(file, "no such file", "Check --data.")
    return f"voc {file.read_text()}"
