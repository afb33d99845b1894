"""Row blocks and windows of them: which rows are read together, and in which order."""
