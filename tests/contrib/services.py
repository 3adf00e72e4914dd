"""What the tests of the service's deployment share: settings read as the service reads them, and its command line."""

from pathlib import Path

import msgspec

from rafsight._version import __version__
from rafsight.interfaces.cli import root
from rafsight.interfaces.service.web.api_state import ENDPOINTS
from rafsight.interfaces.service.web.settings_file import SettingsMaker, read_form

RELEASE = __version__
PROBES = frozenset(endpoint.path for endpoint in ENDPOINTS if endpoint.path.startswith("/probe/"))
SETTINGS = "/etc/rafsight/serve.yaml"
IMAGE = f"rafsight-service:{RELEASE}"


def settings_of(path):
    """Read settings as the service does; the secret of the store is not there.

    Returns: The settings, and what they say about the store.
    """
    form = read_form(path)
    maker = SettingsMaker(str(path), {})
    nowhere = {"database": Path("/nowhere"), "cache_dir": Path("/nowhere")}
    return maker.make(msgspec.structs.replace(form, store=""), store="", **nowhere), form.store


def parse(arguments, settings):
    """See that the command line takes arguments; nothing is run.

    Args:
        arguments: without the program; SETTINGS stands for the settings.
        settings: the file.
    Returns: The words of the command, and its parameters.
    """
    words = [str(settings) if word == SETTINGS else word for word in arguments]
    command, names = root, []
    context = root.make_context("rafsight", words)
    while hasattr(command, "resolve_command"):
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        names.append(name)
        context = command.make_context(name, rest, parent=context)
    return names, context.params
