"""What is wrong with settings, in the user's words."""

from typing import Annotated, Literal, Self

import pytest
from pydantic import Field, model_validator

from ground.config import Contradiction, Strict, validate
from ground.errors import ConfigError


class Round(Strict):
    kind: Literal["round"]
    radius: float = 1.0


class Square(Strict):
    kind: Literal["square", "quad"]
    side: int = 1


class Drawing(Strict):
    shapes: dict[str, Annotated[Round | Square, Field(discriminator="kind")]]
    scale: float = 1.0
    limit: float = 9.0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.scale > self.limit:
            raise Contradiction(f"scale {self.scale} is above limit {self.limit}", "Lower scale to 9 or less.")
        return self


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"shapes": {"a": {"kind": "rond"}}}, "field `shapes.a.kind` = 'rond': allowed are round, square, quad."),
        ({"shapes": {"a": {"kind": "rond"}}}, "Did you mean `round`?"),
        ({"shapes": {"a": {"kind": None}}}, "field `shapes.a.kind` = 'None': allowed are round, square, quad."),
        ({"shapes": {"a": {}}}, "field `shapes.a.kind` is missing. Choose from: round, square, quad."),
        ({"shapes": {"a": {"kind": "quad", "radius": 2}}}, "unknown field `shapes.a.radius`. Choose from: kind, side."),
        ({"shapes": {"a": {"kind": "quad", "side": "x"}}}, "field `shapes.a.side` = 'x': Input should be"),
        ({"shapes": {}, "scale": 10}, "drawing: scale 10.0 is above limit 9.0. Lower scale to 9 or less."),
        ({}, "field `shapes` is missing. Add it."),
        ({"shapes": {}, "limt": 1}, "unknown field `limt`. Did you mean `limit`?"),
    ],
)
def test_a_fault_names_its_field_and_what_is_allowed(settings, line):
    with pytest.raises(ConfigError) as caught:
        validate(Drawing, settings, "drawing")
    assert line in str(caught.value)
