"""The models over HTTP, in the words of the OpenAI API.

Needs the extra `web`: import it only inside functions. It knows no show's folder and no config.
"""
