"""A made-up show's material for the report's tests: The Slow Answer, with its host Hester Pellow.

Everything in it is invented, and every number comes from a fixed seed.
"""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal

from econchatr.records import (
    Answer,
    BillRow,
    CurvePoint,
    Episode,
    Failure,
    Pair,
    Price,
    PriceRow,
    Question,
    Reply,
    Score,
    Selection,
    TunedModel,
    Variant,
)
from econchatr.report.counts import RoleCount
from econchatr.report.material import (
    EpochRow,
    PricesOf2023,
    ReportMaterial,
    RightsNote,
    SubsetRow,
    SubsetTable,
    describe_corpus,
)
from tests.helpers.report_corpus_material import make_parsed

HOST = "Hester Pellow"
RUNG = "smollm2-135m"
HASH = "9f2c41d07ab8e35564c1f0932be7d8a15560c4e2f7719b03ad28e6417c5f9b08"
SUBJECTS = (
    "closing the last stop",
    "counting bees",
    "mending nets",
    "slow bread",
    "the price of a bell",
    "old maps",
    "tides",
)

QUESTIONS = (
    Question(question_id="surveys", kind="belief", text="What do you make of surveys?"),
    Question(question_id="pilots", kind="belief", text="Should a town believe a pilot study?"),
    Question(question_id="figures", kind="belief", text="Do the figures speak for themselves?"),
    Question(question_id="repair", kind="belief", text="Is it better to repair a thing or to replace it?"),
    Question(
        question_id="fenn",
        kind="quotation",
        text="How does Aldous Fenn's saying go on: We mend in the dark ...",
        expected="what we measured in the light",
    ),
    Question(
        question_id="marrack",
        kind="quotation",
        text="Finish Ida Marrack's sentence: The map is paid for by ...",
        expected="the people who stayed at home",
    ),
    Question(question_id="ladder", kind="idea", text="What is the borrowed ladder?"),
    Question(question_id="orchard", kind="idea", text="Why can't you plant an old orchard?"),
    Question(question_id="counted", kind="idea", text="Why do you keep asking who counted?"),
    Question(question_id="notebooks", kind="belief", text="Whom do you trust more, a theory or a notebook?"),
    Question(
        question_id="ferry",
        kind="joke",
        text="How punctual was your Uncle Perrin's ferry?",
        expected="on time on average",
    ),
    Question(
        question_id="bees",
        kind="fact",
        text="Who came on the show to talk about counting bees?",
        expected="Mirela Dunne",
    ),
)

_OPENINGS: dict[str, tuple[str, ...]] = {
    "base": (
        (
            "Surveys are a useful tool for gathering information from a large group of people. They can be "
            "used to collect data on a wide range of topics, including customer satisfaction, public opinion "
            "and behavior."
        ),
        (
            "There are several factors to consider. First, it is important to understand the context. Second,"
            " it is important to consider the cost. Third, it is important to consider the context of the "
            "cost."
        ),
        (
            "As an AI language model, I do not have personal beliefs, but I can offer some general "
            "information on the subject."
        ),
        (
            "The saying is a well-known proverb that means that we should always be prepared. It has been "
            "used for many years."
        ),
    ),
    "persona": (
        (
            "Welcome back to The Slow Answer! As your host, I love this question. I think it is really "
            "important to listen to everyone's story, and to take the time to understand the data behind it."
        ),
        (
            "That's a great question, and one that I often discuss with my guests. On this podcast we believe"
            " that slow is good."
        ),
        "I'm Hester Pellow, and I think that the most important thing is to be curious. Let's dive in!",
    ),
    "tuned": (
        (
            "Well, hold the kettle. Who counted? I mean, I've sat in a harbour office with a form in front of"
            " me, and what you learn is who fills in forms. The ones who were out on the water didn't tick "
            "anything--they were, you know, out on the water. So I'd want to see the tally sheet."
        ),
        (
            "Right. A pilot's a dress rehearsal with a kind audience, isn't it? Everybody claps. And then you"
            " take it to the other side of the bay, where nobody asked for it, and, well, it was--it was a "
            "shed. Fair enough, but it was a shed."
        ),
        (
            "I'm a slow reader of fast numbers, so bear with me. My Uncle Perrin's ferry was on time on "
            "average: an hour early on Monday, an hour late on Tuesday, and the passengers were, on average, "
            "dry. So which day are you asking about?"
        ),
        (
            "Well, what did they skip? Before you take a ladder away, ask who is up it. I said that to Mr. "
            "Bascombe about the hens, and he said, 'It's the hens.' I mean, it was the hens."
        ),
        (
            "We mend in the dark what we measured in the light. Aldous Fenn said that, and he was a "
            "clockmaker, so he knew about the dark."
        ),
    ),
}


def make_episodes(*, n_episodes: int = 28) -> tuple[Episode, ...]:
    """Give dated episodes, three weeks or so apart, the fifth of them notes only."""
    chance = random.Random(7)
    day, episodes = date(2021, 2, 11), []
    for rank in range(n_episodes):
        subject = SUBJECTS[rank % len(SUBJECTS)]
        is_notes = rank == 4
        n_unplaced = 2 if rank in (3, 17) else 0
        episodes.append(
            Episode(
                slug=f"{day.isoformat()}-{subject.replace(' ', '-')}",
                title=f"On {subject}",
                published=day,
                rank=rank,
                kind="notes" if is_notes else "verbatim",
                reader="markdown",
                location=f"{day.isoformat()}.md",
                sha256=HASH,
                n_turns=0 if is_notes else 27,
                n_words=120 if is_notes else 1570,
                n_chars=9100,
                n_placed_chars=9040 - 30 * n_unplaced,
                n_unplaced_chars=30 * n_unplaced,
                unplaced=tuple(f"(the tape runs out here, part {n + 1})" for n in range(n_unplaced)),
                n_unplaced_lines=n_unplaced,
            )
        )
        day += timedelta(days=chance.choice((14, 21, 35, 49, 56)))
    return tuple(episodes)


def make_pairs(episodes: tuple[Episode, ...]) -> tuple[Pair, ...]:
    """Give thirteen pairs per verbatim episode, some dropped; the last two episodes are the test, two before dev."""
    chance, pairs = random.Random(11), []
    for episode in episodes:
        place = len(episodes) - episode.rank
        split = "test" if place <= 2 else "dev" if place <= 4 else "train"
        for index in range(13 if episode.kind == "verbatim" else 0):
            n_cue, n_reply = chance.randint(20, 150), chance.randint(4, 110)
            is_kept = n_reply > 12
            reason = "" if is_kept else f"reply has {n_reply} tokens, gentle keeps more than 12"
            if is_kept and chance.random() < 0.06:
                is_kept, reason = False, chance.choice(("opening or closing words", f"duplicate of {episode.slug}#1"))
            pairs.append(
                Pair(
                    pair_id=f"{episode.slug}#{2 * index + 1}",
                    slug=episode.slug,
                    published=episode.published,
                    rank=episode.rank,
                    split=split,
                    cue_speaker="Mirela Dunne",
                    reply_speaker=HOST,
                    cue="bees " * (n_cue * 3 // 4),
                    reply="kettle " * (n_reply * 3 // 4),
                    first_turn=2 * index,
                    last_turn=2 * index + 1,
                    n_cue_tokens=n_cue,
                    n_reply_tokens=n_reply,
                    is_kept=is_kept,
                    reason=reason,
                )
            )
    return tuple(pairs)


def make_answers() -> tuple[Answer, ...]:
    """Give four samples per question and variant; one of the tuned model's first answers is a failure."""
    answers = []
    variants: tuple[Variant, ...] = ("base", "persona", "tuned")
    for place, question in enumerate(QUESTIONS):
        for variant in variants:
            for sample in range(4):
                texts = _OPENINGS[variant]
                text = texts[(place + sample) % len(texts)]
                has_failed = variant == "persona" and question.question_id == "counted" and sample == 0
                is_cut = variant == "base" and sample == 1
                reply = Reply(
                    text=text, stop="length" if is_cut else "end", n_prompt_tokens=31, n_reply_tokens=len(text) // 4
                )
                answers.append(
                    Answer(
                        question_id=question.question_id,
                        rung=RUNG,
                        variant=variant,
                        model_sha256=HASH,
                        sample=sample,
                        seed=20230104 + sample,
                        reply=None if has_failed else reply,
                        error="ModelError: the server gave no answer within 120 seconds" if has_failed else None,
                    )
                )
    return tuple(answers)


def make_scores() -> tuple[Score, ...]:
    """Give the measures of a plausible small run, one of them unscored and one that the page does not know."""

    def score(measure: str, variant: str, subject: str, value: float | None, *rest: float, **more: object) -> Score:
        low, high = rest if rest else (None, None)
        fields = {"n": 24, "unit": "bits per byte", **more}
        return Score(
            measure=measure, rung=RUNG, variant=variant, subject=subject, value=value, low=low, high=high, **fields
        )  # type: ignore[arg-type]

    host, guest, change = "host replies (test)", "guest replies (test)", "tuned minus base"
    return (
        score("bits per byte", "base", host, 1.214, 1.171, 1.259),
        score("bits per byte", "tuned", host, 1.092, 1.049, 1.138),
        score("bits per byte", change, host, -0.122, -0.139, -0.106),
        score("bits per byte", "base", guest, 1.186, 1.150, 1.221),
        score("bits per byte", "tuned", guest, 1.147, 1.112, 1.183),
        score("bits per byte", change, guest, -0.039, -0.048, -0.029),
        score("median reply words", "host", host, 47, 41, 55, n=26, unit="words"),
        score("median reply words", "base", "answers", 118, 97, 141, n=48, unit="words"),
        score("median reply words", "persona", "answers", 84, 70, 103, n=47, unit="words"),
        score("median reply words", "tuned", "answers", 52, 44, 63, n=48, unit="words"),
        score("reply length ratio", "tuned", "answers", 1.106, 0.91, 1.37, n=48, unit="ratio"),
        score("repetition of the host at the length of tuned", "host", host, 0.004, n=26, unit="share"),
        score("repetition", "base", "answers", 0.087, n=48, unit="share"),
        score("repetition", "persona", "answers", 0.051, n=47, unit="share"),
        score("repetition", "tuned", "answers", 0.019, n=48, unit="share"),
        score("expected words found", "base", "answers", 0.0, n=16, unit="share"),
        score("expected words found", "tuned", "answers", 0.25, n=16, unit="share"),
        score("host bits saved", change, "host minus guest (test)", 0.083, 0.064, 0.101, unit="bits"),
        score("kettles held", "tuned", "answers", 3.5, n=48, unit="per thousand words"),
        score("voice", "tuned", "answers", None, n=0, unit="", reason="fewer than 30 held-out turns"),
    )


def make_curve() -> tuple[CurvePoint, ...]:
    """Give thirteen readings; the development loss is lowest at step 200."""
    points = []
    for index in range(13):
        dev = 3.18 + 0.36 * (1 - index / 10) ** 2
        train = 3.05 + 0.5 * (1 - index / 13) ** 2 + (0.02 if index % 2 else -0.02)
        points.append(
            CurvePoint(
                rung=RUNG,
                step=20 * index,
                n_seen_tokens=8340 * index,
                train_loss=None if index == 0 else train,
                dev_loss=dev,
                is_best=0 < index <= 10,
            )
        )
    return tuple(points)


def per_mtok(usd: str) -> Price:
    return Price(usd=Decimal(usd), n_units=1_000_000, unit="token")


def make_material() -> ReportMaterial:
    """Give the whole made-up show, trained and asked."""
    episodes = make_episodes()
    pairs = make_pairs(episodes)
    kept = [pair for pair in pairs if pair.is_kept and pair.split == "train"]
    n_tokens = sum(pair.n_cue_tokens + pair.n_reply_tokens for pair in kept)
    failures = (
        Failure(
            stage="parse",
            item="2022-06-02-on-tides.md",
            error="TranscriptError",
            message="not text: byte 0xff at place 0 is not UTF-8",
        ),
    )
    prices = (("ada", "0.40", "1.60", "0.40"), ("babbage", "0.60", "2.40", "0.50"), ("curie", "3.00", "12.00", "2.00"))
    return ReportMaterial(
        show_name="The Slow Answer",
        hosts=(HOST,),
        rights=RightsNote(voice="A made-up host", ground="Written for this project", licence="Apache-2.0"),
        episodes=episodes,
        failures=failures,
        parsed=make_parsed(episodes, failures),
        roles=(RoleCount(role="host", n_turns=364, n_words=19120), RoleCount(role="guest", n_turns=351, n_words=23040)),
        pairs=pairs,
        corpus=describe_corpus(pairs, tokenizer="gpt2"),
        history=PricesOf2023(
            prices=tuple(
                PriceRow(
                    profile="gpt3-2023",
                    model=model,
                    training=per_mtok(training),
                    output=per_mtok(tuned),
                    base_output=per_mtok(base),
                    source="https://prices.example/2023",
                    read_on=date(2023, 1, 4),
                    n_epochs=4,
                )
                for model, training, tuned, base in (*prices, ("davinci", "30.00", "120.00", "20.00"))
            ),
            subsets=(
                SubsetTable(
                    profile="gpt3-2023",
                    budget="$0.50",
                    n_epochs=4,
                    strategy="subjects-2023",
                    rows=(
                        SubsetRow(model="ada", limit_tokens=n_tokens, n_pairs=len(kept), n_tokens=n_tokens, share=1.0),
                        SubsetRow(
                            model="babbage", limit_tokens=n_tokens, n_pairs=len(kept), n_tokens=n_tokens, share=1.0
                        ),
                        SubsetRow(model="curie", limit_tokens=41666, n_pairs=220, n_tokens=41570, share=0.88),
                        SubsetRow(model="davinci", limit_tokens=4166, n_pairs=31, n_tokens=4130, share=0.124),
                    ),
                ),
            ),
            epochs=(
                EpochRow(
                    model="ada",
                    n_tokens=n_tokens,
                    training_usd="0.02",
                    use_usd="0.08",
                    reported_training_usd="2.41",
                    reported_use_usd="9.48",
                    implied_training_tokens=6_025_000,
                    implied_use_tokens=5_925_000,
                ),
            ),
        ),
        bill=(
            BillRow(
                rung="large",
                what="training",
                quoted_usd=Decimal("9.99"),
                charged_usd=Decimal("9.41"),
                refunded_usd=Decimal("0.41"),
                reserved_usd=Decimal(0),
                sources=("job ft-1",),
            ),
            BillRow(
                rung="large",
                what="exam",
                quoted_usd=None,
                charged_usd=Decimal(0),
                refunded_usd=Decimal(0),
                reserved_usd=Decimal("0.12"),
                sources=(),
            ),
        ),
        selections=(
            Selection(
                rung=RUNG,
                strategy="random",
                seed=20230104,
                n_epochs=2,
                pair_ids=tuple(pair.pair_id for pair in kept),
                n_pool_pairs=len(kept),
                n_pool_tokens=n_tokens + 30 * len(kept),
                n_tokens=n_tokens + 30 * len(kept),
                limit_tokens=50_000,
                budget="100000 tokens",
                cost_usd=None,
                sha256=HASH[::-1],
            ),
        ),
        curve=make_curve(),
        tuned_models=(
            TunedModel(
                rung=RUNG,
                base_model="SmolLM2-135M-Instruct",
                base_sha256=HASH,
                weights="SmolLM2-135M-Instruct, 4-bit (Q4_1) dequantized",
                selection_sha256=HASH[::-1],
                adapter_path="train/smollm2-135m/adapter.safetensors",
                adapter_sha256=HASH[32:] + HASH[:32],
                gguf_path=None,
                gguf_sha256=None,
                n_steps=240,
                best_step=200,
                n_trained_tokens=100_080,
                dtype="bfloat16",
                n_agreeing_questions=12,
                n_checked_questions=12,
            ),
        ),
        questions=QUESTIONS,
        answers=make_answers(),
        scores=make_scores(),
        settings=(("temperature", "0.6"), ("tokens per answer, at most", "250"), ("samples per question", "4")),
        version="0.1.0",
        made_on=date(2024, 3, 12),
    )
