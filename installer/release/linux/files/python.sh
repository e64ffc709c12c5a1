# Read by the programs of this folder, with $here set to it. Sets $python to an interpreter that has these packages:
# that of an environment (PEP 405), which is this folder itself or, where it may not be written, one in the cache.

tell() {
    printf '%s\n' "$1" >&2
    # Started by a click, nobody sees what a program writes.
    [ -t 2 ] && return
    if command -v zenity; then
        zenity --error --no-markup --title=Watchkeeper --text="$1"
    elif command -v kdialog; then
        kdialog --title Watchkeeper --error "$1"
    elif command -v notify-send; then
        notify-send --app-name=Watchkeeper Watchkeeper "$1"
    elif command -v xmessage; then
        xmessage -center "$1"
    fi >/dev/null 2>&1
}

if [ -w "$here" ]; then
    place=$here
else
    place=${XDG_CACHE_HOME:-$HOME/.cache}/watchkeeper/portable/@VERSION@-$(printf %s "$here" | cksum | cut -d ' ' -f 1)
fi
python=$place/bin/python3

try() {
    if said=$("$1" -I "$here/lib/first_start.py" "$here" "$place" 2>&1); then
        found=$1
    else
        reasons="$reasons
  $1: $(printf %s "$said" | tail -n 1)"
    fi
}

# The link leads nowhere once the system's Python has become another version.
if ! [ -x "$python" ]; then
    found=
    reasons=
    if [ -n "${WATCHKEEPER_PYTHON:-}" ]; then
        try "$WATCHKEEPER_PYTHON"
    else
        # The system's own first: others on PATH come and go.
        for each in /usr/bin/python3 python3.14 python3.13 python3.12 python3.11 python3; do
            if [ -z "$found" ] && command -v "$each" >/dev/null 2>&1; then
                try "$each"
            fi
        done
    fi
    if [ -z "$found" ]; then
        tell "Watchkeeper needs Python 3.11 to 3.14, and found none that it can use:${reasons:-
  there is no python3 on this system.}
Where to get one:
  Debian 12 or later: sudo apt-get install python3
  Ubuntu 22.04: sudo apt-get install python3.11
  Fedora: sudo dnf install python3.13
  Anything else: your system's package tool, or www.python.org
Then start this again."
        exit 3
    fi
    lacks=$("$python" -I -c 'from app.system.qtlibraries import library_trouble; print(library_trouble())' 2>/dev/null)
    if [ -n "$lacks" ]; then
        tell "$lacks
Until then Watchkeeper works in a terminal only."
    fi
fi
