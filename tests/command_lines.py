"""Whether a command that a page or a workflow shows exists: ours by our own parser, `aws` by AWS's descriptions of its services."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from typing import NoReturn

import botocore.session
from botocore import xform_name

from toolkit.cli import VERBS

# Commands of the AWS CLI that are its own and no operation of a service, with their options.
_OWN = {("s3", "cp"): {"recursive"}, ("s3", "ls"): {"recursive"}, ("configure", "sso"): {"profile"}, ("sso", "login"): {"profile"}}
_EVERYWHERE = {"region", "profile", "query", "output"}
_OPTION = re.compile(r"--[a-z][a-z0-9-]*")


class Unknown(Exception):
    """The command, or something in it, does not exist."""


def commands(text: str) -> Iterator[list[str]]:
    """The words of each shell command in some lines; comments are left out, a line that ends in a backslash goes on."""
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        words = shlex.split(line.strip().removeprefix("$ "), comments=True)
        yield from _parts(words)


def _parts(words: list[str]) -> Iterator[list[str]]:
    """One command after the other: `cd a && toolkit up`."""
    part: list[str] = []
    for word in words:
        if word in ("&&", "||", ";", "|"):
            yield part
            part = []
        else:
            part.append(word)
    if part:
        yield part


def check_toolkit(words: list[str]) -> None:
    """`words` begin with the verb. Unknown when our parser would not take them."""

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> NoReturn:
            raise Unknown(f"{shlex.join(['toolkit', *words])}: {message}")

        def _check_value(self, action: argparse.Action, value: object) -> None:
            # `--slashes NAME` leaves the choice to the reader.
            if not str(value).isupper():
                super()._check_value(action, value)

    if words in ([], ["--help"], ["--version"]):
        return
    if words[0] not in VERBS:
        raise Unknown(f"toolkit has no verb {words[0]}")
    parser = Parser(prog=f"toolkit {words[0]}", add_help=False)
    importlib.import_module(f"toolkit.commands.{words[0]}").add_arguments(parser)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--help", action="store_true")
    if "--help" not in words:
        parser.parse_args(words[1:])


def check_aws(words: list[str]) -> None:
    """`words` are what follows `aws`. Unknown for a service, an operation, an option or a value that it has not, and where one that
    must be there is missing."""
    service, operation, *rest = [*words, "", ""]
    given = [word.removeprefix("--") for word in rest if _OPTION.fullmatch(word)]
    if (service, operation) in _OWN:
        _check_options(words, given, _OWN[service, operation])
        return
    session = botocore.session.get_session()
    if service not in session.get_available_services():
        raise Unknown(f"aws has no {service}")
    model = session.get_service_model(service)
    names = {xform_name(name, "-"): name for name in model.operation_names}
    if operation not in names:
        raise Unknown(f"aws {service} has no {operation}")
    shape = model.operation_model(names[operation]).input_shape
    members = {xform_name(name, "-"): it for name, it in shape.members.items()} if shape else {}
    _check_options(words, given, set(members))
    missing = {xform_name(name, "-") for name in (shape.required_members if shape else ())} - set(given)
    if missing:
        raise Unknown(f"{shlex.join(['aws', *words])}: --{' and --'.join(sorted(missing))} must be there")
    for option, value in pairwise(rest):
        allowed = getattr(members.get(option.removeprefix("--")), "enum", [])
        if allowed and value not in allowed:
            raise Unknown(f"{option} is one of {', '.join(allowed)}, and not {value}")


def _check_options(words: list[str], given: list[str], known: set[str]) -> None:
    # A switch has a counterpart: `--overwrite`, `--no-overwrite`.
    unknown = {name for name in given if name not in known | _EVERYWHERE and name.removeprefix("no-") not in known}
    if unknown:
        raise Unknown(f"{shlex.join(['aws', *words])} has no --{', --'.join(sorted(unknown))}")
