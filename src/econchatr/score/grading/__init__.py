"""The exam marked by rule, and the closed questions about names."""
