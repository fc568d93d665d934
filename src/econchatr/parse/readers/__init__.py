"""One module per family of formats; each gives a `Reader`, and `transcript.READERS` lists them."""
