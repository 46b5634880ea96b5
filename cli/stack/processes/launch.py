"""Replaces itself by another program that dies with its parent. Run by path and isolated, so it imports nothing of
ours.

    python -I -S launch.py PARENT_PID PROGRAM [ARGUMENT...]

The pid stays the same through `exec`, and so does PR_SET_PDEATHSIG: the pid in a pid file is the serving process.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h
EX_CONFIG = 78  # sysexits.h; as a role of ours that can never start


def die_with(parent_pid: int) -> None:
    """Asks the kernel for SIGKILL when the parent's starting thread ends: no server can ignore it. Linux only."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it died before we asked: nobody would tell us any more
        sys.exit("parent is gone")


def main() -> None:
    """Ties this process to its parent, then executes the program."""
    parent_pid, argv = int(sys.argv[1]), sys.argv[2:]
    die_with(parent_pid)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and exec would hand that on
    try:
        os.execvp(argv[0], argv)  # noqa: S606 - becoming the given program is this file's whole purpose
    except OSError as error:
        print(f"cannot run {argv[0]}: {error.strerror}", file=sys.stderr)
        sys.exit(EX_CONFIG if isinstance(error, (FileNotFoundError, PermissionError)) else os.EX_OSERR)


if __name__ == "__main__":
    main()
