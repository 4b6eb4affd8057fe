"""A model's tokenizer without its weights: all that a worker needs that splits texts by their tokens."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from encoders.model_files import loading
from schemas.errors import EncoderError

TokenCounter: TypeAlias = Callable[[Sequence[str]], list[int]]
"""Gives the tokens of each text, special ones left out."""


def token_ids(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """The ids of each text's tokens, special ones left out; what is no Unicode becomes ``?``."""
    if not texts:
        return []
    clean = [encodable(text) for text in texts]
    # verbose=False: windows are cut later, so the tokenizer's warning of long input misleads.
    return list(tokenizer(clean, add_special_tokens=False, verbose=False)["input_ids"])


def encodable(text: str) -> str:
    """The text without halves of characters (lone surrogates), which no tokenizer takes."""
    return text.encode("utf-8", "replace").decode("utf-8")


def check_tokenizer(tokenizer: Any, folder: Path) -> None:
    """Refuse a tokenizer without words: transformers makes one where its files are missing.

    Raises
    ------
    EncoderError
        It knows its special tokens alone, and would read every text as unknown words.

    """
    special = getattr(tokenizer, "all_special_ids", ())
    if len(tokenizer) <= len(set(special)):
        raise EncoderError(
            f"The folder {folder} holds no tokenizer (tokenizer.json, vocab.txt or sentencepiece.bpe.model), and "
            f"without its words every text would read alike; fetch the whole model again."
        )


def check_length(asked: int, model: str, most: int | None) -> None:
    """Refuse windows of more tokens than a model can take.

    Raises
    ------
    EncoderError
        With the most that can be asked for.

    """
    if most is not None and asked > most:
        raise EncoderError(
            f"A max_length of {asked:,} is more than the {most:,} tokens that {model} can take; ask for no more, or "
            f"leave it out: a longer text is read in windows."
        )


def folder_counter(folder: Path, *, trust_remote_code: bool = False) -> TokenCounter:
    """What counts tokens as the model in ``folder`` does.

    Raises
    ------
    EncoderError
        The folder holds no tokenizer, or none that loads.

    """
    from transformers import AutoTokenizer

    with loading(str(folder)):
        tokenizer = AutoTokenizer.from_pretrained(
            _place(folder), local_files_only=True, trust_remote_code=trust_remote_code
        )
        check_tokenizer(tokenizer, folder)
    return partial(token_counts, tokenizer)


def token_counts(tokenizer: Any, texts: Sequence[str]) -> list[int]:
    """Tokens of each text, special ones left out."""
    return [len(ids) for ids in token_ids(tokenizer, texts)]


def _place(folder: Path) -> Path:
    """Where the tokenizer lies: in sentence-transformers' layout with the first module."""
    modules = folder / "modules.json"
    if not modules.is_file():
        return folder
    first = folder / str(json.loads(modules.read_text(encoding="utf-8"))[0].get("path", ""))
    return first if (first / "tokenizer_config.json").is_file() else folder
