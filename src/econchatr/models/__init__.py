"""Open any model to ask or to score: the embedded weights, llama.cpp, transformers.

Knows no show, no question and no stage before it; torch and llama.cpp are imported inside the functions that need them.
"""
