"""Model files: GGUF, checkpoints, adapters, and an Ollama Modelfile."""
