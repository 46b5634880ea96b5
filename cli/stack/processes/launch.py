"""A script that replaces itself by another program, which the kernel kills when the parent process dies.

    python -I -S launch.py PARENT_PID PROGRAM [ARGUMENT...]

`exec` keeps the pid and the setting PR_SET_PDEATHSIG, so a pid file has the pid of the program. The script imports no
other module of Gridpress.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h
EX_CONFIG = 78  # sysexits.h; the exit status of a role that can never start


def die_with(parent_pid: int) -> None:
    """Asks the kernel to kill this process (SIGKILL) when the thread of the parent that started it ends.

    A process can't ignore SIGKILL. Has no effect on systems other than Linux.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # the parent died before the request, so no signal will come
        sys.exit("parent is gone")


def main() -> None:
    """Has the kernel kill this process with its parent, then replaces this process by the given program."""
    parent_pid, argv = int(sys.argv[1]), sys.argv[2:]
    die_with(parent_pid)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores SIGPIPE, and exec would pass that on
    try:
        os.execvp(argv[0], argv)  # noqa: S606 - this file exists to become the given program
    except OSError as error:
        print(f"cannot run {argv[0]}: {error.strerror}", file=sys.stderr)
        sys.exit(EX_CONFIG if isinstance(error, (FileNotFoundError, PermissionError)) else os.EX_OSERR)


if __name__ == "__main__":
    main()
