"""New distributions for authors of backends and readers, made from templates.

The templates are files, shipped as package data: what an author gets can be read,
linted and tested as what it is. ``string.Template`` fills them in, since names are all
that changes; a template engine would be one more dependency of everybody.
"""

from activecore.scaffold.names import Names, check_name
from activecore.scaffold.write import write_distribution

__all__ = ["Names", "check_name", "write_distribution"]
