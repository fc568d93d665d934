"""score: records -> measured values, each with its interval and n, or with the reason why there is none.

Everything here is a function of records and numbers: no model is opened, no file read. `econchatr.pipeline.score` puts
it to use. A measure that cannot be taken has `value` `None` and a `reason`; a mean never contains a failure.

- `rows`: everything that is measured of replies by their text, by one yardstick per show; `gates` rules on it.
- `voice`, `quoting/`, `length_and_repetition`, `topic`: the text measures a row is made of.
- `likelihood`: bits per byte, host bits saved (H2), the true reply among twenty (H3).
- `exam/`: the exam marked by rule, and closed questions about names (H5); `wording`: what paraphrases change.
- `raters/`: what people and an LLM judge say (H6).
- `strategy_trials`: what selection strategies are worth; `statistics`: intervals, tests, and how a score is made.
"""
