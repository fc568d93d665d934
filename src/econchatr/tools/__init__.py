"""What is done on request only: each module is one tool, and no stage needs any of them."""
