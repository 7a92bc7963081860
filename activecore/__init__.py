"""activecore: reduce climate and earth-science arrays where they lie."""
