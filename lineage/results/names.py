"""Numbers that names carry: `fc-probe-32`, `5 candidates`, `gap 2`."""

import re

FORMS = {
    "probe": re.compile(r"(?P<base>.+)-probe-(?P<number>\d+)"),
    "candidates": re.compile(r"(?P<number>\d+) candidates"),
    "gap": re.compile(r"gap (?P<number>\d+)"),
}


def number_in(name: str, kind: str) -> int | None:
    """The number in a name of that kind; None if the name is of another.

    Args:
        name: an experiment's (kind `probe`) or a condition's (`candidates`, `gap`).
        kind: a key of FORMS.
    """
    found = FORMS[kind].fullmatch(name)
    return int(found["number"]) if found else None


def differs_in_probe(experiment: str) -> bool:
    """Whether an experiment scores another's models with another probe: `fc-probe-32`, `fc-probe-noise`."""
    return "-probe-" in experiment


def without_probe(experiment: str) -> str:
    """The name that experiments share which differ in their probe."""
    found = FORMS["probe"].fullmatch(experiment)
    return found["base"] if found else experiment


def root_of(model: str) -> str:
    """The root that a model descends from: ids begin with their parent's, `p3.full.002`."""
    return model.partition(".")[0]


def in_numbers(name: str) -> tuple:
    """What names are sorted by, so that p10 comes after p9."""
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name))
