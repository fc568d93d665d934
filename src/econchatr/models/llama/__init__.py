"""Llama-type models in torch: a fast packed form, checkpoints, and likelihoods of replies."""
