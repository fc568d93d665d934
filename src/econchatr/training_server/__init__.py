"""A fine-tuning server of one's own, in the words of OpenAI's API: `econchatr serve --train`.

Needs the extras `local` and `web`: import it only inside functions.
"""
