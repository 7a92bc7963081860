"""What computes on the elements of chunks: NumPy, or compiled loops where they are."""
