"""fetch: where episodes come from."""
