"""What people and an LLM judge say of the answers."""
