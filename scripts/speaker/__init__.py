"""A second implementation of the protocol between a stack and a driver, written from its specification alone.

It exists to prove that the specification is complete, so it is plain instead of fast: groups of one, no announced
sleep, no plan. `python3 -m speaker stack|driver --help` (with the parent folder in PYTHONPATH) lists its flags.
"""
