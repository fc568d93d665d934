"""The language a transcript is in, by the share of its most frequent small words.

Small words (the, of, and; der, und, nicht) are a third to a half of all speech in languages that have them, and hardly
any are left in another language. Languages in a script of their own are known by its letters. A doubtful case gives no
answer.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from econchatr.records import Turn

MIN_WORDS: Final = 200
"""Of fewer words nothing is said: a short clip may hold mostly names."""

_N_WINDOWS: Final = 20
_WINDOW_CHARS: Final = 500
_MIN_SHARE: Final = 0.2
_MIN_LEAD: Final = 1.4
_MAX_FOREIGN_SHARE: Final = 0.1
_MIN_SCRIPT_SHARE: Final = 0.5
_WORD: Final = re.compile(r"[^\W\d_]+")

# fmt: off
_SMALL_WORDS: Final[Mapping[str, str]] = {
    "en": "the a an of to and in that it is i you he she we they was were be been are this these those for on "
          "with as at by from or but not have has had do does did so if what which who how there then than can "
          "could would will my your his her our their me him them just about because when all its don s t re ve "
          "ll m",
    "de": "der die das und ich du er sie es wir ihr ist sind war waren nicht ein eine einen einem einer eines den "
          "dem des zu zum zur mit auf für von vom im an auch so wie als aber oder wenn dann dass daß hat haben "
          "habe hatte wird werden noch nur schon mal da ja man mich mir sich uns bei nach aus um über was wer "
          "kein keine sehr",
    "fr": "le la les un une des du de et je tu il elle on nous vous ils elles est sont était être ai as a avons "
          "avez ont ne pas que qui quoi ce cette ces ça c d l j n s qu dans en sur pour par avec sans mais ou où "
          "donc alors plus très bien comme aussi tout tous leur son sa ses mon ma mes au aux si y se me te",
    "es": "el la los las un una unos unas de del y e o que no en es son era fue ser está están estaba yo tú él "
          "ella nosotros ellos se me te lo le les nos su sus mi mis por para con sin pero como más muy ya también "
          "cuando porque si qué hay al este esta esto eso esa ese han ha he había todo entonces bueno pues",
    "it": "il lo la i gli le un una uno di del della dei delle dello e che non è sono era erano essere ho hai ha "
          "abbiamo hanno io tu lui lei noi loro si mi ti ci vi a al alla ai alle da dal dalla in nel nella su sul "
          "con per tra ma o se come più anche quando perché questo questa quello quella cosa c l molto poi allora "
          "quindi",
    "pt": "o a os as um uma uns umas de do da dos das e que não em no na nos nas é são era foi ser está estão eu "
          "tu ele ela nós eles elas você se me te lhe por pelo pela para com sem mas ou como mais muito já também "
          "quando porque isso isto esse essa este esta seu sua meu minha ao à tem há gente então aí só quem",
    "nl": "de het een en van ik je jij hij zij ze we wij is zijn was waren niet geen dat die dit deze in op te "
          "aan met voor door bij naar uit over om als maar of dan ook nog wel er heb hebt heeft hebben had hadden "
          "wordt worden kan kunnen zou zo wat wie hoe waar daar hier meer heel mijn jouw haar ons onze hun toen "
          "want",
    "sv": "och i att det som en ett är var jag du han hon vi ni de dem den inte på för med av till om men så har "
          "hade kan ska skulle vill från när då där här vad vem hur eller också mycket bara mig dig sig oss min "
          "din sin detta denna alla man blir blev nu ju väl in ut upp efter mer",
    "da": "og i at det som en et er var jeg du han hun vi de dem den ikke på for med af til om men så har havde "
          "kan skal skulle vil fra når da der her hvad hvem hvordan eller også meget bare mig dig sig os min din "
          "sin dette denne alle man bliver blev nu jo op ud efter mere noget nogle",
    "no": "og i å at det som en et er var jeg du han hun vi de dem den ikke på for med av til om men så har hadde "
          "kan skal skulle vil fra når da der her hva hvem hvordan eller også mye bare meg deg seg oss min din "
          "sin dette denne alle man blir ble nå jo opp ut etter mer noe noen",
    "fi": "ja on ei se että oli hän minä sinä me te he niin kun kuin mutta tai jos mikä kuka mitä joka jotka olen "
          "olet olemme ovat ole olla olisi sen sitä siitä siinä tämä tämän tätä nämä ne minun sinun hänen meidän "
          "ihan vielä sitten nyt vain kyllä myös ettei en et eikä koska miten missä jo niitä",
    "pl": "i w na z do że się nie to jest są był była było być jak ale o od po za dla przez przy co czy kto gdzie "
          "kiedy bo tak już tylko też jeszcze ja ty on ona my wy oni mnie mi ci go jej ich tego tej tym ten ta te "
          "który która które ma mam może bardzo więc no u pod nad",
    "cs": "a i v na z do že se si ne to je jsou byl byla bylo být jak ale o od po za pro při co kdo kde když "
          "protože tak už jen taky ještě já ty on ona my vy oni mě mi ti ho jeho jí jejich toho tom ten ta které "
          "který která má mám může velmi takže no u s k ve ze jsem jsme jste",
    "tr": "ve bir bu da de için ile çok ne var yok ben sen o biz siz onlar mi mı mu mü değil gibi daha ama ki şey "
          "en kadar sonra her şu olan olarak olduğu olur oldu diye hem ya veya ise nasıl neden zaman bana sana "
          "ona bizim benim senin onun işte böyle hiç",
    "id": "dan yang di ke dari ini itu untuk dengan tidak ada saya kamu dia kita kami mereka adalah akan bisa "
          "sudah juga atau tapi karena kalau jadi lebih pada oleh seperti dalam apa siapa bagaimana ya lagi "
          "banyak orang satu para telah belum hanya saja sangat kan nya",
    "ru": "и в не на я что он она мы вы они с со как это а но по к у из за от о об для же бы то так все его её их "
          "мне меня тебе нам вам был была было были есть нет да ну вот если когда только или уже ещё там тут где "
          "кто этот эта эти очень потому чтобы",
    "uk": "і й в у не на я що він вона ми ви вони з із зі як це а але по до за від про для ж же би то так все "
          "його її їх мені мене тобі нам вам був була було були є ні та ну от якщо коли тільки або вже ще там тут "
          "де хто цей ця ці дуже тому щоб",
}
# fmt: on
"""Code -> the words of the language that say little and stand everywhere. Our own choice, by hand."""

NAMES: Final[Mapping[str, str]] = {
    "en": "English", "de": "German", "fr": "French", "es": "Spanish", "it": "Italian", "pt": "Portuguese",
    "nl": "Dutch", "sv": "Swedish", "da": "Danish", "no": "Norwegian", "fi": "Finnish", "pl": "Polish",
    "cs": "Czech", "tr": "Turkish", "id": "Indonesian", "ru": "Russian", "uk": "Ukrainian", "el": "Greek",
    "he": "Hebrew", "ar": "Arabic", "hi": "Hindi", "th": "Thai", "ko": "Korean", "ja": "Japanese", "zh": "Chinese",
}  # fmt: skip
"""Code (ISO 639-1) -> name of every language that can be told."""

_SCRIPTS: Final[Mapping[str, str]] = {
    "GREEK": "el", "HEBREW": "he", "ARABIC": "ar", "DEVANAGARI": "hi", "THAI": "th", "HANGUL": "ko", "HIRAGANA": "ja",
    "KATAKANA": "ja", "CJK": "zh",
}  # fmt: skip
_LISTS: Final = {code: frozenset(words.split()) for code, words in _SMALL_WORDS.items()}
# Written alike; no show is taken apart for the difference.
_ALIKE: Final = ({"da", "no"},)


@dataclass(frozen=True)
class Language:
    """What language something was said in."""

    code: str
    """ISO 639-1; empty: not told."""
    shares: Mapping[str, float]
    """Code -> share of all words that are small words of that language, or of letters in its script."""


def tell_language(turns: Sequence[Turn]) -> Language:
    """Get the language of a transcript; without an answer where it is too short, mixed, or in none that is known."""
    sample = _take_sample("\n".join(turn.text for turn in turns))
    scripts = _count_scripts(sample)
    script = max(scripts, key=lambda code: scripts[code], default="")
    # Japanese is written with more Chinese letters than its own.
    script = "ja" if script == "zh" and scripts.get("ja", 0) > 0.05 else script
    if script and sum(scripts.values()) >= _MIN_SCRIPT_SHARE:
        return Language(script, scripts)
    counts = Counter(match[0] for match in _WORD.finditer(sample.lower()))
    n_words = counts.total()
    shares = {code: sum(counts[word] for word in words) / max(1, n_words) for code, words in _LISTS.items()}
    best, second = _rank(shares)
    is_sure = n_words >= MIN_WORDS and shares[best] >= _MIN_SHARE and shares[best] >= _MIN_LEAD * second
    return Language(best if is_sure else "", shares if n_words >= MIN_WORDS else {})


def choose_language(told: Iterable[Language]) -> str:
    """Get the language of a show: that of two thirds of its transcripts or more; empty where there is no such one."""
    counts = Counter(language.code for language in told if language.code)
    code, n = counts.most_common(1)[0] if counts else ("", 0)
    return code if 3 * n >= 2 * counts.total() else ""


def explain_foreign(language: Language, expected: str) -> str:
    """Get why a transcript is not in the expected language; empty if it is, or if nothing can be said."""
    if not expected or not language.shares or _is_alike(language.code, expected):
        return ""
    share, name = language.shares.get(expected, 0.0), NAMES.get(expected, f"{expected!r}")
    if language.code:
        return f"it is in {NAMES[language.code]}, the show in {name}"
    if expected in _LISTS and share <= _MAX_FOREIGN_SHARE:
        return f"only {share:.0%} of its words are among the small words of {name}, the language of the show"
    return ""


def _is_alike(one: str, other: str) -> bool:
    return one == other or {one, other} in _ALIKE


def _rank(shares: Mapping[str, float]) -> tuple[str, float]:
    """Get the best language, and the share of the next one that is not written alike."""
    best = max(shares, key=lambda code: shares[code])
    return best, max(share for code, share in shares.items() if not _is_alike(code, best))


def _take_sample(text: str) -> str:
    """Get pieces from everywhere in a text: an introduction may be in another language than the talk."""
    if len(text) <= _N_WINDOWS * _WINDOW_CHARS:
        return text
    step = len(text) // _N_WINDOWS
    return " ".join(text[n * step : n * step + _WINDOW_CHARS] for n in range(_N_WINDOWS))


def _count_scripts(sample: str) -> dict[str, float]:
    """Get code -> share of the letters that are in a script which only that language has here."""
    letters = {char: n for char, n in Counter(sample).items() if char.isalpha()}
    found = Counter[str]()
    for char, n in letters.items():
        code = _SCRIPTS.get(unicodedata.name(char, "").partition(" ")[0]) if char > "\u036f" else None
        found.update({code: n} if code else {})
    return {code: n / sum(letters.values()) for code, n in found.items()}
