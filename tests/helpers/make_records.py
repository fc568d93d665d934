"""Small records for tests, made by hand."""

from __future__ import annotations

from datetime import date

from econchatr.records import Answer, Episode, Example, Pair, Question, Reply, Selection


def make_pair(number: int = 0, *, cue: str = "What is it for?", reply: str = "Nobody knows.", **more: object) -> Pair:
    fields: dict[str, object] = {
        "pair_id": f"episode-{number}#1",
        "slug": f"episode-{number}",
        "published": date(2022, 1, 1),
        "rank": number,
        "split": "train",
        "cue_speaker": "Ada Guest",
        "reply_speaker": "Hal Host",
        "cue": cue,
        "reply": reply,
        "first_turn": 0,
        "last_turn": 1,
        "n_cue_tokens": len(cue.split()),
        "n_reply_tokens": len(reply.split()),
        "is_kept": True,
        "reason": "",
    }
    return Pair.model_validate(fields | more)


def make_episode(number: int = 0, **more: object) -> Episode:
    fields: dict[str, object] = {
        "slug": f"episode-{number}",
        "title": f"Episode {number}",
        "published": None,
        "rank": number,
        "kind": "verbatim",
        "reader": "markdown",
        "location": f"episode-{number}.md",
        "sha256": "0" * 64,
        "n_turns": 2,
        "n_words": 10,
        "n_chars": 60,
        "n_placed_chars": 60,
        "n_unplaced_chars": 0,
        "unplaced": (),
        "n_unplaced_lines": 0,
    }
    return Episode.model_validate(fields | more)


def make_question(question_id: str = "q1", *, text: str = "Why?", expected: str | None = None) -> Question:
    return Question(question_id=question_id, kind="belief", text=text, expected=expected)


def make_answer(text: str | None, *, question_id: str = "q1", variant: str = "tuned", sample: int = 0) -> Answer:
    reply = None if text is None else Reply(text=text, stop="end", n_prompt_tokens=5, n_reply_tokens=len(text.split()))
    fields = {
        "question_id": question_id,
        "rung": "small",
        "variant": variant,
        "model_sha256": "0" * 64,
        "sample": sample,
        "seed": sample,
        "reply": reply,
        "error": None if reply else "it broke",
    }
    return Answer.model_validate(fields)


def make_examples(lengths: list[int], *, n_learned: int = 1) -> list[Example]:
    return [
        Example(
            pair_id=f"e#{n}",
            rung="small",
            split="train",
            messages=(),
            n_billed_tokens=length,
            n_learned_tokens=n_learned,
        )
        for n, length in enumerate(lengths)
    ]


def make_selection(**more: object) -> Selection:
    fields: dict[str, object] = {
        "rung": "r",
        "strategy": "random",
        "seed": 0,
        "n_epochs": 4,
        "pair_ids": ("e#0", "e#1"),
        "n_pool_pairs": 3,
        "n_pool_tokens": 500_000,
        "n_tokens": 400_000,
        "limit_tokens": 450_000,
        "budget": "$20.00",
        "cost_usd": None,
        "sha256": "0" * 64,
    }
    return Selection.model_validate(fields | more)
