"""Real peers for tests: PostgreSQL, Postfix and OpenDKIM of the machine, and small servers of our own.

Each peer listens on loopback at a port that the system chose, keeps everything
in a temporary folder and ends with its `with` block. `make peers` installs the
programs. A test that needs one calls `peers.require.require_peer`, or uses a
fixture of tests/conftest.py which does so.
"""
