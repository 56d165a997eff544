"""The questions of `toolkit init`, and the file that it writes."""
