DONE = "scenes.json"


def write(root, spec, report):
    (root / "coco" / "train2017").mkdir(parents=True, exist_ok=True)
    (root / "coco" / "train2017" / "1.jpg").write_text("a picture")
    (root / "voc.txt").write_text(f"seed {spec.seed}")
    report(1, 1)
    (root / DONE).write_text("{}")
