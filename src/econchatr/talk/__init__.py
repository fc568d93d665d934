"""talk: speak with the models."""
