"""Real servers for development: an S3 store and a Reductionist, run on this machine.

For those who work on activecore; no wheel holds it. ``python -m services start`` builds
what is missing and starts both, ``services.state.load`` says where they listen, and
``services.proxy`` stands between a client and one of them to break or slow its traffic.
"""
