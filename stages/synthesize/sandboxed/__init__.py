"""What runs inside the sandbox: the fork server, the walls around each program, and its servers.

These modules use the standard library only and import nothing of tamis but each other, because the
sandbox shows the programs nothing else. `stages/synthesize/sandbox.py` is the side outside.
"""
