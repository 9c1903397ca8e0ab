from ground.config import merge, suggest, validate
from ground.errors import ConfigError
from pretrain.config import PretrainConfig

REGIONS = {"regions": {"kind": "regions"}}
INPUTS = {"regional": REGIONS, "staged": {**REGIONS, "alike": {"kind": "alike"}}}


def names():
    return ["byol", "mine", "pixcon-sr", "random-init", "regional", "staged"]  # of them Table 1 has three


def resolve(name, overrides):
    if name not in names():
        raise ConfigError(f"recipe `{name}`", "unknown", suggest(name, names()))
    own = {"recipe": name, "initial": name == "random-init", "inputs": INPUTS.get(name, {})}
    return validate(PretrainConfig, merge(own, overrides), f"recipe `{name}`")
