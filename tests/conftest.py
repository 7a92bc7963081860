"""Settings of all tests."""

from hypothesis import settings

# How long an example takes depends on what else the machine does.
settings.register_profile("activecore", deadline=None, print_blob=True)
settings.load_profile("activecore")
