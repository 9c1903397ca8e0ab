"""Anyone's weights in and out: read without executing anything, recognised by their names, checked, written back.

``backbone`` fills a network from our own file, ``importing`` makes one of ours from a foreign one.
"""

from transfer.weights.backbone import load_backbone
from transfer.weights.importing import Imported, imported, write

__all__ = ["Imported", "imported", "load_backbone", "write"]
