"""A base with an adapter that learns: the packed Llama where it fits, any other model through transformers."""
