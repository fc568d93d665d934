"""score: records -> measured values, each with its interval and n, or with the reason why there is none.

Everything here is a function of records and numbers: no model is opened, no file read. How the measures are put to use:

**Text measures** (Voice, copying and the gates; `rows`, `scoresheet`, `references`). `host` are a show's kept pairs of
all splits, `guest` the same with the sides exchanged (turns of hosts as guests' and of guests as hosts', paired by the
same profile)::

    yardstick = make_yardstick(host, guest)                           # once a show: seconds
    said = read_answers(answers, questions, variant="tuned")          # or any other variant; failures are left out
    row = measure_row(said, yardstick)                                # under a second
    list_scores(row, yardstick, rung=..., variant="tuned", subject="answers")   # -> Score
    list_gates(row, rung=..., variant="tuned")                        # -> Gate
    list_spans(row, rung=..., variant="tuned")                        # -> CopiedSpan, the longest first
    compare_rows(base_row, row, yardstick, rung=..., variant="tuned minus base")    # paired differences

The reference rows go the same way: `take_reference(host, yardstick.speech)` is the real host (variant `host`),
`take_reference(guest, yardstick.speech)` the same-episode guests (`guest`), and
`parrot_questions(Parrot(yardstick.speech.pairs), questions, n_samples=4)` the retrieval parrot (`parrot`). Base,
persona and answers with retrieved excerpts are variants of the exam. What a row copies from elsewhere (guests,
held-out episodes) is `measure_copying(said, index_speech(pairs))`. `find_nearest(answers, SaidBefore(host, subjects))`
(`nearest`) finds the nearest real quotation to each answer.
`econchatr.pipeline.score` puts all of it to use.

**H3, true reply among twenty** (`choices`). `draw_choices(test_pairs, n=...)` says what to put to a model; for each
choice the caller gets log p of the true reply and of the others, after the cue and after an empty cue, as a
`ChoiceLikelihood`; `score_choices` makes the score.

**H5, made-up names** (`names`, `probes`, `facts`)::

    book, guests = make_name_book(turns), list_guests(turns)
    made = make_probes(episodes, guests, host, book, show=name)       # made.reasons: what cannot be asked, and why
    questions = ask_questions(made.probes)                            # to be asked like an exam
    told = judge_answers(answers, made.probes, book, variant="tuned")
    score_facts(told, rung=..., variant="tuned", reasons=made.reasons)

**Likelihoods** (`likelihood`): bits per byte, and H2, host bits saved.

A measure that cannot be taken has `value` `None` and a `reason`; a mean never contains a failure.
"""
