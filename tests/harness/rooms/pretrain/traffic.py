from types import SimpleNamespace


def of(config):
    layer = SimpleNamespace(parameters=0, work=1.0, norm=0)
    return SimpleNamespace(
        backbone=(layer,),
        heads=(),
        targets=(),
        student=(1.0,),
        teacher=(),
        views=2,
        directions=1,
        synchronised=False,
        gatherings=(),
    )


def work(config):
    return 1e10
