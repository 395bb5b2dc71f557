"""The OpenAI Python client against a running `spotter serve`: openai_client.py BASE_URL KEY."""

import json
import sys
import time

import openai

base, key = sys.argv[1], sys.argv[2]
client = openai.OpenAI(base_url=base, api_key=key, max_retries=0, timeout=120)
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "bash",
            "description": "Run a command",
            "parameters": {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]},
        },
    }
]
HELLO = [{"role": "system", "content": "Be short."}, {"role": "user", "content": [{"type": "text", "text": "Hello"}]}]


def refused(kind, code=None, **request):
    try:
        client.chat.completions.create(**({"model": model, "messages": HELLO, "max_tokens": 4} | request))
    except kind as error:
        assert type(error) is kind, (kind, error)
        assert code is None or error.code == code, (code, error)
        return error
    raise AssertionError(f"not refused: {request}")


model = client.models.list().data[0].id
assert client.models.retrieve(model).id == model

whole = client.chat.completions.create(
    model=model, messages=HELLO, max_tokens=24, temperature=0.7, seed=3, logprobs=True, top_logprobs=3
)
choice = whole.choices[0]
assert choice.finish_reason in ("stop", "length") and whole.usage.prompt_tokens > 0
assert len(choice.logprobs.content) == whole.usage.completion_tokens
assert all(len(token.top_logprobs) == 3 for token in choice.logprobs.content)

text, usage, finish = "", None, None
with client.chat.completions.create(
    model=model, messages=HELLO, max_tokens=24, temperature=0.7, seed=3, stream=True,
    stream_options={"include_usage": True},
) as stream:
    for chunk in stream:
        usage = chunk.usage or usage
        for part in chunk.choices:
            text += part.delta.content or ""
            finish = part.finish_reason or finish
assert (text, finish) == (choice.message.content, choice.finish_reason)
assert usage.prompt_tokens_details.cached_tokens > 0, usage

tools = client.chat.completions.create(model=model, messages=HELLO, tools=TOOLS, max_tokens=16)
assert tools.choices[0].message.role == "assistant"
must = client.chat.completions.create(
    model=model, messages=HELLO, tools=TOOLS, tool_choice="required", max_tokens=2_000, temperature=1, seed=1
).choices[0]
assert must.finish_reason == "tool_calls" and must.message.tool_calls[0].function.name == "bash", must
assert isinstance(json.loads(must.message.tool_calls[0].function.arguments)["command"], str)
with client.chat.completions.create(
    model=model, messages=HELLO, tools=TOOLS, tool_choice="required", max_tokens=2_000, temperature=1, seed=1, stream=True
) as stream:
    parts = [part for chunk in stream for choice in chunk.choices for part in choice.delta.tool_calls or []]
assert "".join(part.function.arguments for part in parts) == must.message.tool_calls[0].function.arguments

again = HELLO + [
    {"role": "assistant", "content": None, "tool_calls": [
        {"id": "call_1", "type": "function", "function": {"name": "bash", "arguments": '{"command": "ls"}'}}]},
    {"role": "tool", "tool_call_id": "call_1", "content": "setup.py"},
]
client.chat.completions.create(model=model, messages=again, tools=TOOLS, tool_choice="auto", max_tokens=8)

texts = client.completions.create(model=model, prompt=["one", "two"], max_tokens=5, logprobs=1, n=2)
assert len(texts.choices) == 4 and len(texts.choices[0].logprobs.tokens) == 5
assert texts.usage.completion_tokens == 20

refused(openai.NotFoundError, "model_not_found", model="gpt-7")
refused(openai.BadRequestError, temperature="hot")
refused(openai.BadRequestError, n=10**9)
refused(openai.BadRequestError, messages=[])
refused(openai.BadRequestError, "context_length_exceeded", messages=[{"role": "user", "content": "x" * 70_000}])
client.api_key = "wrong"
refused(openai.AuthenticationError, "invalid_api_key")
client.api_key = key

# A client that goes in the middle of a stream leaves room for the next one.
stream = client.chat.completions.create(model=model, messages=HELLO, max_tokens=2_000, stream=True)
next(iter(stream))
stream.close()
began = time.time()
client.chat.completions.create(model=model, messages=HELLO, max_tokens=1)
print(f"openai {openai.__version__}: models, chat, stream, tools, logprobs, completions, errors, closing: as they should be")
