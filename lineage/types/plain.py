"""Dataclasses that come from plain values and go back to them, as in YAML and in the params of a rule."""

from dataclasses import fields, is_dataclass
from types import UnionType
from typing import Any, Self, get_args, get_origin, get_type_hints


class Plain:
    """A frozen, keyword-only dataclass whose fields are plain values, tuples of them, or such dataclasses.

    A field that is None stands for a key that is absent.
    """

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """The instance of a dict; lists become tuples, and dicts the dataclasses that the fields' types name."""
        types = get_type_hints(cls)
        return cls(**{key: _typed(types.get(key), value) for key, value in values.items()})

    def plain(self) -> dict[str, Any]:
        """The dict that `of` turns into an equal instance, with no more keys than that needs."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {key: _plain(value) for key, value in values.items() if value is not None}


def _typed(wanted: Any, value: Any) -> Any:
    if isinstance(value, dict):
        if get_origin(wanted) is dict:
            _, of_values = get_args(wanted)
            return {key: _typed(of_values, item) for key, item in value.items()}
        options = get_args(wanted) if isinstance(wanted, UnionType) else (wanted,)
        (kind,) = (option for option in options if is_dataclass(option) or get_origin(option) is dict)
        return kind.of(value) if is_dataclass(kind) else _typed(kind, value)
    return tuple(value) if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Plain):
        return value.plain()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value
