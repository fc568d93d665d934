"""An exam about one host, drafted by rule from what that host says often: questions, right answers, and the passages.

A draft is to be read and edited by somebody who knows the show. English only.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from econchatr.ask.statements import (
    Opinion,
    Said,
    Saying,
    find_opinions,
    find_sayings,
    list_content,
    list_statements,
)
from econchatr.noun_phrases import find_noun_phrases, is_plural, word_list
from econchatr.records import Episode, Question, QuestionKind, Turn

N_QUESTIONS: Final = 12
MIN_EPISODES: Final = 3
"""What comes in fewer episodes is not said often."""
_MAX_SHARE: Final = 0.6
"""What comes in more of a show's episodes is nobody's subject, where the show has ten or more."""
_QUOTAS: Final[Mapping[QuestionKind, int]] = {"belief": 5, "quotation": 2, "idea": 3, "joke": 1, "fact": 1}
"""As in the experiment of 2023."""
_N_PASSAGES: Final = 3
_MAX_QUOTE: Final = 160
_MIN_ENGLISH: Final = 0.25
"""Share of small English words, below which speech is not English."""

_TEMPLATES: Final[Mapping[str, tuple[str, ...]]] = {
    "does": (
        "What do you think about {}?",
        "What is your experience with {}?",
        "What would you say about {}?",
        "What have you learned about {}?",
    ),
    "advice": (
        "What advice would you give about {}?",
        "What should people keep in mind about {}?",
        "What do you tell people about {}?",
    ),
    "likes": ("How do you feel about {}?", "Where do you stand on {}?"),
    "thing": ("What {be} {}, to your mind?", "What would you say {} {be}?", "How would you explain {}?"),
    "like": ("What {be} {} like, in your view?", "How would you describe {}?", "What do you make of {}?"),
}
_SWAPS: Final[Mapping[str, str]] = {
    "never": "always", "always": "never", "love": "hate", "hate": "love", "like": "dislike", "dislike": "like",
    "can": "cannot", "can't": "can", "cannot": "can", "should": "should not", "shouldn't": "should",
    "must": "need not", "don't": "do", "doesn't": "does", "not": "", "important": "unimportant", "good": "bad", "bad": "good",
    "easy": "hard", "hard": "easy", "better": "worse", "worse": "better", "more": "less", "less": "more",
    "possible": "impossible", "impossible": "possible", "everybody": "nobody", "nobody": "everybody",
    "unreliable": "reliable", "reliable": "unreliable", "trust": "distrust", "necessary": "unnecessary",
    "simple": "complicated", "complicated": "simple", "helpful": "useless", "valuable": "worthless", "rare": "common",
}  # fmt: skip


class Drafted(NamedTuple):
    """A question, and where the host said what it asks for."""

    question: Question
    passages: tuple[Said, ...]


class Draft(NamedTuple):
    """The drafted exam of a show."""

    questions: tuple[Drafted, ...]
    """Twelve at most, in the order of the five kinds."""
    lacks: str
    """Why there are fewer than twelve; empty: there are twelve."""


class _Material(NamedTuple):
    """What a show's host says."""

    show: str
    statements: list[Said]
    opinions: list[Opinion]
    """The best of each subject that comes often, the best first."""
    spread: dict[str, set[str]]
    """Subject -> the episodes in which the host states something with it."""
    names: frozenset[str]
    """Words of the names of all who speak."""


def draft_exam(turns: Sequence[Turn], episodes: Sequence[Episode], *, show: str, host: str = "") -> Draft:
    """Questions about what a host says often, in the exam's five kinds.

    Args:
        turns: Of every episode, in order.
        show: The show's name, as questions put it.
        host: Only this one of several hosts; empty: every host.
    """
    statements = list_statements(turns, host=host)
    if language := _find_other_language(statements, episodes):
        return Draft((), f"the transcripts are {language}, and questions can be drafted from English only")
    if not statements:
        return Draft((), "the host states nothing: every sentence asks, or stands in an introduction or advertisement")
    material = _gather(turns, statements, show)
    drafted = _fill(material, [*_draft_fact(turns, episodes, show), *_draft_joke(material)])
    return Draft(tuple(drafted), "" if len(drafted) == N_QUESTIONS else _tell_lack(len(drafted), episodes, statements))


def _find_other_language(statements: Sequence[Said], episodes: Sequence[Episode]) -> str:
    languages = Counter(episode.language for episode in episodes if episode.language)
    if languages and (most := languages.most_common(1)[0][0]) != "en":
        return f"in another language ({most})"
    words = [word for said in statements[:500] for word in said.text.lower().split()]
    n_small = sum(word in word_list("small") for word in words)
    return "in another language" if n_small < _MIN_ENGLISH * len(words) else ""


def _tell_lack(n: int, episodes: Sequence[Episode], statements: Sequence[Said]) -> str:
    return (
        f"{n} of {N_QUESTIONS} questions: in {len(episodes)} episodes and {len(statements):,} statements the host says no more"
        f" that comes in {MIN_EPISODES} episodes and can be understood on its own"
    )


# --- what the host says often -----------------------------------------------------------------------------------------


def _gather(turns: Sequence[Turn], statements: list[Said], show: str) -> _Material:
    spread = _count_episodes((said.slug, said.text) for said in statements)
    others = Counter[str]()
    for turn in turns:
        if turn.role == "guest":
            others.update(set(list_content(turn.text)))
    names = frozenset(word for turn in turns for word in turn.speaker.lower().split()) | {*show.lower().split()}
    n_episodes = len({said.slug for said in statements})
    limit = _MAX_SHARE * n_episodes if n_episodes >= 10 else n_episodes
    groups: dict[str, list[Opinion]] = defaultdict(list)
    for opinion in find_opinions(statements):
        if MIN_EPISODES <= len(spread.get(opinion.subject, ())) <= limit and names.isdisjoint(opinion.subject.split()):
            groups[opinion.subject].append(opinion)
    own = Counter(word for said in statements for word in set(list_content(said.text)))
    scored = []
    for subject, opinions in groups.items():
        best = max(opinions, key=lambda opinion: (_rate(opinion), opinion.words))
        head = subject.split()[-1]
        lean = math.log2((own[head] + 1) / (others[head] + 1) * (others.total() + 1) / (own.total() + 1))
        score = _rate(best) + min(len({one.said.slug for one in opinions}), 3) + max(-1.0, min(1.0, lean))
        scored.append((-score - math.log2(len(spread[subject])) / 4, subject, best))
    return _Material(show, statements, [best for _, _, best in sorted(scored)], spread, names)


def _count_episodes(texts: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    """Phrase -> the episodes it comes in, also as the end of a longer one."""
    found: dict[str, set[str]] = defaultdict(set)
    for slug, text in texts:
        for phrase in set(find_noun_phrases(text)):
            words = phrase.lower().split()
            for begin in range(len(words)):
                found[" ".join(words[begin:])].add(slug)
    return found


def _rate(opinion: Opinion) -> float:
    """How well an opinion stands alone: a bare subject is meant in general, `the` often means one at hand."""
    is_bare = not opinion.phrase.startswith("the ")
    held = {*list_content(opinion.words)} - {*opinion.subject.split()}
    weights = {"is": 2.0, "does": 1.5, "advice": 1.5, "likes": 1.0}
    return weights[opinion.form] + 2 * is_bare + min(len(held), 4) / 2 + ("-" not in opinion.said.text) / 2


# --- questions --------------------------------------------------------------------------------------------------------


def _fill(material: _Material, fixed: Sequence[Drafted]) -> list[Drafted]:
    """Fill the exam: what there is one of, then sayings, then opinions by rank; no two about the same word."""
    used = {word for one in fixed for word in _stems(one.question.expected or "")}
    taken = list(fixed)
    for one in _draft_sayings(material):
        stems = _stems(one.question.text.partition('"')[2]) | _stems(one.question.expected or "")
        if _count(taken, "quotation") < _QUOTAS["quotation"] and used.isdisjoint(stems):
            taken.append(one)
            used |= stems
    n_missing = _QUOTAS["quotation"] - _count(taken, "quotation")
    spare: list[Opinion] = []
    for opinion in material.opinions:
        stems = _stems(opinion.subject)
        if not used.isdisjoint(stems):
            continue
        if n_missing and opinion.form in ("is", "does") and len(list_content(opinion.words)) >= 2:
            taken.append(_quote_opinion(opinion, material))
            n_missing -= 1
        elif _count(taken, kind := _kind_of(opinion)) < _QUOTAS[kind]:
            taken.append(_ask_opinion(opinion, material, taken))
        else:
            spare.append(opinion)
            continue
        used |= stems
    for opinion in spare:
        if len(taken) < N_QUESTIONS and used.isdisjoint(_stems(opinion.subject)):
            taken.append(_ask_opinion(opinion, material, taken))
            used |= _stems(opinion.subject)
    order = list(_QUOTAS)
    return sorted(taken[:N_QUESTIONS], key=lambda one: order.index(one.question.kind))


def _count(taken: Iterable[Drafted], kind: QuestionKind) -> int:
    return sum(one.question.kind == kind for one in taken)


def _stems(text: str) -> set[str]:
    return {word.removesuffix("s").removesuffix("e") for word in list_content(text)}


def _kind_of(opinion: Opinion) -> QuestionKind:
    return "idea" if opinion.form == "is" else "belief"


def _ask_opinion(opinion: Opinion, material: _Material, taken: Sequence[Drafted]) -> Drafted:
    """The question about an opinion, in a wording that was used least so far."""
    name: str = opinion.form
    if opinion.form == "is":
        first = opinion.words.lower().split()[0]
        name = "thing" if first in ("a", "an", "the", "all", "part", "what", "about", "your", "how") else "like"
    be = "are" if is_plural(opinion.subject.split()[-1]) else "is"
    asked = [one.question.text for one in taken]

    def n_used(template: str) -> int:
        return sum(text.startswith(template.replace("{be}", be).partition("{")[0][:14]) for text in asked)

    template = min(_TEMPLATES[name], key=n_used)
    question = Question(
        question_id=_name(_kind_of(opinion), opinion.subject),
        kind=_kind_of(opinion),
        text=template.replace("{be}", be).replace("{}", opinion.phrase),
        expected=opinion.words,
        opposite=_turn_round(opinion.words),
    )
    return Drafted(question, _find_passages(opinion, material))


def _find_passages(opinion: Opinion, material: _Material) -> tuple[Said, ...]:
    """The sentence an opinion stands in, and one each of other episodes that has the subject."""
    found = {opinion.said.slug: opinion.said}
    pattern = re.compile(rf"\b{re.escape(opinion.subject)}\b", re.I)
    for said in material.statements:
        if len(found) < _N_PASSAGES and said.slug not in found and pattern.search(said.text):
            found[said.slug] = said
    return tuple(found.values())


def _turn_round(words: str) -> str | None:
    """The opposite of what is said, where one word makes it; `None` where none does."""
    parts = words.split()
    for place, word in enumerate(parts[:6]):
        if (other := _SWAPS.get(word.lower())) is not None:
            return " ".join([*parts[:place], *other.split(), *parts[place + 1 :]]) or None
    return None


def _name(kind: QuestionKind, subject: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", subject.lower()).strip("-")
    return f"{kind}-{slug}"[:40].rstrip("-")


# --- sayings, the joke, the guests ------------------------------------------------------------------------------------


def _draft_sayings(material: _Material) -> Iterator[Drafted]:
    for saying in find_sayings(material.statements, min_episodes=MIN_EPISODES):
        if (cut := _cut_saying(saying, material.names)) is not None:
            begun, rest = cut
            question = Question(
                question_id=_name("quotation", " ".join(saying.words[:4])),
                kind="quotation",
                text=f'Finish the following sentence: "{begun}',
                expected=rest,
            )
            yield Drafted(question, saying.said[:_N_PASSAGES])


def _cut_saying(saying: Saying, names: Collection[str]) -> tuple[str, str] | None:
    """What is given of a saying and what is asked for; `None` where it is small talk or no whole sentence."""
    sentence = saying.said[0].text
    text = saying.text.rpartition(": '")[2].strip(" '")
    words = text.split()
    strong = [word for word in list_content(text) if word not in word_list("vague")]
    stock = word_list("stock_subjects") | names | {"thank", "thanks", "question", "curious", "appreciate", "wonder"}
    is_whole = sentence.rstrip(" .!…'\"").endswith(text[-12:]) and (
        sentence.startswith(text) or f" '{text}" in sentence or f'"{text}' in sentence or ": " in saying.text
    )
    if not is_whole or len(words) < 5 or len(set(strong)) < 3 or not stock.isdisjoint(list_content(text)):
        return None
    middle = (len(words) + 1) // 2
    rest = " ".join(words[middle:])
    return (" ".join(words[:middle]), rest) if list_content(rest) else None


def _quote_opinion(opinion: Opinion, material: _Material) -> Drafted:
    """A sentence of the host's own, to be finished."""
    verb = ("are " if is_plural(opinion.subject.split()[-1]) else "is ") if opinion.form == "is" else ""
    words = opinion.words.split()
    n_given = 0 if verb else 1
    begun = f"{opinion.phrase} {verb}{' '.join(words[:n_given])}".strip()
    question = Question(
        question_id=_name("quotation", opinion.subject),
        kind="quotation",
        text=f'Finish the following sentence: "{begun[0].upper()}{begun[1:]}',
        expected=" ".join(words[n_given:]),
    )
    return Drafted(question, _find_passages(opinion, material))


def _draft_joke(material: _Material) -> Iterator[Drafted]:
    """The subject that people laugh about in most episodes; none where the transcripts note no laughter."""
    laughed = _count_episodes((said.slug, said.text) for said in material.statements if said.is_joke)
    ranks = [
        (len(slugs) ** 2 / len(material.spread[phrase]), phrase)
        for phrase, slugs in laughed.items()
        if len(slugs) >= MIN_EPISODES and _is_subject(phrase, material.names)
    ]
    if not ranks:
        return
    phrase = max(ranks)[1]
    pattern = re.compile(rf"\b{re.escape(phrase)}\b", re.I)
    told = {said.slug: said for said in material.statements if said.is_joke and pattern.search(said.text)}
    best = max(told.values(), key=lambda said: (len(set(list_content(said.text)) & _common(told.values())), said.slug))
    rest = [one for one in find_noun_phrases(best.text) if phrase not in one.lower()]
    question = Question(
        question_id=_name("joke", phrase),
        kind="joke",
        text=f"What do you joke about when {phrase} {'come' if is_plural(phrase.split()[-1]) else 'comes'} up?",
        expected=max(rest, key=len, default=None),
    )
    yield Drafted(question, tuple(told.values())[:_N_PASSAGES])


def _common(told: Iterable[Said]) -> set[str]:
    counts = Counter(word for said in told for word in set(list_content(said.text)))
    return {word for word, n in counts.items() if n > 1}


def _is_subject(phrase: str, names: Collection[str]) -> bool:
    words = set(phrase.split())
    return words.isdisjoint(word_list("stock_subjects")) and words.isdisjoint(names)


def _draft_fact(turns: Sequence[Turn], episodes: Sequence[Episode], show: str) -> Iterator[Drafted]:
    """Guests of the year that had most; of the whole show where years are not known; none where nobody visits."""
    guests: dict[str, dict[str, Turn]] = defaultdict(dict)
    for turn in turns:
        if turn.role == "guest" and len(turn.speaker.split()) >= 2:
            guests[turn.slug].setdefault(turn.speaker, turn)
    years = {episode.slug: episode.published.year for episode in episodes if episode.published}
    by_year = Counter(years[slug] for slug, found in guests.items() if slug in years for _ in found)
    if sum(map(len, guests.values())) < MIN_EPISODES:
        return
    year = max(by_year, key=lambda one: (by_year[one], one)) if len(by_year) > 1 else None
    when = f" in {year}" if year else ""
    slugs = [slug for slug in guests if year is None or years.get(slug) == year][:_N_PASSAGES]
    question = Question(
        question_id=f"fact-guests-{year}" if year else "fact-guests",
        kind="fact",
        text=f"Who were some of the guests of {show}{when}?",
        guests_of=str(year) if year else "all",
    )
    first = [next(iter(guests[slug].values())) for slug in slugs]
    yield Drafted(question, tuple(Said(turn.slug, turn.position, f"{turn.speaker}: {turn.text}") for turn in first))


# --- the file ---------------------------------------------------------------------------------------------------------


def write_exam(draft: Draft, *, host: str) -> str:
    """The drafted exam as a questions.toml: each question with the passages as comments, to be edited."""
    head = (
        f"# {len(draft.questions)} questions about {_one_line(host)}, drafted by rule from the transcripts. Read and edit them.\n"
        "# `expected` holds words a right answer has, `opposite` what a wrong one says; leave either out where it does\n"
        "# not fit. Under each question stand passages (episode#turn) that show what the host says.\n"
    )
    return head + "".join(_write_question(one) for one in draft.questions)


def _write_question(drafted: Drafted) -> str:
    question = drafted.question
    lines = ["", "[[question]]"]
    for key in ("question_id", "kind", "text", "expected", "opposite", "guests_of"):
        if (value := getattr(question, key)) is not None:
            lines.append(f"{key} = {json.dumps(value, ensure_ascii=False)}")
    lines += [f"# {_one_line(said.slug)}#{said.position}: {_one_line(said.text)}" for said in drafted.passages]
    return "\n".join(lines) + "\n"


def _one_line(text: str) -> str:
    plain = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return plain if len(plain) <= _MAX_QUOTE else plain[: _MAX_QUOTE - 1] + "…"
