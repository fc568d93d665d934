"""What answers a prompt: llama.cpp, transformers, and any address that speaks OpenAI's API."""
