"""What a command can say when it did not do what it was asked: one sentence and an exit code.

Commands raise these two; `entry` prints the sentence and leaves with the code. No traceback reaches a user.
"""

from collections.abc import Iterator
from contextlib import contextmanager

EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


class CommandError(Exception):
    """A command that ends early; the message is the sentence that the user reads."""

    exit_code = EXIT_FAILURE


class Failure(CommandError):  # named after what happened
    """The world did not play along: a server is away, an engine is missing, a picture was refused."""


class UsageFailure(CommandError):
    """What the user gave cannot be used: a file that does not parse, an option out of range."""

    exit_code = EXIT_USAGE


@contextmanager
def reported(
    *, usage: tuple[type[Exception], ...] = (), failure: tuple[type[Exception], ...] = (), prefix: str = ""
) -> Iterator[None]:
    """Turn errors of the layers below, whose messages are sentences already, into errors of the command line."""
    try:
        yield
    except usage as error:
        raise UsageFailure(prefix + one_sentence(error)) from error
    except failure as error:
        raise Failure(prefix + one_sentence(error)) from error


def one_sentence(error: BaseException) -> str:
    """The error's message on one line; its class where it has none."""
    return " ".join(str(error).split()) or type(error).__name__
