"""Train at a hosted service: one small protocol, its back ends, and how a job is paid for once.

Knows no show and no stage; the openai package is imported inside the functions that need it.
"""
