from ground import fingerprint as files
from ground.errors import DataError


def folders(config, root):
    return [root / "coco" / "train2017"]


def images(folder):
    return sorted(folder.rglob("*.jpg"))


def check(image_folders):
    for folder in image_folders:
        if not folder.is_dir():
            raise DataError(folder, "no such image folder", "Check --data.")
    return sum(len(list(folder.iterdir())) for folder in image_folders)


def fingerprint(image_folders):
    check(image_folders)
    return "+".join(files.fingerprint(folder, folder.iterdir()) for folder in image_folders)
