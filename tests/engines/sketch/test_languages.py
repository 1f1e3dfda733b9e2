"""Common prompts are understood in every language."""

import pytest

from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.reading.reader import read

PROMPTS = (
    ("es", "un gato negro en la playa", "cat:black beach"),
    ("es", "tres manzanas rojas sobre una mesa", "red-apple*3:red on table"),
    ("es", "un perro a la izquierda de un árbol", "dog left deciduous-tree"),
    ("fr", "un château sur une colline au coucher du soleil", "castle meadow sunset"),
    ("fr", "deux chats blancs dans un jardin", "cat*2:white garden"),
    ("fr", "l'oiseau bleu derrière la maison", "bird:blue behind house"),
    ("de", "ein roter Ball unter einem Tisch", "soccer-ball:red under table"),
    ("de", "drei Hunde am Strand bei Nacht", "dog*3 beach night"),
    ("de", "eine Frau neben einem Pferd", "woman next horse"),
    ("pt", "um cachorro à esquerda de uma árvore", "dog left deciduous-tree"),
    ("pt", "duas flores amarelas no jardim", "blossom*2:yellow garden"),
    ("it", "un gatto su una sedia", "cat on chair"),
    ("it", "una macchina rossa in città di notte", "automobile:red city night"),
    ("id", "seekor kucing hitam di pantai", "cat:black beach"),
    ("id", "tiga burung di langit biru", "bird*3 sky"),
    ("tr", "kırmızı bir araba evin önünde", "automobile:red in-front house"),
    ("tr", "masanın altında bir kedi", "cat under table"),
    ("vi", "hai con mèo trên bãi biển", "cat*2 beach"),
    ("vi", "một bông hoa đỏ trong vườn", "blossom:red garden"),
    ("ru", "две кошки на скамейке", "cat*2 on bench"),
    ("ru", "красная машина в городе ночью", "automobile:red city night"),
    ("zh", "一只戴着帽子的猫", "cat wearing top-hat"),
    ("zh", "三只猫在草地上", "cat*3 meadow"),
    ("zh", "一个骑着马的宇航员", "astronaut riding horse"),
    ("zh", "夜晚的城市，下雨", "city night rain"),
    ("ja", "森の中の赤いきつね", "fox:red forest"),
    ("ja", "机の下の猫", "cat under table"),
    ("ko", "빨간 자동차와 파란 자전거", "automobile:red bicycle:blue"),
    ("ko", "해변의 개 두 마리", "dog*2 beach"),
    ("ar", "قطة سوداء تحت طاولة", "cat:black under table"),
    ("ar", "قطة على الشاطئ", "cat beach"),
    ("hi", "मेज पर एक लाल सेब", "red-apple:red on table"),
    ("hi", "बगीचे में तीन फूल", "blossom*3 garden"),
)


@pytest.mark.parametrize(("code", "prompt", "expected"), PROMPTS)
def test_a_common_prompt_is_understood(code: str, prompt: str, expected: str, library: Library) -> None:
    wish = read(prompt, library.emoji)
    names = [thing.picture for thing in wish.things]
    shown = [
        thing.picture + (f"*{thing.count}" if thing.count > 1 else "") + (f":{thing.colour}" if thing.colour else "")
        for thing in wish.things
    ]
    said = [name for name in (wish.place, wish.time, wish.weather) if name is not None]
    joined = {(names[one.subject], one.kind, names[one.other]) for one in wish.relations if one.other is not None}
    for wanted in expected.split():
        assert wanted in shown or wanted in said or wanted in {kind for _, kind, _ in joined}, (
            code,
            shown,
            said,
            joined,
        )
    words = expected.split()
    for at, word in enumerate(words):
        if word in {"left", "behind", "under", "next", "on", "in-front", "wearing", "riding"}:
            assert (_plain(words[at - 1]), word, _plain(words[at + 1])) in joined
    assert wish.not_understood == ()


def _plain(shown: str) -> str:
    return shown.split(":")[0].split("*")[0]
