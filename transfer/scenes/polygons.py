"""Masks as COCO writes them: polygons along pixel edges, run lengths, boxes. Every conversion is exact."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Vertex = tuple[int, int]
Edge = tuple[int, int, int, int]
"""Corner (x, y) of a pixel and the step (dx, dy) along its side."""


def box(mask: Mask) -> tuple[int, int, int, int]:
    """x, y, width, height of a mask's extent, pixels."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    x, y = int(columns[0]), int(rows[0])
    return x, y, int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y


def run_lengths(mask: Mask) -> list[int]:
    """COCO's uncompressed RLE: lengths of alternating runs of 0 and 1, down the columns, starting with 0."""
    flat = np.concatenate([[False], mask.ravel(order="F")])
    ends = np.flatnonzero(flat[1:] != flat[:-1])
    return np.diff(np.concatenate([[0], ends, [mask.size]])).tolist()  # type: ignore[no-any-return]


def polygons(mask: Mask) -> list[list[int]]:
    """Polygons ``[x0, y0, x1, y1, …]`` whose union is exactly the mask.

    COCO's polygons cannot have holes: a mask with one is cut at a column through it.
    """
    outer: list[list[Vertex]] = []
    for loop in _loops(mask):
        if _twice_area(loop) < 0:
            columns = [x for x, _ in loop]
            cut = (min(columns) + max(columns) + 1) // 2
            left, right = mask.copy(), mask.copy()
            left[:, cut:] = False
            right[:, :cut] = False
            return polygons(left) + polygons(right)
        outer.append(loop)
    return [[coordinate for vertex in loop for coordinate in vertex] for loop in outer]


def _twice_area(loop: list[Vertex]) -> int:
    """Twice the signed area of a closed loop: positive around pixels, negative around holes."""
    following = [*loop[1:], loop[0]]
    return sum(x * v - u * y for (x, y), (u, v) in zip(loop, following, strict=True))


def _loops(mask: Mask) -> list[list[Vertex]]:
    """Closed walks along the pixel edges of a mask with its pixels on the right hand; corners only.

    Where two pixels touch at a corner only, a walk turns right and so stays with its own pixel.
    """
    edges = _edges(mask)
    untaken = dict.fromkeys(edges)
    loops = []
    while untaken:
        start = edge = next(iter(untaken))
        corners = []
        while True:
            del untaken[edge]
            following = _next(edge, edges)
            if following[2:] != edge[2:]:
                corners.append(following[:2])
            edge = following
            if edge == start:
                break
        loops.append(corners)
    return loops


def _edges(mask: Mask) -> dict[Edge, None]:
    padded = np.pad(mask, 1)
    sides = (
        (padded[:-2, 1:-1], (0, 0, 1, 0)),
        (padded[1:-1, 2:], (1, 0, 0, 1)),
        (padded[2:, 1:-1], (1, 1, -1, 0)),
        (padded[1:-1, :-2], (0, 1, 0, -1)),
    )
    return {
        (x + right, y + down, dx, dy): None
        for neighbour, (right, down, dx, dy) in sides
        for y, x in np.argwhere(mask & ~neighbour).tolist()
    }


def _next(edge: Edge, edges: dict[Edge, None]) -> Edge:
    x, y, dx, dy = edge
    x, y = x + dx, y + dy
    right, straight = (x, y, -dy, dx), (x, y, dx, dy)
    if right in edges:
        return right
    return straight if straight in edges else (x, y, dy, -dx)
