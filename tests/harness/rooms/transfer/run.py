import fake_work


def run(config, *, tool, seed, weights, data, out, report):
    recipe, run = out.name.split(".")[1], out.name.split(".")[2].split("-")[0]
    start = f"{seed} {weights.read_text()}"
    number = fake_work.chain(f"{recipe}.{run}", start, config.schedule.iterations, out, report)
    return {"AP": number, "AP50": number + 1, "AP75": number - 1}
