"""Lets ``python -m activecore.testing NAME`` print a backend's report card."""

import sys

from activecore.cli.card import main

sys.exit(main())
