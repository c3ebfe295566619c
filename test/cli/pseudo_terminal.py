"""Runs a command in a pseudo-terminal and copies what it writes to standard output.

usage: pseudo_terminal.py COLUMNS PATTERN KEYS COMMAND...

Sends the bytes KEYS (with Python escapes) the first time that the output has PATTERN in it; an empty PATTERN sends
nothing. Ends with the exit code of the command, 128 more than the signal that ended it.
"""

import fcntl
import os
import pty
import struct
import sys
import termios

columns, pattern, keys, *command = sys.argv[1:]
keys = keys.encode().decode("unicode_escape").encode("latin-1")
child, terminal = pty.fork()
if child == 0:
    size = struct.pack("HHHH", 50, int(columns), 0, 0)
    fcntl.ioctl(0, termios.TIOCSWINSZ, size)
    os.execvp(command[0], command)
output = b""
waiting = pattern != ""
while True:
    try:
        part = os.read(terminal, 65536)
    except OSError:
        break
    if part == b"":
        break
    output += part
    os.write(1, part)
    if waiting and pattern.encode() in output:
        waiting = False
        os.write(terminal, keys)
status = os.waitpid(child, 0)[1]
code = os.waitstatus_to_exitcode(status)
sys.exit(code if code >= 0 else 128 - code)
