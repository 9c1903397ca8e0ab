from typing import Literal

from ground.config import Strict, not_identity


class Schedule(Strict):
    iterations: int = 4


class Model(Strict):
    backbone: str = "resnet10_w32"


class TaskConfig(Strict):
    name: str
    version: int = 1
    runs: int = not_identity(2)
    metrics: tuple[str, ...] = ("AP", "AP50", "AP75")
    threads: int = 1
    processes: int = not_identity(1)
    waive: tuple[str, ...] = not_identity(())
    device: Literal["auto", "cpu", "cuda"] = not_identity("auto")
    schedule: Schedule = Schedule()
    model: Model = Model()
    tool: str = not_identity("auto")

    @property
    def layout(self):
        return "voc"

    @property
    def tools(self):
        return ("torchvision",)
