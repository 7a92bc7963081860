"""Configuration: typed keys, where each value came from, and what holds for a URL."""

from activecore.config.effective import Effective
from activecore.config.keys import Profile, Route
from activecore.config.settings import Settings, load_settings

__all__ = ["Effective", "Profile", "Route", "Settings", "load_settings"]
