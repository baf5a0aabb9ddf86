"""Trying the set-up on a bare Debian: `make fresh RELEASE=bookworm|trixie`."""
