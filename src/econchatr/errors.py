"""Every error EconChatR raises on purpose, split by what the user must do next.

::

    EconChatRError                 1   (never raised itself)
    ├── InputError                 2   change the command or show.toml
    │   ├── MissingExtraError      2   install an extra
    │   ├── PromptTooLongError     2   say it in fewer words
    │   └── UnknownModelError      2   ask for a model that is there
    ├── ShowFolderError            3   look at the show's folder: missing, broken, full disk
    ├── SourceError                4   look at the network or the source of the episodes
    ├── TranscriptError            5   look at one transcript
    ├── BudgetError                6   raise the budget, lower the ask, or refuse
    ├── ModelError                 7   look at the model or the service
    │   ├── BusyError              7   ask again later
    │   └── RefusedError           7   a service took nothing: mend what it names, and order again
    └── ClusterError               8   look at the Ray cluster: its address, its nodes

Each class carries its exit code. `cli.main` is the only place that catches and prints them. To add one: subclass the
branch that says what the user must do next; give a new exit code only when a script should tell it apart.
"""

from __future__ import annotations

from econchatr.install_line import tell_install


class EconChatRError(Exception):
    """The root: a message (what, where, which value) and a hint (one thing to do about it)."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputError(EconChatRError):
    """The command line, show.toml or questions.toml asks for something that cannot be."""

    exit_code = 2


class MissingExtraError(InputError):
    """A command needs packages that the base install leaves out."""

    def __init__(self, message: str, *, hint: str = "", extra: str = "") -> None:
        super().__init__(message, hint=hint or tell_install(extra))


class PromptTooLongError(InputError):
    """A prompt has more tokens than the model can read."""


class UnknownModelError(InputError):
    """A request names a model that is not served."""


class ShowFolderError(EconChatRError):
    """The show's folder is missing, was changed from outside, or cannot be written."""

    exit_code = 3


class SourceError(EconChatRError):
    """The episodes cannot be had from where show.toml says they are."""

    exit_code = 4


class TranscriptError(EconChatRError):
    """A transcript cannot be read. Inside `parse` it quarantines one file and the run goes on."""

    exit_code = 5


class BudgetError(EconChatRError):
    """A run would cost more than its budget, or the budget buys nothing."""

    exit_code = 6


class ModelError(EconChatRError):
    """A model or a service failed, or its answers do not hold up to a check."""

    exit_code = 7


class BusyError(ModelError):
    """As many requests are waiting for a model as may wait."""


class RefusedError(ModelError):
    """A service refused an order: nothing was made, and nothing is charged."""


class ClusterError(EconChatRError):
    """The Ray cluster does not answer, or its nodes cannot do the work."""

    exit_code = 8
