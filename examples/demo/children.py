# SPDX-License-Identifier: MIT
"""Processes that the demo starts: none outlives it, and Ctrl-C neither loses nor confuses one."""
import contextlib
import ctypes
import signal
import subprocess

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # what ends the operator's program
LIBC = ctypes.CDLL(None)


def child_begin():
    """In a child, before its program: Linux kills it when the thread that started it ends, however
    that ends. A signal that was meant for the operator ends it here, without Python's handlers."""
    LIBC.prctl(1, signal.SIGKILL)
    for each in ENDINGS:
        signal.signal(each, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDINGS)


@contextlib.contextmanager
def endings_later():
    """ENDINGS wait: an exception of their handlers can neither lose a child that has just begun nor
    be raised in it, and threads that begin here never take one."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def child_start(command, **options):
    """A child in a group of its own: Ctrl-C is for the operator, who ends the children in order."""
    return subprocess.Popen(command, start_new_session=True, preexec_fn=child_begin, **options)
