from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ground.config import Contradiction, Strict, not_identity, validate


class Input(Strict):
    version: int = 1
    threads: int = 1
    device: Literal["auto", "cpu", "cuda"] = not_identity("auto")
    needs: ClassVar = ()
    pretrained: ClassVar = {}

    def check_pretrained(self, role, pretrained, data):
        if pretrained.data != data:
            raise Contradiction(f"{role} of `{pretrained.recipe}` are of {pretrained.data}", f"Take {data}.")


class Regions(Input):
    kind: Literal["regions"]
    number: int = 3
    device: Literal["cpu"] = not_identity("cpu")


class Alike(Input):
    kind: Literal["alike"]
    needs: ClassVar = ("regions",)
    pretrained: ClassVar = {"weights": "regional"}


AnyInput = Annotated[Regions | Alike, Field(discriminator="kind")]


class One(Strict):
    input: AnyInput


def resolve(settings, where):
    return validate(One, {"input": settings}, where).input
