"""A command of the folder that `served.serve` makes: have its server run a script; exit as that does."""

import json
import os
import socket
import sys

_, address, *arguments = sys.argv
if not arguments or not arguments[0].endswith((".py", "/snakemake", "/dvc")):  # as in python -c
    os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606 - no shell is needed
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(address)
    message = json.dumps([os.getcwd(), dict(os.environ), arguments]).encode() + b"\n"  # noqa: PTH109 - pathlib takes time
    sent = socket.send_fds(connection, [message], [0, 1, 2])
    connection.sendall(message[sent:])
    code = connection.recv(1)
sys.exit(code[0] if code else f"{arguments[0]}: its process was killed, or started another program in its place")
