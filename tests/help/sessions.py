"""Functions as a notebook defines them."""

import types


def in_session(text, name="build"):
    """Return a function as a notebook defines it: in a module that has no file."""
    module = types.ModuleType("__main__")
    exec(text, vars(module))
    return vars(module)[name]
