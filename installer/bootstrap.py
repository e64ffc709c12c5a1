"""Sets Watchkeeper up on a fresh machine and starts it: `python3 installer/bootstrap.py run [PATH]`.

This file is the gate: it must parse on Python 3.6, so that an old interpreter can still say what is missing. All the
work is in the package `provision` beside it, which needs Python 3.11 and nothing but the standard library.
"""

import os
import shutil
import subprocess
import sys

OLDEST = (3, 11)
# The versions that the locks are made for and the project is tested on, best first.
TESTED = ((3, 14), (3, 13), (3, 12), (3, 11))

_ASK = "import sys; print('%d.%d %s' % (sys.version_info[0], sys.version_info[1], sys.executable))"


def interpreter_of(command: "list[str]", version: "tuple[int, int]") -> "str | None":
    """Asks a candidate for itself, since a name on PATH may be a shim that leads nowhere.

    Args:
        command: how the candidate is started, such as `["python3.13"]`.
        version: the version it must have.

    Returns:
        The interpreter's own path, or None where it does not start or is another version.
    """
    try:
        # Not text=True: Python 3.6 does not know it.
        answer = subprocess.check_output(command + ["-c", _ASK], stderr=subprocess.DEVNULL).decode()  # noqa: RUF005 - 3.6 parses it, but its path shows no type
    except (OSError, subprocess.CalledProcessError, UnicodeDecodeError):
        return None
    found, _, path = answer.strip().partition(" ")
    return path if found == "%d.%d" % version and path else None  # noqa: UP031 - reads best beside _ASK


def better_interpreter() -> "str | None":
    """Looks on PATH (on Windows also through the `py` launcher) for the best tested Python."""
    for version in TESTED:
        name = "python%d.%d" % version  # noqa: UP031 - a tuple is what it formats
        candidates = [[path] for path in [shutil.which(name)] if path]
        if os.name == "nt" and shutil.which("py"):
            candidates.append(["py", "-%d.%d" % version])  # noqa: UP031 - likewise
        for command in candidates:
            found = interpreter_of(command, version)
            if found:
                return found
    return None


def too_old(what: str) -> str:
    """Says in plain words which Python is needed and where one comes from.

    Args:
        what: what needs it, as the start of a sentence.
    """
    have = "%d.%d" % sys.version_info[:2]  # noqa: UP031 - a tuple is what it formats
    if sys.platform == "darwin":
        source = "  macOS: the installer on www.python.org, or 'brew install python@3.13'."
    elif os.name == "nt":
        source = "  Windows: the installer on www.python.org, or 'winget install Python.Python.3.13'."
    else:
        source = (
            "  Debian 12 or later: 'apt-get install python3 python3-venv'.  Ubuntu: 'apt-get install python3.11"
            " python3.11-venv'.\n"
            "  Fedora: 'dnf install python3.13'.  Anything else: 'uv python install 3.13', pyenv, or www.python.org."
        )
    return (
        what + " needs Python 3.11 or newer. This is Python " + have + " (" + sys.executable + ").\n"
        "No newer one was found on PATH. Where to get it:\n" + source + "\n"
        "Then start this again: it finds python3.11 to python3.14 on PATH by itself."
    )


def with_newer_python(script: str, what: str) -> "int | None":
    """Starts a script again with a fitting Python, where this one does not fit and a better one is there.

    Args:
        script: the file that was started.
        what: what it does, as the start of the sentence "... needs Python 3.11 or newer".

    Returns:
        None where this Python fits. Else the exit code: that of the script, or 3 where no Python fits.
    """
    if OLDEST <= sys.version_info[:2] <= TESTED[0]:
        return None
    found = better_interpreter()
    if found:
        again = [found, os.path.abspath(script)] + sys.argv[1:]  # noqa: PTH100, RUF005 - as old as the oldest reader
        if os.name == "nt":
            # Windows' exec gives the console back at once, while the new process still runs.
            return subprocess.call(again)
        sys.stdout.flush()
        os.execv(found, again)  # noqa: S606 - no shell is wanted
    if sys.version_info[:2] < OLDEST:
        sys.stderr.write(too_old(what) + "\n")
        return 3
    return None


def main() -> int:
    """Finds a fitting Python, starts itself again with it where need be, and hands over to `provision`.

    Returns:
        The exit code: 0 done, 1 failed, 2 wrong usage, 3 something is missing that only the person can install.
    """
    code = with_newer_python(__file__, "Watchkeeper")
    if code is not None:
        return code
    from provision.commands import main as provision  # noqa: PLC0415 - newer syntax than an old Python can parse

    return provision(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
