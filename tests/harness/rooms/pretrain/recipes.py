from ground.config import suggest, validate
from ground.errors import ConfigError
from pretrain.config import PretrainConfig


def names():
    return ["byol", "mine", "pixcon-sr", "random-init"]  # `mine` is in no table


def resolve(name, overrides):
    if name not in names():
        raise ConfigError(f"recipe `{name}`", "unknown", suggest(name, names()))
    own = {"recipe": name, "initial": name == "random-init"}
    return validate(PretrainConfig, {**overrides, **own}, f"recipe `{name}`")
