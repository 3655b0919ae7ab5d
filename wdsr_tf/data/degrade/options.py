"""Checks of a recipe's options."""

from wdsr_tf.errors import InputError, suggestion


def choice(recipe_name, option, given, known):
    if type(given) not in (str, int) or given not in known:
        near = suggestion(given, [name for name in known if isinstance(name, str)])
        raise InputError(f"{recipe_name} has no {option} {given!r}. {near}Choose from {', '.join(map(str, known))}.")
    return known[given]


def check_range(recipe_name, option, given, low, high):
    if type(given) not in (int, float) or not low <= given <= high:
        raise InputError(f"{recipe_name}: {option} must be a number from {low} to {high}, not {given!r}.")


def check_switch(recipe_name, option, given):
    if type(given) is not bool:
        raise InputError(f"{recipe_name}: {option} must be True or False, not {given!r}.")


def check_margin(recipe_name, given):
    if type(given) is not int or given < 0:
        raise InputError(f"{recipe_name}: margin must be a whole number of LR pixels, not {given!r}.")
