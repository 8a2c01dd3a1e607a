import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from server.prm.families import load_family
from server.prm.tokens import Tokens, TokensError

TEXT = "Step 1: 48 / 2 = 24.\n\nПривет, 日本語 <|im_end|> ки и кино.\n"
TURNS = (("user", "What is 12 + 30?"), ("assistant", "It is 42."))


def edited(folder: Path, target: Path, **settings: Any) -> Path:
    shutil.copytree(folder, target)
    path = target / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))
    return target


@pytest.mark.parametrize("family", ["qwen", "shepherd", "rlhflow", "skywork"])
def test_a_folder_and_transformers_give_the_same_tokens(made: Callable[[str], Path], family: str) -> None:
    theirs: Any = AutoTokenizer.from_pretrained(str(made(family)))
    ours, through = Tokens.load(made(family)), Tokens.of(theirs)
    expected = tuple(theirs.encode(TEXT, add_special_tokens=False))
    assert ours.encode(TEXT).ids == through.encode(TEXT).ids == expected
    assert ours.opening + expected == tuple(theirs.encode(TEXT))
    assert ours.opening == through.opening
    assert (ours.bos, ours.eos) == (through.bos, through.eos) == (theirs.bos_token or "", theirs.eos_token_id)
    if ours.can_chat:
        messages = [{"role": role, "content": content} for role, content in TURNS]
        assert ours.chat(TURNS) == through.chat(TURNS) == theirs.apply_chat_template(messages, tokenize=False)


def test_a_model_that_is_no_folder_is_left_to_transformers(
    made: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = AutoTokenizer.from_pretrained(str(made("qwen")))
    asked = list[str]()

    def from_pretrained(name: str) -> Any:
        asked.append(name)
        return theirs

    monkeypatch.setattr(AutoTokenizer, "from_pretrained", from_pretrained)
    assert Tokens.load("Qwen/Qwen2.5-Math-PRM-7B").id_of("<extra_0>") == 3
    assert asked == ["Qwen/Qwen2.5-Math-PRM-7B"]


def test_a_folder_without_a_tokenizer_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TokensError, match="cannot load a tokenizer"):
        Tokens.load(tmp_path)


def test_a_slow_tokenizer_is_an_error() -> None:
    with pytest.raises(TokensError, match="object has no fast tokenizer"):
        Tokens.of(object())


def test_a_broken_tokenizer_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(TokensError, match="cannot use"):
        Tokens.load(tmp_path)


def test_tokens_that_only_the_settings_declare_are_known(made: Callable[[str], Path], tmp_path: Path) -> None:
    declared = {"3": {"content": "<extra_0>", "special": True}, "0": {"content": "<|im_start|>"}}
    folder = edited(made("qwen"), tmp_path / "model", added_tokens_decoder=declared)
    spec = json.loads((folder / "tokenizer.json").read_text())
    spec["added_tokens"] = [token for token in spec["added_tokens"] if token["content"] != "<extra_0>"]
    (folder / "tokenizer.json").write_text(json.dumps(spec))
    tokens, theirs = Tokens.load(folder), AutoTokenizer.from_pretrained(str(folder))
    assert list(tokens.encode("a<extra_0>").ids) == theirs.encode("a<extra_0>")
    assert tokens.encode("a<extra_0>").ids[-1] == 3
    assert "<extra_0>" not in tokens.defused("<extra_0>")


def test_a_model_of_the_hub_needs_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(TokensError, match=r"pip install 'cogitate\[prm\]'"):
        Tokens.load("org/model")


def test_unreadable_settings_are_an_error(made: Callable[[str], Path], tmp_path: Path) -> None:
    folder = edited(made("qwen"), tmp_path / "model")
    (folder / "tokenizer_config.json").write_text("{")
    with pytest.raises(TokensError, match="cannot read the tokenizer"):
        Tokens.load(folder)


def test_an_unknown_token_is_an_error(made: Callable[[str], Path]) -> None:
    with pytest.raises(TokensError, match="no token '<extra_0>'"):
        Tokens.load(made("skywork")).id_of("<extra_0>")


def test_truncation_kept_from_training_cuts_nothing(made: Callable[[str], Path], tmp_path: Path) -> None:
    folder = edited(made("qwen"), tmp_path / "model")
    spec = json.loads((folder / "tokenizer.json").read_text())
    spec["truncation"] = {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0}
    (folder / "tokenizer.json").write_text(json.dumps(spec))
    assert len(Tokens.load(folder).encode(TEXT).ids) > 20


def test_a_character_is_found_in_its_token(made: Callable[[str], Path]) -> None:
    for family in ("qwen", "shepherd"):
        tokens = Tokens.load(made(family))
        encoded = tokens.encode("The sum ки\nis 42 ки")
        assert encoded.ids[encoded.at(9)] == encoded.ids[encoded.at(18)] == tokens.last_of("a ки")


def test_special_tokens_in_a_text_are_broken_up(made: Callable[[str], Path]) -> None:
    tokens = Tokens.load(made("qwen"))
    special = {tokens.id_of(token) for token in ("<|im_start|>", "<|im_end|>", "<extra_0>")}
    text = "a<|im_end|>\n<|im_start|>user<extra_0><extra_0<extra_0>>tag"
    assert special & set(tokens.encode(text).ids)
    defused = tokens.defused(text, ("tag",))
    assert not special & set(tokens.encode(defused).ids)
    assert defused.endswith("t ag")
    assert defused.replace(" ", "") == text


def test_the_beginning_of_a_sequence_follows_the_settings(made: Callable[[str], Path], tmp_path: Path) -> None:
    assert Tokens.load(made("shepherd")).opening == (1,)
    assert Tokens.load(edited(made("shepherd"), tmp_path / "no", add_bos_token=False)).opening == ()
    assert Tokens.load(edited(made("skywork"), tmp_path / "yes", add_bos_token=True)).opening == (2,)
    assert Tokens.load(edited(made("qwen"), tmp_path / "none", add_bos_token=True)).opening == ()


def test_named_tokens_may_be_mappings(made: Callable[[str], Path], tmp_path: Path) -> None:
    folder = edited(made("skywork"), tmp_path / "model", bos_token={"content": "<|endoftext|>", "lstrip": False})
    assert Tokens.load(folder).bos == "<|endoftext|>"


def test_a_chat_template_may_be_a_file_or_one_of_several(made: Callable[[str], Path], tmp_path: Path) -> None:
    several = [{"name": "tools", "template": "no"}, {"name": "default", "template": "{{ messages[0].content }}!"}]
    folder = edited(made("qwen"), tmp_path / "model", chat_template=several)
    assert Tokens.load(folder).chat((("user", "hm"),)) == "hm!"
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}?")
    assert Tokens.load(folder).chat((("user", "hm"),)) == "hm?"


def test_a_template_may_ask_for_the_date_and_may_refuse(made: Callable[[str], Path], tmp_path: Path) -> None:
    template = "{% if messages|length > 1 %}{{ raise_exception('one turn') }}{% endif %}{{ strftime_now('%Y') }}"
    tokens = Tokens.load(edited(made("qwen"), tmp_path / "model", chat_template=template))
    assert int(tokens.chat(TURNS[:1])) >= 2026
    with pytest.raises(ValueError, match="does not take this conversation: one turn"):
        tokens.chat(TURNS)


ASKS = {
    "generation": "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}.",
    "no tools": "{% if tools is not none %}TOOLS{% endif %}{% if documents is none %}{{ messages[0].content }}{% endif %}",
    "json": "{{ {'b': '<é>', 'a': messages} | tojson }}{{ messages | tojson(indent=2) }}",
}


@pytest.mark.parametrize("template", ASKS.values(), ids=ASKS.keys())
def test_a_template_is_rendered_as_transformers_does(
    made: Callable[[str], Path], tmp_path: Path, template: str
) -> None:
    folder = edited(made("qwen"), tmp_path / "model", chat_template=template)
    theirs: Any = AutoTokenizer.from_pretrained(str(folder))
    messages = [{"role": role, "content": content} for role, content in TURNS]
    assert Tokens.load(folder).chat(TURNS) == theirs.apply_chat_template(messages, tokenize=False)


def test_a_broken_template_matters_to_those_who_need_it_only(made: Callable[[str], Path], tmp_path: Path) -> None:
    broken = "{% for %}"
    assert load_family("skywork", edited(made("skywork"), tmp_path / "skywork", chat_template=broken))
    folder = edited(made("qwen"), tmp_path / "qwen", chat_template=broken)
    for family in ("qwen", "outcome", "implicit"):
        with pytest.raises(TokensError, match="cannot use the chat template"):
            load_family(family, folder)
    with pytest.raises(TokensError, match="needs a chat template"):
        load_family("qwen", edited(made("qwen"), tmp_path / "none", chat_template=None, extra_special_tokens={}))


def test_a_fault_in_what_a_template_computes_is_an_item_s(made: Callable[[str], Path], tmp_path: Path) -> None:
    folder = edited(made("qwen"), tmp_path / "model", chat_template="{{ messages[0].content + 1 }}")
    with pytest.raises(ValueError, match="does not take this conversation"):
        Tokens.load(folder).chat(TURNS)


def test_without_a_template_there_is_no_chat(made: Callable[[str], Path]) -> None:
    tokens = Tokens.load(made("shepherd"))
    assert not tokens.can_chat
    with pytest.raises(TokensError, match="no chat template"):
        tokens.chat(TURNS)
