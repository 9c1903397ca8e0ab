def choose(config):
    return "torchvision"


def version(tool):
    return f"{tool} 0"
