"""A pickle machine that builds plain containers and what its caller allows, and can do nothing else.

Python's unpickler imports what a pickle names and calls it; fenced in, it still takes memory as the pickle says. This
one imports nothing, knows the opcodes that a checkpoint of tensors needs, and refuses all others by name.
"""

import pickletools

from wdsr_tf.errors import InputError
from wdsr_tf.importers.formats import limits

MAX_BYTES = 4 * 2**20  # a tensor takes some 200
MAX_OPCODES = 10**6  # each takes up to some 150 bytes of memory, and a microsecond or two
MAX_ARGUMENTS = 8  # of a call; PyTorch's functions take up to seven
MAX_KEY = 2**31 - 1  # of a dictionary that is keyed by integers, as an optimizer's is

_MARK = object()
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_ARGUMENTS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINSTRING", "SHORT_BINSTRING"),
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def load(stream, names, persistent):
    """Runs one pickle of a binary stream, up to its STOP, and returns what it builds.

    `names` are the globals that it may ask for, "module.name" -> a function of ours, or any other object of ours;
    `persistent` makes an object of a persistent id. Both get whatever a hostile pickle puts there. The caller bounds
    the stream. Attributes that a pickle sets on a dictionary are left out.
    """
    machine = _Machine(names, persistent)
    for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
        if count >= MAX_OPCODES:
            raise InputError(
                f"the pickle has more than {MAX_OPCODES} opcodes: no checkpoint of a network has that many"
            )
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
                    raise InputError("the pickle is damaged: it fetches what it has not kept")
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
            case "GLOBAL":
                push(self._global(argument.replace(" ", ".", 1)))
            case "STACK_GLOBAL":
                member, module = self.pop(), self.pop()
                push(self._global(f"{_string(module)}.{_string(member)}"))
            case "BINPERSID":
                push(self._persistent(self.pop()))
            case "REDUCE":
                arguments, function = self.pop(), self.pop()
                push(self._call(function, arguments))
            case "BUILD":
                self.pop()
                if type(self._top()) is not dict:
                    raise InputError("the pickle sets attributes of something that is no dictionary")
            case "INST":
                self._global(argument.replace(" ", ".", 1))
                raise InputError("the pickle makes an instance by the opcode INST, which no checkpoint needs")
            case _:
                raise InputError(f"the pickle uses the opcode {name}, which no checkpoint of tensors needs")

    def pop(self):
        """The topmost object, which is no mark."""
        top = self._top()
        self._stack.pop()
        return top

    def _top(self):
        if not self._stack or self._stack[-1] is _MARK:
            raise InputError("the pickle is damaged: it takes what it has not put there")
        return self._stack[-1]

    def _pop_to_mark(self):
        items = []
        while self._stack:
            item = self._stack.pop()
            if item is _MARK:
                return items[::-1]
            items.append(item)
        raise InputError("the pickle is damaged: it takes all down to a mark that is not there")

    def _append(self, items):
        target = self._top()
        if type(target) is not list:
            raise InputError("the pickle appends to something that is no list")
        target.extend(items)

    def _global(self, name):
        if name not in self._names:
            raise InputError(
                f"the pickle asks for {limits.shown(name)}, which is refused: only tensors, numbers, strings, lists "
                "and dictionaries are read. If the file holds a whole model, load it where its class is known and save "
                "its weights alone: torch.save(model.state_dict(), FILE)"
            )
        return self._names[name]

    def _call(self, function, arguments):
        if not callable(function) or type(arguments) is not tuple:  # callable is only what `names` holds
            raise InputError("the pickle calls something that is no function")
        if len(arguments) > MAX_ARGUMENTS:
            raise InputError(f"the pickle calls a function with more than {MAX_ARGUMENTS} arguments")
        return function(*arguments)


def set_items(target, items):
    """Sets keys and values, which alternate in `items`, in a dictionary."""
    if type(target) is not dict or len(items) % 2:
        raise InputError("the pickle sets items of something that is no dictionary")
    keys, values = items[::2], items[1::2]
    # The hash of a tuple of tuples can take for ever to compute, and large integers can be made to collide.
    if not all(type(key) is str or (type(key) is int and 0 <= key <= MAX_KEY) for key in keys):
        raise InputError("the pickle has dictionary keys that are neither strings nor small integers")
    target.update(zip(keys, values, strict=True))


def _string(thing):
    if type(thing) is not str:
        raise InputError("the pickle asks for a global whose name is no string")
    return thing
