"""``python -m activecore``: the command line without the script on the path."""

from activecore.cli import main

main()
