"""Readers: from a source and the name of a variable to its ``ArrayInfo``."""
