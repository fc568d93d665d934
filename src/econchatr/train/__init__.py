"""Train a rung's adapter. Knows no show, no budget and no score: it takes examples and gives back an adapter."""
