"""A command of the folder that `served.hold` makes: have its server run a script; exit as that does."""

import os
import sys
from _socket import AF_UNIX, SCM_RIGHTS, SOL_SOCKET, socket  # the module `socket` takes longer to import than all else

_, address, *arguments = sys.argv
script = "".join(arguments[:1]).endswith((".py", "/snakemake", "/dvc"))
if not script and arguments[:2] != ["-m", "snakemake"]:  # as in python -c
    os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606 - no shell is needed
connection = socket(AF_UNIX)
connection.connect(address)
environment = (name + b"=" + value for name, value in os.environb.items())
folder = os.getcwdb()  # noqa: PTH109 - pathlib takes time
message = b"\0".join([b"%d" % len(arguments), *map(os.fsencode, arguments), folder, *environment])
message = len(message).to_bytes(8, "big") + message
streams = b"".join(stream.to_bytes(4, sys.byteorder) for stream in (0, 1, 2))
sent = connection.sendmsg([message], [(SOL_SOCKET, SCM_RIGHTS, streams)])
connection.sendall(message[sent:])
code = connection.recv(1)
sys.exit(code[0] if code else f"{arguments[0]}: its process was killed, or started another program in its place")
