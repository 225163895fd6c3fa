"""What all commands share: common options, and how exceptions become messages and exit codes."""

from __future__ import annotations

import argparse
import os
import select
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from dbsl_tf import __version__
from dbsl_tf.cli.commands import COMMANDS
from dbsl_tf.common.errors import ClusterError, UserError, fault_of_the_machine
from dbsl_tf.common.installed_packages import prefer_installed_packages
from dbsl_tf.common.interruptions import HungUp, Terminated, handle_interruptions
from dbsl_tf.common.output import escape_what_cannot_be_encoded
from dbsl_tf.common.printing import tell
from dbsl_tf.common.program import typed
from dbsl_tf.common.quiet import remove_generated_files
from dbsl_tf.common.registry import OWN
from dbsl_tf.common.visible import visible

if TYPE_CHECKING:
    from dbsl_tf.config import Config, KeyDescription
    from dbsl_tf.results.run_directory import RunDirectory

USER_ERROR_STATUS = 2
CLUSTER_ERROR_STATUS = 1
INTERRUPTED_STATUS = 130  # 128 + SIGINT, as shells report it
TERMINATED_STATUS = 143  # 128 + SIGTERM
HUNG_UP_STATUS = 129  # 128 + SIGHUP
BROKEN_PIPE_STATUS = 141  # 128 + SIGPIPE


class Parser(argparse.ArgumentParser):
    """An argument parser that raises `UserError` and accepts no abbreviated options."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        if message.endswith("required: --config"):
            message = "--config is missing; give a file, such as --config quickstart.yaml"
        elif message.startswith("unrecognized arguments") and "=" in message:
            message += "; write an override as section.key=value, without dashes"
        raise UserError(f"{message}; see {self.prog} --help")


class CommandParser(Parser):
    """The parser of one command.

    Args:
        name: the command's name; its summary comes from the list of commands.
        description: further sentences for its help, or all of them if it is not in the list.
    """

    def __init__(self, name: str, description: str = "") -> None:
        summary = COMMANDS[name].summary if name in COMMANDS else ""
        super().__init__(prog=typed(name), description=f"{summary} {description}".strip())
        self.add_argument(
            "--version",
            action="version",
            version=f"dbsl_tf {__version__}",
            help="print the version and stop",
        )


class _ConfigParser(CommandParser):
    """A parser whose help ends with the configuration keys."""

    def format_help(self) -> str:
        # Not in `epilog`, so that the keys are imported only when help is requested.
        return f"{super().format_help()}\n{_keys_help()}"


def config_parser(
    name: str, description: str = "", *, config_required: bool = True
) -> argparse.ArgumentParser:
    """Returns a parser with the options of every command that reads a configuration.

    Use `parse_config` to parse with it.

    Args:
        name: the command's name.
        description: further sentences for its help; see `CommandParser`.
        config_required: whether `--config` is always required; `parse_config` requires it anyway.
    """
    parser = _ConfigParser(name, description)
    parser.add_argument(
        "--config", metavar="FILE", required=config_required, help="the configuration, a YAML file"
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="key=value",
        help="override a configuration key, such as optimizer.base_lr=0.05",
    )
    parser.add_argument(
        "--print-config",
        action="store_true",
        help="print the configuration with all defaults and overrides, and stop",
    )
    return parser


def add_checkpoint_option(parser: argparse.ArgumentParser) -> None:
    """Adds the option that selects a checkpoint of a finished run."""
    parser.add_argument(
        "--checkpoint",
        type=int,
        metavar="N",
        help="use the model after N commits, one of those in checkpoints/ (default: the newest)",
    )


def parse_config(
    parser: argparse.ArgumentParser, arguments: Sequence[str]
) -> tuple[argparse.Namespace, Config]:
    """Parses a command line and reads the configuration that it names.

    With `--print-config` it prints the configuration and exits with status 0.

    Raises:
        UserError: the command line or the configuration is wrong.
    """
    options = parser.parse_intermixed_args(arguments)
    if options.config is None:
        parser.error("the following arguments are required: --config")
    from dbsl_tf.config import load_config

    config = load_config(options.config, options.overrides)
    if config.run.dir is not None:
        from dbsl_tf.cluster.gpus import claim_gpu
        from dbsl_tf.results.run_directory import RunDirectory

        # None of these commands computes in its own process.
        claim_gpu(None)
        use_program_of(config, RunDirectory(config.run.dir))
    if options.print_config:
        print(config.to_yaml(), end="")
        raise SystemExit(0)
    return options, config


def use_program_of(config: Config, directory: RunDirectory) -> None:
    """Makes known what the program of a `dbsl_tf.Trainer` gave to its run, if it is one.

    Raises:
        UserError: it cannot be loaded.
    """
    if OWN in (config.model.name, config.data.name, config.training.loss):
        from dbsl_tf.common import onednn
        from dbsl_tf.common.quiet import import_tensorflow_quietly
        from dbsl_tf.library.program import use_program

        # A program's objects import it.
        onednn.apply(config.compute.onednn)
        import_tensorflow_quietly()
        use_program(directory.program)


def run(main: Callable[[Sequence[str]], int]) -> NoReturn:
    """Runs a command on the command line's arguments and exits with its status.

    A `UserError` is printed as one line on standard error, with status 2, and so is what is wrong
    with a file, a name or a disk, wherever it is met; a `ClusterError` likewise, with status 1.
    Ctrl-C gives status 130, SIGTERM 143, and SIGHUP 129 unless it is ignored (nohup). When the
    reader of standard output is gone, as with `| head`, the command ends quietly with status 141.
    """
    escape_what_cannot_be_encoded()
    prefer_installed_packages()
    handle_interruptions()
    try:
        try:
            status = main(sys.argv[1:])
        except SystemExit as finished:  # after --help or --print-config
            code = finished.code
            status = code if isinstance(code, int) else int(code is not None)
        sys.stdout.flush()
    except UserError as error:
        _complain(f"error: {visible(str(error))}")
        status = USER_ERROR_STATUS
    except ClusterError as error:
        _complain(f"error: {visible(str(error))}")
        status = CLUSTER_ERROR_STATUS
    except HungUp:
        status = HUNG_UP_STATUS
    except Terminated:
        status = TERMINATED_STATUS
    except KeyboardInterrupt:
        _complain("interrupted")
        status = INTERRUPTED_STATUS
    except BrokenPipeError:
        if not _reader_has_gone():
            raise
        # Nothing that is still buffered can be written: let the exit flush it to nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = BROKEN_PIPE_STATUS
    except OSError as error:
        fault = fault_of_the_machine(error)
        if fault is None:
            raise
        _complain(f"error: {visible(fault)}")
        status = USER_ERROR_STATUS
    _leave(status)


def _complain(line: str) -> None:
    # There may be no standard error left to write to.
    with suppress(OSError, ValueError):
        tell(line)


def _leave(status: int) -> NoReturn:
    """Ends this process at once: TensorFlow would wait for threads of workers that are gone."""
    try:
        remove_generated_files()
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
    finally:
        os._exit(status or 0)


def _reader_has_gone() -> bool:
    """Tells a broken pipe on standard output from one on any other connection."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _keys_help() -> str:
    from dbsl_tf.config import describe_augmentations, describe_keys

    return (
        "configuration keys:\n"
        + _listing(describe_keys())
        + "\nparameters of the augmentations, as in data.augment=[{random_crop: {padding: 4}}]:\n"
        + _listing(describe_augmentations())
    )


def _listing(descriptions: Iterable[KeyDescription]) -> str:
    width = min(100, shutil.get_terminal_size().columns)
    lines = []
    for item in descriptions:
        default = "required" if item.default is None else f"default {item.default}"
        lines.append(f"  {item.key}: {item.meaning}")
        lines.append(f"      {item.allowed} ({default})")
    wrapped = (
        textwrap.fill(
            line,
            width,
            subsequent_indent="      ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in lines
    )
    return "\n".join(wrapped) + "\n"
