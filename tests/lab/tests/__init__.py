"""Tests of the laboratory itself, of its parts that need neither network nor services: `python3 -m unittest` in tests/lab."""
