"""Pickles that nobody vouches for, walked one operation at a time: nothing that they name is imported or called.

Python's own `pickle` is not used: it hashes, copies and calls whatever a file asks for. Here each format says what
its names stand for, and `pickletools` reads the operations, which `ACTIONS` below lists.
"""

import io
import pickletools
from collections.abc import Iterator

from lineage.checkpoints.files import SafeFile
from lineage.errors import UserError, one_line


class _Mark:
    """Where the items of a container begin on the stack."""


class Pickle:
    """The stack machine of a pickle: what is on the stack, and what was put aside to be used again.

    A format says in a subclass what the names and references in its pickles stand for.
    """

    def __init__(self, file: SafeFile):
        self.file = file
        self.items: list = []
        self.memo: dict[int, object] = {}

    def named(self, name: str) -> object:
        """What a name (`module attribute`) stands for; raises a UserError if it is none of the format's."""
        raise NotImplementedError

    def called(self, function: object, arguments: tuple) -> object:
        """What stands for the result of a call; raises for a function that is none of the format's."""
        raise NotImplementedError

    def referred(self, reference: tuple) -> object:
        """What stands for something that lies outside of the pickle."""
        raise NotImplementedError

    def value(self, stream: io.BytesIO) -> object:
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
        for operation, argument, _ in operations:
            if operation.name == "STOP":
                return self.items.pop()
            if operation.name in VALUES:
                self.items.append(argument)
            elif operation.name in CONSTANTS:
                self.items.append(CONSTANTS[operation.name]())
            elif operation.name in ACTIONS:
                ACTIONS[operation.name](self, argument)
            elif operation.name in ("STACK_GLOBAL", "EXT1", "EXT2", "EXT4", "NEWOBJ_EX", "OBJ"):
                raise UserError(
                    f"{self.file.path}: its pickle names what it would call only when run ({operation.name}); "
                    "nothing was executed; ask for safetensors"
                )
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
        if not isinstance(self.items[-1], dict):
            raise ValueError("expected a dictionary")
        self.items[-1].update(dictionary(pairs))

    def put(self, place: int) -> None:
        """Puts the item on top aside."""
        self.memo[place] = self.items[-1]

    def extend(self, values: list) -> None:
        """Fills the list on top."""
        if not isinstance(self.items[-1], list):
            raise ValueError("expected a list")
        self.items[-1].extend(values)

    def call(self) -> None:
        """Puts what stands for the result of a call on the stack."""
        function, arguments = self.take(2)
        self.items.append(self.called(function, short(arguments)))

    def instance(self, name: str) -> None:
        """Raises, with the name of what would be made."""
        self.named(name)
        raise ValueError(f"it would make an instance of {name}")

    def drop_state(self) -> None:
        """Drops what a container knows beside its items, such as the versions in a state dict."""
        self.take(1)
        if not isinstance(self.items[-1], dict):
            raise ValueError("it gives a state to what has none")


def dictionary(pairs: list) -> dict:
    """Keys and values in turn; only strings are hashed, since other keys can be built to take forever."""
    keys = (key if isinstance(key, str) else object() for key in pairs[::2])
    return dict(zip(keys, pairs[1::2], strict=True))


def short(items: object, limit: int = 16) -> tuple:
    """A tuple that is quickly copied; raises for others: a file can use the same long tuple over and over."""
    if not isinstance(items, tuple) or len(items) > limit:
        raise ValueError(f"expected a tuple of at most {limit} items")
    return items


VALUES = {
    *("INT", "LONG", "LONG1", "LONG4", "BININT", "BININT1", "BININT2", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}
"""Operations that put their own argument on the stack."""
CONSTANTS = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
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
    "GLOBAL": lambda stack, name: stack.items.append(stack.named(name)),
    "INST": lambda stack, name: stack.instance(name),
    "REDUCE": lambda stack, _: stack.call(),
    "NEWOBJ": lambda stack, _: stack.call(),
    "BUILD": lambda stack, _: stack.drop_state(),
    "BINPERSID": lambda stack, _: stack.items.append(stack.referred(short(*stack.take(1)))),
}
"""What each operation of a pickle does to the stack."""
