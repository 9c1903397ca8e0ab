from typing import Literal

from ground.config import Strict, later, not_identity
from pretrain.inputs import AnyInput


class Train(Strict):
    epochs: int = 4
    batch: int = not_identity(64)
    threads: int = 1
    workers: int = not_identity(0)
    device: Literal["auto", "cpu", "cuda"] = not_identity("auto")


class Model(Strict):
    backbone: str = "resnet10_w32"


class PretrainConfig(Strict):
    recipe: str
    title: str = not_identity("")
    source: str = not_identity("a toy")
    version: int = 1
    data: Literal["coco", "coco+"] = "coco"
    initial: bool = False
    inputs: dict[str, AnyInput] = later({})
    model: Model = Model()
    train: Train = Train()
