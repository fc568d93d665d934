"""select: the examples that fit a budget, and what they cost."""
