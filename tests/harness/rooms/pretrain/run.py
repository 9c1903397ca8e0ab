import fake_work


def run(config, *, seed, folders, out, report):
    number = fake_work.chain(config.recipe, f"{config.recipe} {seed}", config.train.epochs, out, report)
    (out / "backbone.safetensors").write_text(f"{number}")
    if config.initial:
        return {}
    collapsed = (fake_work.control() / f"collapse.{config.recipe}").exists()
    return {"loss": number, "feature_std": 0.01 if collapsed else 0.9}
