import fake_work


def run(config, *, seed, inputs, folders, out, report):
    start = f"{seed} {config.model_dump_json()} {fake_work.read(inputs)}"
    number = fake_work.chain(config.kind, start, 4, out, report)
    (out / f"{config.kind}.txt").write_text(f"{number}")
    (out / "seen.txt").write_text(f"{len(folders)} folder")
    return {"found": number}
