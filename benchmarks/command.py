"""What `harness bench` does: run benchmarks one after the other and write down what they gave."""

from __future__ import annotations

import sys
import time
import traceback
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

from benchmarks import registry, report
from benchmarks.base import Options, Section, say
from benchmarks.report import Failure
from ground.errors import ConfigError, UserError


def bench(options: Namespace) -> int:
    """Run the benchmarks asked for; 1 if one of them failed. The others' numbers are kept, and its rows until then.

    Raises:
        KeyboardInterrupt: by whom it was stopped; what was measured until then is written, and is said to be.
    """
    if options.list:
        width = max(len(name) for name in registry.BENCHMARKS)
        print("\n".join(f"{name:{width}}  {words}" for name, words in registry.BENCHMARKS.items()))
        return 0
    names, asked = registry.chosen(options.names), wanted(options)
    sections: list[Section] = []
    failures: list[Failure] = []
    where = report.machine(asked.device)
    out = report.place(Path(options.out), where, asked)
    for place, name in enumerate(names, 1):
        say(f"[{place}/{len(names)}] {name}: {registry.BENCHMARKS[name]}")
        began, mine = time.monotonic(), replace(asked, begun=[])
        try:
            sections.append(registry.measure_of(name)(mine))
        except KeyboardInterrupt:
            sections += cut_short(mine, "It was stopped")
            if sections or failures:
                options.stopped = _kept(*report.write(out, where, asked, sections, failures))
            raise
        except Exception as error:  # whatever it is, the others are still to be measured
            sections += cut_short(mine, "It failed")
            if not isinstance(error, UserError):
                traceback.print_exc()
            failures.append(Failure(name, " ".join((str(error) or type(error).__name__).split())))
            say(f"{name} failed: {failures[-1].reason}")
        else:
            say(f"{name}: {time.monotonic() - began:.0f} s")
        data, text = report.write(out, where, asked, sections, failures)  # now: what comes after may take hours
        options.stopped = _kept(data, text)
    print(report.markdown(where, asked, sections, failures), end="")
    print(f"written: {data}, {text}", file=sys.stderr)
    return int(bool(failures))


def cut_short(options: Options, why: str) -> list[Section]:
    """The sections of a benchmark that did not come to its end, those that have a row, each with a note of it."""
    found = [section for section in options.begun if section.rows]
    for section in found:
        section.notes.append(f"{why} before its end: more rows, columns or repetitions were to come.")
    return found


def _kept(data: Path, text: Path) -> str:
    """What is said where Ctrl-C stops it."""
    return f"; what was measured until then is written: {data}, {text}"


def wanted(options: Namespace) -> Options:
    """The options as benchmarks take them.

    Raises:
        ConfigError: a recipe that is not there, or nothing like a batch.
        DataError: a folder of photographs that is none, or holds none.
    """
    recipes = tuple(name for text in options.recipes for name in text.split(",") if name)
    _check(recipes, options)
    return Options(
        size=options.size,
        device=options.device,
        repeats=options.repeats,
        seconds=options.seconds,
        official=options.official,
        images=options.images,
        recipes=recipes,
        batches=tuple(options.batch),
        profile=options.profile,
        overrides=tuple(options.overrides),
    )


def _check(recipes: tuple[str, ...], options: Namespace) -> None:
    """Every setting and recipe is one, and so are photographs, before minutes are spent."""
    from harness import profiles
    from pretrain import data

    if options.images is not None:
        data.check([Path(options.images)])
    profile = profiles.load(options.profile, options.overrides)
    for name in recipes or profiles.recipe_names():
        if profile.recipe(name).initial and recipes:
            raise ConfigError(f"--recipes {name}", "this recipe does not train", "Name another.")
