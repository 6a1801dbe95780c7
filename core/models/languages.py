"""Words of other languages for the seven emotions that corpora label most, as their owners write them.

A word that two languages use for two emotions is left out, and so is one that is also a common word of English.
"""

from __future__ import annotations

import unicodedata

# German, French, Spanish, Italian, Portuguese, Dutch, Polish; Chinese in both scripts, Japanese, Korean.
_WRITTEN = {
    "anger": """
        Wut Ärger Zorn wütend ärgerlich zornig | colère fâché | ira enojo enfado rabia enojado | rabbia collera arrabbiato
        | raiva | woede boosheid boos kwaad | złość gniew | 愤怒 生气 怒 憤怒 生氣 | 怒り | 분노 화남
    """,
    "disgust": """
        Ekel angewidert angeekelt | dégoût dégoûté | asco repugnancia disgusto | disgustato | nojo aversão | walging
        | wstręt obrzydzenie | 厌恶 恶心 厭惡 噁心 | 嫌悪 | 혐오
    """,
    "fear": """
        Angst Furcht ängstlich | peur apeuré | miedo temor | paura impaurito | medo | strach lęk
        | 恐惧 害怕 恐懼 | 恐れ 恐怖 | 두려움 공포
    """,
    "happiness": """
        Freude Glück Fröhlichkeit fröhlich glücklich | joie bonheur heureux heureuse joyeux | alegría felicidad feliz alegre
        | gioia felicità felice | alegria felicidade | vreugde blijdschap geluk blij gelukkig | radość szczęście
        | 高兴 快乐 开心 喜悦 高興 快樂 開心 喜悅 幸福 | 喜び 幸せ | 기쁨 행복
    """,
    "neutral": """
        neutre neutralité | neutro neutra | neutrale neutralità | neutraal | neutralny neutralna neutralne neutralność
        | 中性 中立 | ニュートラル | 중립
    """,
    "sadness": """
        Trauer Traurigkeit traurig | tristesse triste | tristeza | tristezza | verdriet droefheid verdrietig | smutek
        | 悲伤 伤心 难过 悲傷 傷心 難過 | 悲しみ | 슬픔
    """,
    "surprise": """
        Überraschung überrascht | surpris étonnement | sorpresa sorprendido | sorpreso | surpresa | verrassing verrast
        | zaskoczenie zdziwienie | 惊讶 吃惊 惊奇 驚訝 驚奇 | 驚き | 놀람 놀라움
    """,
}
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})
# A stroke is no accent to Unicode.
_STROKES = str.maketrans({"ł": "l"})


def _spellings(word: str) -> set[str]:
    """A word in small letters, with its accents, without, and with German's second spelling."""
    word = unicodedata.normalize("NFC", word.casefold())
    bare = "".join(c for c in unicodedata.normalize("NFD", word.translate(_STROKES)) if unicodedata.category(c) != "Mn")
    # Syllables of Korean and marks of Japanese come off too: nobody writes these without.
    return {word, word.translate(_UMLAUTS), bare if bare.isascii() else word}


WORDS = {
    spelling: noun
    for noun, words in _WRITTEN.items()
    for word in words.split()
    if word != "|"
    for spelling in sorted(_spellings(word))
}
"""Every spelling, in small letters -> the noun of the emotion."""
