"""A command's options, made from the fields of a dataclass of settings."""

import argparse
import dataclasses
import typing


def add_options(command: argparse.ArgumentParser, settings: type, positional: str) -> None:
    """Add one option for each field of `settings`, a dataclass whose fields carry "help".

    The field `positional` becomes an argument without a name; other fields without a default are
    required.
    """
    types = typing.get_type_hints(settings)
    for field in dataclasses.fields(settings):
        text = field.metadata["help"].replace("%", "%%")
        kind = next(t for t in (typing.get_args(types[field.name]) or (types[field.name],)))
        option = f"--{field.name.replace('_', '-')}"
        if field.name == positional:
            command.add_argument(positional, help=text)
        elif field.default is dataclasses.MISSING:
            command.add_argument(option, required=True, help=text)
        else:
            default = field.default
            text += "" if default is None or default is False else f" (default: {default})"
            if kind is bool:
                command.add_argument(
                    option, action=argparse.BooleanOptionalAction, default=default, help=text
                )
            else:
                command.add_argument(option, type=kind, default=default, help=text)
