"""A pickle machine that builds plain containers and what its caller allows, and can do nothing else.

Python's unpickler imports and calls whatever a pickle names; even with `find_class` restricted, it allocates whatever
the pickle asks for. This machine imports nothing, knows the opcodes that a checkpoint of tensors needs, and refuses all
others by name.
"""

import pickletools

from wdsr_tf.errors import InputError
from wdsr_tf.importers.formats import limits
from wdsr_tf.importers.formats.inert import Placeholder

MAX_BYTES = 4 * 2**20  # a tensor needs about 200
MAX_OPCODES = 10**6  # each needs up to 150 bytes of memory, and a microsecond or two
MAX_ARGUMENTS = 8  # of a call; PyTorch's functions have up to seven
MAX_KEY = 2**31 - 1  # of a dictionary with integer keys, such as an optimizer's

_MARK = object()
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_ARGUMENTS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES"),
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def load(stream, names, persistent):
    """Runs one pickle, up to its STOP, and returns what it builds. Attributes set on anything are ignored.

    Args:
        stream: A binary stream, whose length the caller bounds.
        names: The globals that the pickle may ask for: "module.name" -> a function, or any other object.
        persistent: A function of a persistent id. Like the functions in `names`, it gets whatever a hostile pickle
            passes.
    """
    machine = _Machine(names, persistent)
    for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
        if count >= MAX_OPCODES:
            raise InputError(f"the pickle has more than {MAX_OPCODES} opcodes, which no supported checkpoint has")
        if opcode.name == "STOP":
            return machine.pop()
        machine.run(opcode.name, argument)


class _Machine:
    def __init__(self, names, persistent):
        self._names = names
        self._persistent = persistent
        self._stack = []
        self._memo = {}

    def run(self, name, argument):
        """Runs one opcode."""
        push = self._stack.append
        match name:
            case "PROTO" | "FRAME":
                pass
            case _ if name in _ARGUMENTS:
                push(argument)
            case _ if name in _CONSTANTS:
                push(_CONSTANTS[name])
            case "BINPUT" | "LONG_BINPUT":
                self._memo[argument] = self._top()
            case "MEMOIZE":
                self._memo[len(self._memo)] = self._top()
            case "BINGET" | "LONG_BINGET":
                if argument not in self._memo:
                    raise InputError("the pickle is damaged: it reads a memo entry that it hasn't written")
                push(self._memo[argument])
            case "MARK":
                push(_MARK)
            case "POP":
                self.pop()
            case "POP_MARK":
                self._pop_to_mark()
            case "EMPTY_TUPLE":
                push(())
            case "TUPLE":
                push(tuple(self._pop_to_mark()))
            case _ if name in _TUPLES:
                items = [self.pop() for _ in range(_TUPLES[name])]
                push(tuple(reversed(items)))
            case "EMPTY_LIST":
                push([])
            case "APPEND":
                self._append([self.pop()])
            case "APPENDS":
                self._append(self._pop_to_mark())
            case "EMPTY_DICT":
                push({})
            case "SETITEM":
                value, key = self.pop(), self.pop()
                set_items(self._top(), [key, value])
            case "SETITEMS":
                items = self._pop_to_mark()
                set_items(self._top(), items)
            case "EMPTY_SET":
                push(Placeholder())
            case "ADDITEMS":
                self._pop_to_mark()
                if type(self._top()) is not Placeholder:
                    raise InputError("the pickle adds items to something other than a set")
            case "FROZENSET":
                self._pop_to_mark()
                push(Placeholder())
            case "GLOBAL":
                push(self._global(argument.replace(" ", ".", 1)))
            case "STACK_GLOBAL":
                member, module = self.pop(), self.pop()
                push(self._global(f"{_string(module)}.{_string(member)}"))
            case "BINPERSID":
                push(self._persistent(self.pop()))
            case "REDUCE" | "NEWOBJ":  # the same here, where every type is a function
                arguments, function = self.pop(), self.pop()
                push(self._call(function, arguments))
            case "BUILD":
                self.pop()
                if type(self._top()) not in (dict, Placeholder):
                    raise InputError("the pickle sets attributes of something other than a dictionary")
            case "INST":
                self._global(argument.replace(" ", ".", 1))
                raise InputError("the pickle uses the opcode INST, which no checkpoint of tensors needs")
            case _:
                raise InputError(f"the pickle uses the opcode {name}, which no checkpoint of tensors needs")

    def pop(self):
        """Removes and returns the topmost object, which must not be a mark."""
        top = self._top()
        self._stack.pop()
        return top

    def _top(self):
        if not self._stack or self._stack[-1] is _MARK:
            raise InputError("the pickle is damaged: its stack is empty")
        return self._stack[-1]

    def _pop_to_mark(self):
        items = []
        while self._stack:
            item = self._stack.pop()
            if item is _MARK:
                return items[::-1]
            items.append(item)
        raise InputError("the pickle is damaged: a mark is missing on its stack")

    def _append(self, items):
        target = self._top()
        if type(target) is not list:
            raise InputError("the pickle appends to something other than a list")
        target.extend(items)

    def _global(self, name):
        if name not in self._names:
            raise InputError(
                f"the pickle asks for {limits.shown(name)}, which is refused for safety: only tensors, numbers, "
                "strings, lists and dictionaries are read. If the file holds a whole model, load it with the code that "
                "made it and save its weights alone: torch.save(model.state_dict(), FILE)"
            )
        return self._names[name]

    def _call(self, function, arguments):
        if not callable(function) or type(arguments) is not tuple:  # callable is only what `names` holds
            raise InputError("the pickle calls something other than a function")
        if len(arguments) > MAX_ARGUMENTS:
            raise InputError(f"the pickle calls a function with more than {MAX_ARGUMENTS} arguments")
        return function(*arguments)


def set_items(target, items):
    """Sets items of a dictionary; keys and values alternate in `items`."""
    if type(target) is not dict or len(items) % 2:
        raise InputError("the pickle sets items of something other than a dictionary")
    keys, values = items[::2], items[1::2]
    # The hash of nested tuples can take forever to compute, and large integers can be made to collide.
    if not all(type(key) is str or (type(key) is int and 0 <= key <= MAX_KEY) for key in keys):
        raise InputError("the pickle has dictionary keys that are neither strings nor small integers")
    target.update(zip(keys, values, strict=True))


def _string(thing):
    if type(thing) is not str:
        raise InputError("the pickle asks for a global whose name isn't a string")
    return thing
