"""Detection: torchvision's parts put together as the paper's detector, and an adapter to detectron2."""
