"""The rows of one KST day, out of append-only files of any size."""
