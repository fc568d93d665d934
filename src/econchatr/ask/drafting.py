"""An exam about one host, drafted by rule from what that host says often: questions, right answers, and the passages.

A draft is to be read and edited by somebody who knows the show. English only.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from econchatr.ask.statements import (
    MIN_RUN_WORDS,
    Opinion,
    Said,
    Saying,
    find_opinions,
    find_sayings,
    list_content,
    list_sentences,
)
from econchatr.noun_phrases import find_noun_phrases, is_plural, verb_form, word_list
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

_NAME_SHARE: Final = 0.15
_ARTICLE_SHARE: Final = 0.35
_BEFORE_ONE: Final = frozenset(["a", "an", "the", "your", "my", "our", "this", "that", "their", "his", "her"])

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
_NO_BEGINNING: Final = frozenset(
    ["that's", "that", "this", "it", "it's", "he", "she", "they", "there", "there's", "and", "so", "but", "because",
     "which", "who", "where", "when", "how", "if", "here", "them", "their", "him", "her", "these", "those"]
)  # fmt: skip
_SMALL_TALK: Final = frozenset(
    ["show", "episode", "podcast", "listeners", "listening", "guest", "welcome", "thank", "thanks", "question",
     "questions", "conversation", "joining", "today", "sponsor", "sponsors", "curious", "appreciate", "guess", "yeah",
     "maybe", "know", "mean", "excited", "sorry", "think", "saying", "describe", "figure"]
)  # fmt: skip


_Lean = Callable[[str], float]


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


def draft_exam(turns: Sequence[Turn], episodes: Sequence[Episode], *, show: str, host: str = "") -> Draft:
    """Questions about what a host says often, in the exam's five kinds.

    Args:
        turns: Of every episode, in order.
        show: The show's name, as questions put it.
        host: Only this one of several hosts; empty: every host.
    """
    sentences = list_sentences(turns, host=host)
    if language := _find_other_language(sentences, episodes):
        return Draft((), f"the transcripts are in another language ({language}), and questions are drafted in English")
    material = _gather(turns, sentences, show)
    drafted = tuple(_fill(material, [*_draft_fact(turns, episodes, show), *_draft_joke(material)]))
    if len(drafted) == N_QUESTIONS:
        return Draft(drafted, "")
    return Draft(
        drafted,
        f"in {len(episodes)} episodes and {len(material.statements):,} statements the host says no more that comes in "
        f"{MIN_EPISODES} episodes and can be understood on its own",
    )


def _find_other_language(statements: Sequence[Said], episodes: Sequence[Episode]) -> str:
    languages = Counter(episode.language for episode in episodes if episode.language)
    if languages and (most := languages.most_common(1)[0][0]) != "en":
        return most
    words = [word for said in statements[:500] for word in said.text.lower().split()]
    n_small = sum(word in word_list("small") for word in words)
    return "not told" if n_small < _MIN_ENGLISH * len(words) else ""


# --- what the host says often -----------------------------------------------------------------------------------------


class _Topic(NamedTuple):
    """What the host often speaks of, whatever he says of it."""

    phrase: str
    """With the article it mostly has."""
    words: str
    """What else he mostly says where he speaks of it."""
    passages: tuple[Said, ...]


class _Material(NamedTuple):
    """What a show's host says."""

    statements: list[Said]
    opinions: list[Opinion]
    """The best of each subject that comes often, the best first."""
    sayings: list[Saying]
    """Whole sentences that come again, the most frequent first."""
    topics: list[_Topic]
    """Of two words or more, the most frequent first."""


def _gather(turns: Sequence[Turn], sentences: Sequence[Said], show: str) -> _Material:
    speakers = frozenset(word for text in (show, *{turn.speaker for turn in turns}) for word in list_content(text))
    names = speakers | _list_names(sentences)
    statements = [said for said in sentences if not said.is_question]
    spread, stated = _count_episodes(sentences), _count_episodes(statements)
    n_episodes = len({said.slug for said in sentences})
    limit = _MAX_SHARE * n_episodes if n_episodes >= 10 else n_episodes
    groups: dict[str, list[Opinion]] = defaultdict(list)
    for opinion in find_opinions(statements):
        key = _number_free(opinion.subject)
        if len(spread[key]) >= MIN_EPISODES and len(stated[key]) <= limit and names.isdisjoint(opinion.subject.split()):
            groups[key].append(opinion)
    lean, articles = _measure_lean(turns, statements), _Articles(sentences)
    scored = []
    for subject, opinions in groups.items():
        kept = [one for one in opinions if one.phrase.lower() != one.subject or not articles.needs(one.subject)]
        if kept:
            best = max(kept, key=lambda opinion: (_rate(opinion), opinion.words))
            score = _rate(best) + 1.5 * min(len({one.said.slug for one in kept}), 5) + lean(subject.split()[-1])
            scored.append((-score - math.log2(len(spread[subject])) / 4, subject, best))
    sayings = [one for one in find_sayings(statements, min_episodes=MIN_EPISODES) if _is_whole(one, speakers)]
    topics = [_describe(phrase, statements) for phrase in _list_topics(statements, stated, limit, names, lean)]
    return _Material(statements, [best for _, _, best in sorted(scored)], sayings, list(filter(None, topics)))


def _list_topics(
    statements: Iterable[Said], stated: Mapping[str, set[str]], limit: float, names: frozenset[str], lean: _Lean
) -> list[str]:
    """Phrases of two words or more that the host says in many episodes, and more than the guests."""
    ways: dict[str, Counter[str]] = defaultdict(Counter)
    for said in statements:
        for phrase in find_noun_phrases(said.text):
            ways[_number_free(phrase.lower())][phrase] += 1
    dull = word_list("faint") | word_list("stock_subjects") | word_list("vague") | names
    found = [
        (-math.log2(len(stated[key])) - sum(map(lean, key.split())) / 2, key)
        for key in ways
        if " " in key and MIN_EPISODES <= len(stated[key]) <= limit and dull.isdisjoint(key.replace("-", " ").split())
    ]
    return [
        max(ways[key], key=lambda phrase: (ways[key][phrase], phrase)) for _, key in sorted(found)[: 4 * N_QUESTIONS]
    ]


def _describe(phrase: str, statements: Sequence[Said]) -> _Topic | None:
    """A topic with what else the host says there; `None` where nothing comes twice."""
    pattern = re.compile(rf"(?:\b(an?|the) )?\b{re.escape(phrase)}\b", re.I)
    told = [(said, found) for said in statements if (found := pattern.search(said.text))]
    articles = Counter((found[1] or "").lower() for _, found in told)
    counts = Counter(word for said, _ in told for word in set(list_content(said.text)))
    own = _stems(phrase)
    words = [word for word, n in counts.most_common() if n > 1 and len(word) > 3 and not _stems(word) <= own]
    words = [word for word in words if word not in word_list("faint") and not verb_form(word)][:3]
    by_episode = {said.slug: said for said, _ in reversed(told) if not set(words).isdisjoint(list_content(said.text))}
    if len(words) < 2:
        return None
    named = f"{articles.most_common(1)[0][0]} {phrase}".strip()
    return _Topic(named, ", ".join(words), tuple(by_episode.values())[:_N_PASSAGES])


def _count_episodes(statements: Iterable[Said]) -> dict[str, set[str]]:
    """Phrase -> the episodes it comes in, also as the end of a longer one."""
    found: dict[str, set[str]] = defaultdict(set)
    for said in statements:
        for phrase in find_noun_phrases(said.text):
            words = phrase.lower().split()
            for begin in range(len(words)):
                found[_number_free(" ".join(words[begin:]))].add(said.slug)
    return found


def _number_free(phrase: str) -> str:
    """The same for a phrase in the singular and in the plural."""
    return phrase.removesuffix("s")


def _measure_lean(turns: Sequence[Turn], statements: Sequence[Said]) -> _Lean:
    """How much more the host says a word than the guests do, as a power of two from -1 to 1."""
    own = Counter(word for said in statements for word in set(list_content(said.text)))
    others = Counter(word for turn in turns if turn.role == "guest" for word in set(list_content(turn.text)))
    total = math.log2((others.total() + 1) / (own.total() + 1))
    return lambda word: max(-1.0, min(1.0, math.log2((own[word] + 1) / (others[word] + 1)) + total))


def _list_names(sentences: Iterable[Said]) -> frozenset[str]:
    """Words that are written with a capital, and often before another word that is: first names of people."""
    words, firsts = Counter[str](), Counter[str]()
    for said in sentences:
        words.update(re.findall(r"(?<=\w )[A-Za-z]+", said.text))
        firsts.update(re.findall(r"(?<=\w )[A-Z][a-z]+(?= [A-Z][a-z])", said.text))
    return frozenset(
        name.lower()
        for name, n in firsts.items()
        if n > _NAME_SHARE * words[name] and words[name] > words[name.lower()]
    )


class _Articles:
    """How often a word is said, and how often with an article or the like before it."""

    def __init__(self, statements: Iterable[Said]) -> None:
        self._all, self._with = Counter[str](), Counter[str]()
        for said in statements:
            words = said.text.lower().replace(",", "").split()
            self._all.update(words)
            self._with.update(word for before, word in pairwise(words) if before in _BEFORE_ONE)

    def needs(self, subject: str) -> bool:
        """Whether a subject in the singular is mostly said with an article: `CEO`, `process`."""
        first = subject.split()[0]
        return not is_plural(subject.split()[-1]) and self._with[first] > _ARTICLE_SHARE * self._all[first]


def _rate(opinion: Opinion) -> float:
    """How well an opinion stands alone: a bare subject is meant in general, `the` often means one at hand."""
    held = {*list_content(opinion.words)} - {*opinion.subject.split()}
    weight = {"is": 1.0, "does": 1.0, "advice": 1.0, "likes": 0.5, "matter": 2.0}[opinion.form]
    return weight + 2 * (not opinion.phrase.startswith("the ")) + min(len(held), 4) * 0.75


def _is_whole(saying: Saying, names: frozenset[str]) -> bool:
    """Whether a saying is a sentence, has something in it, and is no small talk."""
    sentence, text = saying.said[0].text, _bare(saying)
    words = text.lower().split()
    strong = set(list_content(text)) - word_list("vague") - word_list("determiners") - word_list("adverbs")
    if len(words) < MIN_RUN_WORDS or len(strong) < 2 or words[0] in _NO_BEGINNING or "them" in words:
        return False
    if not _SMALL_TALK.isdisjoint(words) or not names.isdisjoint(strong):
        return False
    begins = sentence.startswith(text) or any(f"{mark}{text}" in sentence for mark in ("'", '"', ": ", ", "))
    return begins and sentence.rstrip(" .!…'\"").endswith(text)


def _bare(saying: Saying) -> str:
    """A saying without who said it: what stands behind the colon of a quotation."""
    return saying.text.rpartition(": '")[2].strip(" '\"")


# --- choosing ---------------------------------------------------------------------------------------------------------


class _Exam:
    """Questions taken so far; no two are about the same word."""

    def __init__(self, taken: Iterable[Drafted]) -> None:
        self.taken = list(taken)
        self._used = {word for one in taken for word in _stems(one.question.question_id.replace("-", " "))}

    def take(self, drafted: Drafted, about: str) -> None:
        """Take a question, unless the exam is full or has one about such a word."""
        stems = _stems(about)
        if len(self.taken) < N_QUESTIONS and self._used.isdisjoint(stems):
            self.taken.append(drafted)
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


def _stems(text: str) -> set[str]:
    return {word.removesuffix("s").removesuffix("e") for word in list_content(text)}


def _fill(material: _Material, first: Sequence[Drafted]) -> list[Drafted]:
    """Fill the exam: sayings before opinions, each kind up to its number, then whatever is left of the best."""
    exam = _Exam(first)
    for saying in material.sayings:
        if exam.has_room("quotation"):
            exam.take(_quote_saying(saying), saying.text)
        elif asked := _ask_saying(saying, exam):
            exam.take(asked, saying.text)
    late: list[Opinion] = []
    for opinion in [one for one in material.opinions if _is_full(one)]:
        is_long = opinion.form in ("is", "does") and len(list_content(opinion.words)) >= 3
        if exam.has_room("quotation") and is_long:
            exam.take(_quote_opinion(opinion, material), opinion.subject)
        elif exam.has_room(_kind_of(opinion)):
            exam.take(_ask_opinion(opinion, material, exam), opinion.subject)
        else:
            late.append(opinion)
    for topic in material.topics:
        exam.take(_ask_topic(topic, exam), topic.phrase)
    for opinion in [*late, *(one for one in material.opinions if not _is_full(one))]:
        exam.take(_ask_opinion(opinion, material, exam), opinion.subject)
    order = list(_QUOTAS)
    return sorted(exam.taken, key=lambda one: order.index(one.question.kind))


def _is_full(opinion: Opinion) -> bool:
    """Whether an opinion is general, and says more than one thing of its subject."""
    held = {*list_content(opinion.words)} - {*opinion.subject.split()} - word_list("faint")
    return len(held) > 1 and not opinion.phrase.startswith("the ")


def _kind_of(opinion: Opinion) -> QuestionKind:
    return "idea" if opinion.form == "is" else "belief"


# --- questions --------------------------------------------------------------------------------------------------------


def _quote_saying(saying: Saying) -> Drafted:
    words = _bare(saying).split()
    middle = (len(words) + 1) // 2
    text = f'Finish the following sentence: "{" ".join(words[:middle])}'
    subject, expected = " ".join(saying.words[:4]), " ".join(words[middle:])
    return _make("quotation", subject, text, expected, saying.said[:_N_PASSAGES])


def _ask_saying(saying: Saying, exam: _Exam) -> Drafted | None:
    """What the host likes to say about a subject, as a belief or, when there are enough of these, as an idea."""
    text = _bare(saying)
    kind: QuestionKind = "belief" if exam.has_room("belief") else "idea"
    phrases = [phrase for phrase in find_noun_phrases(text) if phrase[0].islower()]
    if not phrases or not exam.has_room(kind):
        return None
    asked = exam.word(_TEMPLATES["saying"], _with_article(phrases[0], text))
    return _make(kind, phrases[0], asked, text, saying.said[:_N_PASSAGES], _turn_round(text))


def _ask_opinion(opinion: Opinion, material: _Material, exam: _Exam) -> Drafted:
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


def _ask_topic(topic: _Topic, exam: _Exam) -> Drafted:
    kind: QuestionKind = "belief" if exam.has_room("belief") else "idea"
    text = exam.word(_TEMPLATES["does" if kind == "belief" else "topic"], topic.phrase)
    return _make(kind, topic.phrase, text, topic.words, topic.passages)


def _quote_opinion(opinion: Opinion, material: _Material) -> Drafted:
    """A sentence of the host's own, to be finished."""
    words = opinion.words.split()
    verb = ("are" if is_plural(opinion.subject.split()[-1]) else "is") if opinion.form == "is" else words.pop(0)
    text = f'Finish the following sentence: "{opinion.phrase[0].upper()}{opinion.phrase[1:]} {verb}'
    return _make("quotation", opinion.subject, text, " ".join(words), _find_passages(opinion, material))


def _draft_joke(material: _Material) -> Iterator[Drafted]:
    """What people laugh at: a saying, or what is said of a subject; none where the transcripts note no laughter."""
    for saying in material.sayings:
        phrases = find_noun_phrases(saying.text)
        if phrases and sum(said.is_joke for said in saying.said) >= 2 and len(list_content(saying.text)) >= 4:
            _, _, rest = saying.text.partition(phrases[0])
            text = f"What is your joke about {_with_article(phrases[0], saying.text)}?"
            yield _make("joke", phrases[0], text, rest.strip(" ,:;") or saying.text, saying.said[:_N_PASSAGES])
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
            passages = tuple(map(_introduce, guests[name].values()))[:_N_PASSAGES]
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
    yield Drafted(question, tuple(chosen[:_N_PASSAGES]))


def _introduce(turn: Turn) -> Said:
    return Said(turn.slug, turn.position, f"{turn.speaker}: {turn.text}")


def _find_passages(opinion: Opinion, material: _Material) -> tuple[Said, ...]:
    """The sentence an opinion stands in, and those of other episodes that have its subject and most of its words."""
    pattern, wanted = re.compile(rf"\b{re.escape(opinion.subject)}\b", re.I), _stems(opinion.words)
    best: dict[str, tuple[int, Said]] = {}
    for said in material.statements:
        if said.slug != opinion.said.slug and pattern.search(said.text):
            found = (-len(wanted & _stems(said.text)), said)
            best[said.slug] = min(best.get(said.slug, found), found)
    return (opinion.said, *(said for _, said in sorted(best.values())[: _N_PASSAGES - 1]))


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
    found = re.search(rf"\b(an?|the|my|your) {re.escape(phrase)}\b", text, re.I)
    article = found[1].lower() if found else ""
    return f"{'your' if article == 'my' else article} {phrase}".strip()


def _make(
    kind: QuestionKind, subject: str, text: str, expected: str, passages: tuple[Said, ...], opposite: str | None = None
) -> Drafted:
    slug = re.sub(r"[^a-z0-9]+", "-", subject.lower()).strip("-")
    name = f"{kind}-{slug}"[:40].rstrip("-")
    return Drafted(Question(question_id=name, kind=kind, text=text, expected=expected, opposite=opposite), passages)


# --- the file ---------------------------------------------------------------------------------------------------------


def write_exam(draft: Draft, *, host: str) -> str:
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
