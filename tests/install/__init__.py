"""Test the installation on a bare Debian: `make fresh RELEASE=bookworm|trixie`."""
