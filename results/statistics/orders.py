"""What numbers of another scale can say about the paper: whether methods differ the way it says. Never that a value
was reproduced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from results.statistics import ALPHA
from results.statistics.contrasts import Difference, holm
from results.statistics.estimates import shared_gap
from results.statistics.verdicts import Claim, shared_std

State = Literal["same direction", "opposite direction", "inconclusive", "paper cannot tell", "not run"]


@dataclass(frozen=True)
class Direction:
    """A method against the baseline, here and in the paper."""

    state: State
    """``inconclusive``: the paper tells them apart, we cannot."""
    ours: float | None
    """Method less baseline, in points."""
    published: float
    p_published: float | None
    """Of the paper's own difference, from its printed means and std, after Holm over the column."""
    runs: int | None
    """Runs of each method with which ours would be told apart, if it is as observed."""
    assumptions: tuple[str, ...] = ()


def directions(baseline: str, differences: Sequence[Difference], claims: Mapping[str, Claim]) -> dict[str, Direction]:
    """Of a column: every method with a claim but the baseline; empty if the paper has no baseline here.

    The paper's differences are tested with the std pooled over its column.
    """
    if baseline not in claims:
        return {}
    theirs, shared = {name: each.estimate for name, each in claims.items()}, _shared(claims)
    others = [name for name in claims if name != baseline]
    gaps = {name: shared_gap(theirs[name], theirs[baseline], *shared) for name in others} if shared else {}
    corrected = holm({name: gaps[name].p if gaps else None for name in others})
    ours = {each.method: each for each in differences}
    found = {}
    for name in others:
        published = theirs[name].mean - theirs[baseline].mean
        assumptions = tuple(dict.fromkeys((*claims[baseline].assumptions, *claims[name].assumptions)))
        own, p = ours.get(name), corrected[name]
        if own is None:
            found[name] = Direction("not run", None, published, p, None, assumptions)
            continue
        state = _state(own, published, p)
        runs = own.runs if state == "inconclusive" else None
        found[name] = Direction(state, own.difference, published, p, runs, assumptions)
    return found


def _shared(claims: Mapping[str, Claim]) -> tuple[float, float] | None:
    """The std of the paper's column and its df: pooled over it, or what was borrowed, which is pooled already."""
    borrowed = [each.estimate for each in claims.values() if each.borrowed]
    return shared_std(borrowed[:1] or [each.estimate for each in claims.values()])


def _state(ours: Difference, published: float, p: float | None) -> State:
    if p is None or p >= ALPHA:
        return "paper cannot tell"
    if ours.state not in {"higher", "lower"}:
        return "inconclusive"
    return "same direction" if (ours.difference > 0) == (published > 0) else "opposite direction"
