"""An exam about one host, drafted by rule from what that host says often: questions, right answers, and the passages.

A draft is to be read and edited by somebody who knows the show. English only.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

from econchatr.ask.host_material import (
    MIN_EPISODES,
    N_PASSAGES,
    HostMaterial,
    HostTopic,
    bare_saying,
    gather_material,
    list_stems,
)
from econchatr.ask.statements import HostSentence, Opinion, Saying, list_content, list_sentences
from econchatr.noun_phrases import find_noun_phrases, is_plural, word_list
from econchatr.records import Episode, Question, QuestionKind, Turn

N_QUESTIONS: Final = 12
_QUOTAS: Final[Mapping[QuestionKind, int]] = {"belief": 5, "quotation": 2, "idea": 3, "joke": 1, "fact": 1}
"""As in the experiment of 2023."""
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
    "topic": ("What should people understand about {}?", "Why do you bring up {}?", "How would you explain {}?"),
    "matter": ("What would you say is {}?", "What is {}, in your view?"),
    "saying": ("What do you like to say about {}?", "What comes to your mind when you hear of {}?"),
}
_SWAPS: Final = dict(
    pair
    for one, other in (
        ("never", "always"), ("can", "cannot"), ("should", "should not"), ("important", "unimportant"),
        ("easy", "hard"), ("better", "worse"), ("more", "less"), ("possible", "impossible"), ("good", "bad"),
        ("everybody", "nobody"), ("reliable", "unreliable"), ("trust", "distrust"), ("simple", "complicated"),
        ("necessary", "unnecessary"), ("love", "hate"), ("helpful", "useless"), ("rare", "common"),
    )
    for pair in ((one, other), (other, one))
) | {"can't": "can", "shouldn't": "should", "don't": "", "doesn't": "does", "not": "", "enjoy": "hate"}  # fmt: skip
_NAMING: Final = frozenset(["a", "an", "the", "all", "part", "what", "about", "your", "how", "such", "to"])
"""What begins a predicate that says what something is, not what it is like."""


class Drafted(NamedTuple):
    """A question, and where the host said what it asks for."""

    question: Question
    passages: tuple[HostSentence, ...]


class DraftedExam(NamedTuple):
    """The drafted exam of a show."""

    questions: tuple[Drafted, ...]
    """Twelve at most, in the order of the five kinds."""
    lacks: str
    """Why there are fewer than twelve; empty: there are twelve."""


def draft_exam(turns: Sequence[Turn], episodes: Sequence[Episode], *, show: str, host: str = "") -> DraftedExam:
    """Questions about what a host says often, in the exam's five kinds.

    Args:
        turns: Of every episode, in order.
        show: The show's name, as questions put it.
        host: Only this one of several hosts; empty: every host.
    """
    sentences = list_sentences(turns, host=host)
    if language := _find_other_language(sentences, episodes):
        return DraftedExam(
            (), f"the transcripts are in another language ({language}), and questions are drafted in English"
        )
    material = gather_material(turns, sentences, show)
    drafted = tuple(_fill(material, [*_draft_fact(turns, episodes, show), *_draft_joke(material)]))
    if len(drafted) == N_QUESTIONS:
        return DraftedExam(drafted, "")
    return DraftedExam(
        drafted,
        f"in {len(episodes)} episode{'s' * (len(episodes) != 1)} and {len(material.statements):,} "
        f"statement{'s' * (len(material.statements) != 1)} the host says no more that comes in "
        f"{MIN_EPISODES} episodes and can be understood on its own",
    )


def _find_other_language(statements: Sequence[HostSentence], episodes: Sequence[Episode]) -> str:
    languages = Counter(episode.language for episode in episodes if episode.language)
    if languages and (most := languages.most_common(1)[0][0]) != "en":
        return most
    words = [word for said in statements[:500] for word in said.text.lower().split()]
    n_small = sum(word in word_list("small") for word in words)
    return "not told" if n_small < _MIN_ENGLISH * len(words) else ""


# --- choosing ---------------------------------------------------------------------------------------------------------


class _Exam:
    """Questions taken so far; no two are about the same word."""

    def __init__(self, taken: Iterable[Drafted]) -> None:
        self.taken = list(taken)
        self._used = {word for one in taken for word in list_stems(one.question.question_id.replace("-", " "))}

    def take(self, make: Callable[[], Drafted], about: str) -> None:
        """Take a question, unless the exam is full or has one about such a word; only then is it made.

        Most are not taken, and passages for each would be looked for in the whole show.
        """
        stems = list_stems(about)
        if len(self.taken) < N_QUESTIONS and self._used.isdisjoint(stems):
            self.taken.append(make())
            self._used |= stems

    def has_room(self, kind: QuestionKind) -> bool:
        """Whether fewer questions of a kind are taken than there should be."""
        return sum(one.question.kind == kind for one in self.taken) < _QUOTAS[kind]

    def word(self, templates: Sequence[str], phrase: str) -> str:
        """A question in the wording that was used least so far."""
        be = "are" if is_plural(phrase.split()[-1].lower()) else "is"
        wordings = [template.replace("{be}", be) for template in templates]
        asked = [one.question.text for one in self.taken]
        best = min(wordings, key=lambda one: sum(text.startswith(one.partition("{}")[0]) for text in asked))
        return best.replace("{}", phrase)


def _fill(material: HostMaterial, first: Sequence[Drafted]) -> list[Drafted]:
    """Fill the exam: sayings before opinions, each kind up to its number, then whatever is left of the best."""
    exam = _Exam(first)
    for saying in material.sayings:
        if exam.has_room("quotation"):
            exam.take(partial(_quote_saying, saying), saying.text)
        elif asked := _ask_saying(saying, exam):
            exam.take(partial(Drafted._make, asked), saying.text)
    late: list[Opinion] = []
    for opinion in [one for one in material.opinions if _is_full(one)]:
        is_long = opinion.form == "is" and len(list_content(opinion.words)) >= 3
        if exam.has_room("quotation") and is_long:
            exam.take(partial(_quote_opinion, opinion, material), opinion.subject)
        elif exam.has_room(_kind_of(opinion)):
            exam.take(partial(_ask_opinion, opinion, material, exam), opinion.subject)
        else:
            late.append(opinion)
    for topic in material.topics:
        exam.take(partial(_ask_topic, topic, exam), topic.phrase)
    for opinion in [*late, *(one for one in material.opinions if not _is_full(one))]:
        exam.take(partial(_ask_opinion, opinion, material, exam), opinion.subject)
    order = list(_QUOTAS)
    return sorted(exam.taken, key=lambda one: order.index(one.question.kind))


def _is_full(opinion: Opinion) -> bool:
    """Whether an opinion is general, and says more than one thing of its subject."""
    held = {*list_content(opinion.words)} - {*opinion.subject.split()} - word_list("faint")
    return sum(not word.endswith("ly") for word in held) > 1 and not opinion.phrase.startswith("the ")


def _kind_of(opinion: Opinion) -> QuestionKind:
    return "idea" if opinion.form == "is" else "belief"


# --- questions --------------------------------------------------------------------------------------------------------


def _quote_saying(saying: Saying) -> Drafted:
    words = bare_saying(saying).split()
    middle = (len(words) + 1) // 2
    text = f'Finish the following sentence: "{" ".join(words[:middle])}'
    subject, expected = " ".join(saying.words[:4]), " ".join(words[middle:])
    return _make("quotation", subject, text, expected, saying.said[:N_PASSAGES])


def _ask_saying(saying: Saying, exam: _Exam) -> Drafted | None:
    """What the host likes to say about a subject, as a belief or, when there are enough of these, as an idea."""
    text = bare_saying(saying)
    kind: QuestionKind = "belief" if exam.has_room("belief") else "idea"
    phrases = [phrase for phrase in find_noun_phrases(text) if phrase[0].islower()]
    if not phrases or not exam.has_room(kind):
        return None
    asked = exam.word(_TEMPLATES["saying"], _with_article(phrases[0], text))
    return _make(kind, phrases[0], asked, text, saying.said[:N_PASSAGES], _turn_round(text))


def _ask_opinion(opinion: Opinion, material: HostMaterial, exam: _Exam) -> Drafted:
    name: str = opinion.form
    if opinion.form == "is":
        first = next((word for word in opinion.words.lower().split() if not word.endswith("ly")), "")
        name = (
            "thing"
            if first in ("a", "an", "the", "all", "part", "what", "about", "your", "how", "such", "to")
            else "like"
        )
    text = exam.word(_TEMPLATES[name], opinion.phrase)
    passages = _find_passages(opinion, material)
    return _make(_kind_of(opinion), opinion.subject, text, opinion.words, passages, _turn_round(opinion.words))


def _ask_topic(topic: HostTopic, exam: _Exam) -> Drafted:
    kind: QuestionKind = "belief" if exam.has_room("belief") else "idea"
    text = exam.word(_TEMPLATES["does" if kind == "belief" else "topic"], topic.phrase)
    return _make(kind, topic.phrase, text, topic.words, topic.passages)


def _quote_opinion(opinion: Opinion, material: HostMaterial) -> Drafted:
    """A sentence of the host's own, to be finished."""
    verb = "are" if is_plural(opinion.subject.split()[-1]) else "is"
    text = f'Finish the following sentence: "{opinion.phrase[0].upper()}{opinion.phrase[1:]} {verb}'
    return _make("quotation", opinion.subject, text, opinion.words, _find_passages(opinion, material))


def _draft_joke(material: HostMaterial) -> Iterator[Drafted]:
    """What people laugh at: a saying, or what is said of a subject; none where the transcripts note no laughter."""
    for saying in material.sayings:
        phrases = find_noun_phrases(saying.text)
        if phrases and sum(said.is_joke for said in saying.said) >= 2 and len(list_content(saying.text)) >= 4:
            _, _, rest = saying.text.partition(phrases[0])
            text = f"What is your joke about {_with_article(phrases[0], saying.text)}?"
            yield _make("joke", phrases[0], text, rest.strip(" ,:;") or saying.text, saying.said[:N_PASSAGES])
            return
    for opinion in material.opinions:
        if opinion.said.is_joke:
            text = f"What do you joke about when it comes to {opinion.phrase}?"
            yield _make("joke", opinion.subject, text, opinion.words, _find_passages(opinion, material))
            return


def _draft_fact(turns: Sequence[Turn], episodes: Sequence[Episode], show: str) -> Iterator[Drafted]:
    """Guests of the year that had most, of the whole show where years are not known; else who is always there too."""
    guests: dict[str, dict[str, Turn]] = defaultdict(dict)
    for turn in turns:
        if turn.role == "guest" and len(turn.speaker.split()) >= 2:
            guests[turn.speaker].setdefault(turn.slug, turn)
    limit = max(MIN_EPISODES, len(episodes) / 4)
    always = [name for name, found in guests.items() if len(found) > limit]
    visits = [turn for name, found in guests.items() if name not in always for turn in found.values()]
    if len(visits) < MIN_EPISODES:
        for name in always[:1]:
            passages = tuple(map(_introduce, guests[name].values()))[:N_PASSAGES]
            yield _make("fact", "company", f"Who do you make {show} with?", name, passages)
        return
    years = {episode.slug: episode.published.year for episode in episodes if episode.published}
    by_year = Counter(years[turn.slug] for turn in visits if turn.slug in years)
    year = max(by_year, key=lambda one: (by_year[one], one)) if len(by_year) > 1 else None
    chosen = [_introduce(turn) for turn in visits if year is None or years.get(turn.slug) == year]
    question = Question(
        question_id=f"fact-guests-{year}" if year else "fact-guests",
        kind="fact",
        text=f"Who were some of the guests of {show} in {year}?" if year else f"Who were some of the guests of {show}?",
        guests_of=str(year) if year else "all",
    )
    yield Drafted(question, tuple(chosen[:N_PASSAGES]))


def _introduce(turn: Turn) -> HostSentence:
    return HostSentence(turn.slug, turn.position, f"{turn.speaker}: {turn.text}")


def _find_passages(opinion: Opinion, material: HostMaterial) -> tuple[HostSentence, ...]:
    """The sentence an opinion stands in, and those of other episodes that have its subject and most of its words."""
    pattern, wanted = re.compile(rf"\b{re.escape(opinion.subject)}\b", re.I), list_stems(opinion.words)
    best: dict[str, tuple[int, HostSentence]] = {}
    for said in material.statements:
        if said.slug != opinion.said.slug and pattern.search(said.text):
            found = (-len(wanted & list_stems(said.text)), said)
            best[said.slug] = min(best.get(said.slug, found), found)
    return (opinion.said, *(said for _, said in sorted(best.values())[: N_PASSAGES - 1]))


def _turn_round(words: str) -> str | None:
    """The opposite of what is said, where one word makes it; `None` where none does."""
    parts = words.split()
    if not {"but", "unless", "without", "not"}.isdisjoint(parts[2:]):
        return None
    for place, word in enumerate(parts[:6]):
        if (other := _SWAPS.get(word.lower())) is not None:
            turned = " ".join([*parts[:place], *other.split(), *parts[place + 1 :]])
            return re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", turned) or None
    return None


def _with_article(phrase: str, text: str) -> str:
    found = re.search(rf"(\b(?:an?|the|my|your)|'s) {re.escape(phrase)}\b", text, re.I)
    article = found[1].lower() if found else ""
    return f"{ {'my': 'your', chr(39) + 's': 'the'}.get(article, article) } {phrase}".strip()


def _make(
    kind: QuestionKind,
    subject: str,
    text: str,
    expected: str,
    passages: tuple[HostSentence, ...],
    opposite: str | None = None,
) -> Drafted:
    slug = re.sub(r"[^a-z0-9]+", "-", subject.lower()).strip("-")
    name = f"{kind}-{slug}"[:40].rstrip("-")
    return Drafted(Question(question_id=name, kind=kind, text=text, expected=expected, opposite=opposite), passages)


# --- the file ---------------------------------------------------------------------------------------------------------


def write_exam(draft: DraftedExam, *, host: str) -> str:
    """The drafted exam as a questions.toml: each question with the passages as comments, to be edited."""
    head = f"""\
# {len(draft.questions)} questions about {_one_line(host)}, drafted by rule from the transcripts. Read and edit them.
# `expected` holds the words of a right answer, `opposite` what a wrong one says; leave either out where it does not
# fit. Under each question stand passages that show what the host says, by episode and turn.
"""
    return head + "".join(map(_write_question, draft.questions))


def _write_question(drafted: Drafted) -> str:
    question = drafted.question
    lines = ["", "[[question]]"]
    for key in ("question_id", "kind", "text", "expected", "opposite", "guests_of"):
        if (value := getattr(question, key)) is not None:
            lines.append(f"{key} = {_quote(value)}")
    lines += [f"# {_one_line(f'{said.slug}#{said.position}: {said.text}')}" for said in drafted.passages]
    return "\n".join(lines) + "\n"


def _quote(text: str) -> str:
    # A JSON string is a TOML basic string, but for DEL.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _one_line(text: str) -> str:
    plain = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return plain if len(plain) <= _MAX_QUOTE else plain[: _MAX_QUOTE - 1] + "…"
