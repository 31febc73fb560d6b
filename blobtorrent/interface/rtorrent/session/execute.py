"""`execute.*`: programs, run without a shell, as the daemon's user, with nothing on their standard streams.

Answers are those of wait(2): exit N is N * 256, a signal its number, a program that does not exist 65280.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from blobtorrent.interface.rtorrent.context import Context, Target
from blobtorrent.interface.rtorrent.faults import failed, wrong_type
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.session.making import command
from blobtorrent.interface.rtorrent.session.workingfolder import WorkingFolder
from blobtorrent.interface.rtorrent.values import MAX_TEXT, Value, text_of

if TYPE_CHECKING:
    from subprocess import Popen

CATEGORY: Final = "execute"
NOT_RUN: Final = 0xFF00                # the wait status of a program that could not be started


Finished = tuple[int, bytes]           # how a program ended, and what it wrote
Outside = Callable[[Callable[[], Finished]], Finished]


class _Unstarted(Exception):
    """A program that could not be started; the text is the name of the system's error."""


def at_once(call: Callable[[], Finished]) -> Finished:
    """Calls it where it is."""
    return call()


class Form(NamedTuple):
    """One of the commands."""

    name: str
    doc: str
    is_strict: bool = True             # what does not exit with 0 is a fault
    is_raw: bool = False               # tildes are left as they are
    is_background: bool = False        # it is not waited for
    is_captured: bool = False          # its output is the answer


FORMS: Final = (
    Form("execute2", "Runs a program; when it does not exit with 0, that is a fault."),
    Form("execute.throw", "The same."),
    Form("execute.throw.bg", "Runs a program without waiting for its end.", is_background=True),
    Form("execute.nothrow", "Runs a program, and answers the status that it ended with.", is_strict=False),
    Form("execute.nothrow.bg", "Runs a program without waiting for its end.", is_strict=False, is_background=True),
    Form("execute.raw", "As execute.throw; a tilde is no home.", is_raw=True),
    Form("execute.raw.bg", "As execute.throw.bg; a tilde is no home.", is_raw=True, is_background=True),
    Form("execute.raw_nothrow", "As execute.nothrow; a tilde is no home.", is_strict=False, is_raw=True),
    Form("execute.raw_nothrow.bg", "As execute.nothrow.bg; a tilde is no home.", is_strict=False, is_raw=True,
         is_background=True),
    Form("execute.capture", "Answers what a program writes; when it does not exit with 0, that is a fault.",
         is_captured=True),
    Form("execute.capture_nothrow", "Answers what a program writes.", is_strict=False, is_captured=True),
)


class Programs:
    """Runs them, each outside of the turn of who asked for it: `outside(call)` calls something that waits.

    They are run in the working folder. `note` is told of each: its words and how it ended. With `tells_unstarted` one
    that could not be started is a fault for all forms.
    """

    def __init__(self, note: Callable[[Sequence[str], int], None], outside: Outside, working: WorkingFolder, *,
                 tells_unstarted: bool = False) -> None:
        self._note = note
        self._tells_unstarted = tells_unstarted
        self._working = working
        self._outside = outside
        self._running: list[Popen[bytes]] = []             # those that nobody waits for

    def commands(self) -> Iterator[Command]:
        for form in FORMS:
            yield command(form.name, partial(self._run, form), f"PROGRAM, ARGUMENT...: {form.doc}",
                          returns="string" if form.is_captured else "i8", category=CATEGORY, target=Target.ANY,
                          is_code=True)

    def _run(self, form: Form, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        if not args:
            raise wrong_type("Too few arguments.")
        words = list(map(text_of, args))
        if not form.is_raw:
            words = list(map(os.path.expanduser, words))
        try:
            if form.is_background:
                self._start(words)
                status, output = 0, b""
            else:
                status, output = self._outside(lambda: self._finish(words, is_captured=form.is_captured))
        except _Unstarted as error:
            self._note(words, NOT_RUN)
            if self._tells_unstarted:
                raise failed(f"ExecFile::execute() posix_spawn failed: {error}") from None
            status, output = 0 if form.is_background else NOT_RUN, b""
        else:
            self._note(words, status)
        if status and form.is_strict:
            raise failed("Bad return code.")
        return output.decode("utf-8", "surrogateescape") if form.is_captured else status

    def _start(self, words: Sequence[str]) -> None:
        """Raises _Unstarted."""
        self._running = [other for other in self._running if other.poll() is None]         # so none stays a zombie
        self._running.append(self._open(words, is_captured=False))

    def _finish(self, words: Sequence[str], *, is_captured: bool) -> Finished:
        """Wait for its end: its status and what it wrote. Raises Fault when that is too long, and _Unstarted."""
        with self._open(words, is_captured=is_captured) as process:
            output = b"" if process.stdout is None else process.stdout.read(MAX_TEXT + 1)
            if len(output) > MAX_TEXT:
                process.kill()
                raise failed("The output of the program is too long.")
            code = process.wait()
        return -code if code < 0 else code << 8, output

    def _open(self, words: Sequence[str], *, is_captured: bool) -> Popen[bytes]:
        """Raises _Unstarted when there is no such program, or it may not be run."""
        from subprocess import DEVNULL, PIPE, Popen  # heavy, and most sessions run nothing

        try:
            return Popen(                      # noqa: S603  it is what the command is for; no shell, and who may is checked
                [os.fsencode(word) for word in words], stdin=DEVNULL, stdout=PIPE if is_captured else DEVNULL,
                stderr=DEVNULL, cwd=self._working.path)
        except OSError as error:
            raise _Unstarted(errno.errorcode.get(error.errno or 0, str(error))) from None
        except ValueError:             # a NUL
            raise _Unstarted(errno.errorcode[errno.EINVAL]) from None
