from ground.config import Strict


class SceneSpec(Strict):
    seed: int = 0
