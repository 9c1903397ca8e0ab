from ground.config import suggest, validate
from ground.errors import ConfigError
from pretrain.config import PretrainConfig


def names():
    return ["byol", "pixcon-sr", "random-init"]


def resolve(name, overrides):
    if name not in names():
        raise ConfigError(f"recipe `{name}`", "unknown", suggest(name, names()))
    return validate(PretrainConfig, {**overrides, "recipe": name}, f"recipe `{name}`")
