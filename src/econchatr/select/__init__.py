"""select: choose the training pairs that fit each rung's budget, and build the examples from them."""
