"""EconChatR: a podcast's transcripts and a budget in; models that answer like the host, and an honest report, out."""

__version__ = "0.1.0"
