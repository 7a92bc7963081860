"""The reader of Zarr stores, version 2 and 3, in directories, prefixes and zip files.

``reader`` is the class; ``documents``, ``nodes`` and ``hierarchy`` find the metadata,
``metadata`` and ``array`` turn it into an ``ArrayInfo`` with the codecs of ``codecs``
and ``pipeline``, the missing rules of ``cf``, and one of the three indexes: chunks
that are objects (``index``), parts of shards (``shards``), members of a zip (``zip``).
"""
