"""The one error that a person can mend."""


class InputError(ValueError):
    """What was given cannot be used: the message says what was given and what would do.

    The commands print the message alone and exit with 1; any other exception is a defect and keeps its traceback.
    """

    _keras_call_info_injected = True  # so Keras does not wrap the message when a layer raises it
