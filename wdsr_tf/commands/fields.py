"""Flags from the fields of a config, and the config's values from the flags."""

import dataclasses
from collections.abc import Mapping

from wdsr_tf.commands.flags import setting
from wdsr_tf.training.config import flag_name, kind_of


def define(flags, config_class):
    """Defines a flag on `flags` for each field of the dataclass, with the field's default, sentence and bounds."""
    defaults = config_class()
    for field in dataclasses.fields(config_class):
        option, kind, name = field.metadata["option"], kind_of(field), flag_name(field)
        default = getattr(defaults, field.name)
        described = (name, list(default) if kind in (tuple, Mapping) else default, option.sentence, option.short)
        if option.section:
            flags.section(option.section)
        if option.choices:
            flags.choice(*described[:2], option.choices, *described[2:])
        elif kind is bool:
            flags.switch(*described)
        elif kind is tuple:
            flags.list(*described)
        elif kind is Mapping:
            flags.repeated(*described)
        elif kind is str:
            flags.string(*described)
        else:
            number = flags.integer if kind is int else flags.number
            number(*described, minimum=option.minimum, maximum=option.maximum)


def values(flags, config_class):
    """Returns {field name: value} for every field, from the parsed `flags`."""
    found = {field.name: flags[flag_name(field)].value for field in dataclasses.fields(config_class)}
    for field in dataclasses.fields(config_class):
        if kind_of(field) is Mapping:
            found[field.name] = dict(map(setting, found[field.name]))
        elif kind_of(field) is tuple:
            found[field.name] = tuple(int(word) if word.isdecimal() else word for word in found[field.name])
    return found
