import fake_work


def run(config, *, seed, folders, out, report, inputs, cache):
    start = f"{config.recipe} {seed}{fake_work.read(inputs)}"
    number = fake_work.chain(config.recipe, start, config.train.epochs, out, report)
    (out / "backbone.safetensors").write_text(f"{number}")
    if config.initial:
        return {}
    collapsed = (fake_work.control() / f"collapse.{config.recipe}").exists()
    return {"loss": number, "feature_std": 0.01 if collapsed else 0.9}
