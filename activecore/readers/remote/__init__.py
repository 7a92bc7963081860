"""Metadata of objects that are far away: read in few round trips, and kept.

``intervals`` holds the parts of one object that were read, ``source`` reads further
ones, ``filesystem`` shows both to readers as the filesystem that they know, and
``cache`` keeps them on disk.
"""
