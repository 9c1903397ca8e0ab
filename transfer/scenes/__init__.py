"""Generated scenes: synthetic pictures with boxes and masks, in the on-disk layouts of the real data sets.

``write.write`` makes a set, ``check.check`` proves that it agrees with itself, ``draw.scene`` redraws one picture.
``spec``, ``classes`` and ``write`` are light.
"""
