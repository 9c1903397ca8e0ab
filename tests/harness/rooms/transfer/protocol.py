from dataclasses import dataclass, field

from ground.errors import ConfigError


@dataclass
class Share:
    given_up: dict[str, str] = field(default_factory=dict)

    @property
    def identity(self):
        return {"given_up": sorted(self.given_up)} if self.given_up else {}


def share(config, *, tool, device):
    if config.processes == 3 and not config.waive:
        raise ConfigError(f"task `{config.name}`", "field `processes` = 3", "Set `processes: 1`.")
    return Share({"batch": f"{config.name} with another batch"} if config.waive else {})
