"""Pickles that nobody vouches for, walked one operation at a time: nothing that they name is imported or called.

Python's own `pickle` is not used: it hashes, copies and calls whatever a file asks for. Here each format says what
its names stand for, and `pickletools` reads the operations, which `ACTIONS` below lists. What a class of the file's
own would have made is a `StandIn`: it holds what the file says of the object, and does nothing.
"""

import itertools
import pickletools
from collections.abc import Iterator
from typing import Protocol

from lineage.checkpoints.files import LIMITS, SafeFile
from lineage.errors import UserError, one_line


class Readable(Protocol):
    """What `pickletools` needs of a file."""

    def read(self, size: int, /) -> bytes:
        """So many bytes."""

    def readline(self) -> bytes:
        """A line."""


class _Mark:
    """Where the items of a container begin on the stack."""


class StandIn:
    """What stands for an object that is not made: what it would be made with.

    name: `module attribute` of its class or function; arguments: of the call; state: set afterwards, if any;
    items: of those that are dictionaries or lists, by key or number.
    """

    __slots__ = ("arguments", "items", "name", "state")

    def __init__(self, name: str, arguments: tuple = ()):
        self.name, self.arguments, self.state = name, arguments, None
        self.items: dict | None = None


class Pickle:
    """The stack machine of a pickle: what is on the stack, and what was put aside to be used again.

    A format says in a subclass what the names and references in its pickles stand for.
    """

    def __init__(self, file: SafeFile):
        self.file = file
        self.items: list = []
        self.memo: dict[int, object] = {}
        self._counter = itertools.count(1)

    def named(self, name: str) -> object:
        """What a name (`module attribute`) stands for; raises a UserError if it is none of the format's."""
        raise NotImplementedError

    def called(self, function: object, arguments: tuple) -> object:
        """What stands for the result of a call; raises for a function that is none of the format's."""
        raise NotImplementedError

    def referred(self, reference: tuple) -> object:
        """What stands for something that lies outside of the pickle."""
        raise NotImplementedError

    def value(self, stream: Readable) -> object:
        """The object of the next pickle in a stream.

        Keys of dictionaries other than strings lose their meaning, their values stay.

        Raises:
            UserError: for a pickle that names what the format does not, or is broken.
        """
        try:
            return self._run(pickletools.genops(stream))
        except UserError:
            raise
        except Exception as error:  # pickletools raises many kinds for bytes that are no pickle
            raise UserError(f"{self.file.path}: broken pickle: {one_line(error)}") from None

    def _run(self, operations: Iterator) -> object:
        self.items, self.memo = [], {}
        for operation, argument, _ in operations:
            if (count := next(self._counter)) > LIMITS.operations:
                raise ValueError(f"more than {count - 1:,} operations")
            if operation.name == "STOP":
                return self.items.pop()
            if operation.name in VALUES:
                self.items.append(argument)
            elif operation.name in CONSTANTS:
                self.items.append(CONSTANTS[operation.name]())
            elif operation.name in ACTIONS:
                ACTIONS[operation.name](self, argument)
            else:
                raise ValueError(f"it holds the operation {operation.name}, which no checkpoint needs")
        raise ValueError("the pickle has no end")

    def since_mark(self) -> list:
        """Takes the items above the last mark, and the mark, off the stack."""
        at = len(self.items) - 1
        while not isinstance(self.items[at], _Mark):
            at -= 1
            if at < 0:
                raise ValueError("a container has no beginning")
        found = self.items[at + 1 :]
        del self.items[at:]
        return found

    def take(self, count: int) -> list:
        """Takes so many items off the stack."""
        if len(self.items) < count:
            raise ValueError("the stack is empty")
        found = self.items[len(self.items) - count :]
        del self.items[len(self.items) - count :]
        return found

    def set_items(self, pairs: list) -> None:
        """Fills the dictionary on top with keys and values in turn."""
        self._filled(dict).update(dictionary(pairs))

    def put(self, place: int) -> None:
        """Puts the item on top aside."""
        self.memo[place] = self.items[-1]

    def extend(self, values: list) -> None:
        """Fills the list on top."""
        filled = self._filled(list)
        if isinstance(filled, list):
            filled.extend(values)
        else:
            filled.update({str(number): value for number, value in enumerate(values, len(filled))})

    def _filled(self, kind: type) -> list | dict:
        """The container on top of the stack, or the items of a stand-in for one."""
        top = self.items[-1]
        if isinstance(top, StandIn):
            top.items = {} if top.items is None else top.items
            return top.items
        if not isinstance(top, kind):
            raise ValueError(f"expected a {kind.__name__}")
        return top

    def name_on_stack(self) -> None:
        """Puts what a name stands for, whose two parts are on the stack, there."""
        module, attribute = self.take(2)
        if not isinstance(module, str) or not isinstance(attribute, str) or len(module + attribute) > 1000:
            raise ValueError("expected a name of two parts")
        self.items.append(self.named(f"{module} {attribute}"))

    def call(self, more: int = 0) -> None:
        """Puts what stands for the result of a call on the stack; `more` arguments by name are dropped."""
        function, arguments, *_ = self.take(2 + more)
        if not isinstance(arguments, tuple):
            raise ValueError("expected a tuple of arguments")
        self.items.append(self.called(function, arguments))

    def instance(self, name: str | None) -> None:
        """What stands for an instance, whose class is named or is the first item since the mark."""
        found = self.since_mark()
        kind = self.named(name) if name else found.pop(0)
        self.items.append(self.called(kind, tuple(found)))

    def set_state(self) -> None:
        """Gives a stand-in its state; drops what a dictionary knows beside its items, as a state dict's versions."""
        (state,) = self.take(1)
        top = self.items[-1]
        if isinstance(top, StandIn):
            top.state = state
        elif not isinstance(top, dict):
            raise ValueError("it gives a state to what has none")


def dictionary(pairs: list) -> dict:
    """Keys and values in turn; only strings are hashed, since other keys can be built to take forever."""
    keys = (_key(key) for key in pairs[::2])
    return dict(zip(keys, pairs[1::2], strict=True))


def _key(key: object) -> object:
    if isinstance(key, int) and abs(key) < 2**63:
        return str(int(key))
    return key if isinstance(key, str) else object()


def short(items: object, limit: int = 16) -> tuple:
    """A tuple that is quickly copied; raises for others: a file can use the same long tuple over and over."""
    if not isinstance(items, tuple) or len(items) > limit:
        raise ValueError(f"expected a tuple of at most {limit} items")
    return items


VALUES = {
    *("INT", "LONG", "LONG1", "LONG4", "BININT", "BININT1", "BININT2", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
"""Operations that put their own argument on the stack."""
CONSTANTS = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": list,
    "MARK": _Mark,
}

ACTIONS = {
    "PROTO": lambda stack, _: None,
    "FRAME": lambda stack, _: None,
    "POP": lambda stack, _: stack.take(1),
    "POP_MARK": lambda stack, _: stack.since_mark(),
    "DUP": lambda stack, _: stack.items.append(stack.items[-1]),
    "TUPLE": lambda stack, _: stack.items.append(tuple(stack.since_mark())),
    "TUPLE1": lambda stack, _: stack.items.append(tuple(stack.take(1))),
    "TUPLE2": lambda stack, _: stack.items.append(tuple(stack.take(2))),
    "TUPLE3": lambda stack, _: stack.items.append(tuple(stack.take(3))),
    "LIST": lambda stack, _: stack.items.append(stack.since_mark()),
    "APPEND": lambda stack, _: stack.extend(stack.take(1)),
    "APPENDS": lambda stack, _: stack.extend(stack.since_mark()),
    "DICT": lambda stack, _: stack.items.append(dictionary(stack.since_mark())),
    "SETITEM": lambda stack, _: stack.set_items(stack.take(2)),
    "SETITEMS": lambda stack, _: stack.set_items(stack.since_mark()),
    "PUT": lambda stack, place: stack.put(place),
    "BINPUT": lambda stack, place: stack.put(place),
    "LONG_BINPUT": lambda stack, place: stack.put(place),
    "MEMOIZE": lambda stack, _: stack.put(len(stack.memo)),
    "GET": lambda stack, place: stack.items.append(stack.memo[place]),
    "BINGET": lambda stack, place: stack.items.append(stack.memo[place]),
    "LONG_BINGET": lambda stack, place: stack.items.append(stack.memo[place]),
    "ADDITEMS": lambda stack, _: stack.extend(stack.since_mark()),
    "FROZENSET": lambda stack, _: stack.items.append(stack.since_mark()),
    "GLOBAL": lambda stack, name: stack.items.append(stack.named(name)),
    "STACK_GLOBAL": lambda stack, _: stack.name_on_stack(),
    "INST": lambda stack, name: stack.instance(name),
    "OBJ": lambda stack, _: stack.instance(None),
    "REDUCE": lambda stack, _: stack.call(),
    "NEWOBJ": lambda stack, _: stack.call(),
    "NEWOBJ_EX": lambda stack, _: stack.call(more=1),
    "BUILD": lambda stack, _: stack.set_state(),
    "BINPERSID": lambda stack, _: stack.items.append(stack.referred(short(*stack.take(1)))),
}
"""What each operation of a pickle does to the stack."""
