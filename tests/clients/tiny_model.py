"""A model folder for clients to talk to: the fixture's drawn weights, letters for tokens, a long context.

What it says is noise; the protocol around it is what is tried. Standard library only.
"""

import json
import pathlib
import shutil
import sys

VOCABULARY = 160
SPECIAL = ["<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>"]
TEMPLATE = (
    "{%- if tools %}<|im_start|>system\n{%- for tool in tools %}{{ tool | tojson }}\n{%- endfor %}<|im_end|>\n{%- endif %}"
    "{%- for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}"
    "{%- for call in message.tool_calls or [] %}<tool_call>{{ call.function | tojson }}</tool_call>{%- endfor %}"
    "<|im_end|>\n{%- endfor %}{%- if add_generation_prompt %}<|im_start|>assistant\n{%- endif %}"
)


def tokenizer():
    tokens = SPECIAL + [chr(byte) for byte in range(0x21, 0x7F)] + ["Ġ", "Ċ", "ĉ", "Ã", "¤"]
    merges = []
    for first in "etaoinsrh":
        for second in "etaoinsrhdl":
            if len(tokens) < VOCABULARY:
                tokens.append(first + second)
                merges.append([first, second])
    added = [
        dict(id=at, content=token, single_word=False, lstrip=False, rstrip=False, normalized=False, special=at < 2)
        for at, token in enumerate(SPECIAL)
    ]
    level = dict(type="ByteLevel", add_prefix_space=False, trim_offsets=False, use_regex=False)
    model = dict(
        type="BPE", dropout=None, unk_token=None, continuing_subword_prefix=None, end_of_word_suffix=None,
        fuse_unk=False, byte_fallback=False, vocab={token: at for at, token in enumerate(tokens)}, merges=merges,
    )
    return dict(
        version="1.0", truncation=None, padding=None, added_tokens=added, normalizer=None, pre_tokenizer=level,
        post_processor=None, decoder=level, model=model,
    )


def main(folder):
    fixture = pathlib.Path(__file__).resolve().parent.parent / "fixtures/models/qwen2"
    folder.mkdir(parents=True)
    shutil.copy(fixture / "model.safetensors", folder)
    config = json.loads((fixture / "config.json").read_text())
    config["max_position_embeddings"] = 65536
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer()))
    settings = dict(chat_template=TEMPLATE, eos_token="<|im_end|>")
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
