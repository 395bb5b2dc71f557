"""The peer of `spotter bench train`: the same decoder's training step in torch, one step for each line that is read."""

import json
import sys
import time

import torch
import torch.nn.functional as F

about = json.loads(sys.stdin.readline())
torch.set_num_threads(about["threads"])
torch.manual_seed(1)
d, layers, heads, kv, head, ff, vocab = (
    about[name] for name in ("hidden", "layers", "heads", "kv_heads", "head_dim", "intermediate", "vocab")
)
rows, length = about["rows"], about["length"]


def matrix(outputs, inputs):
    return torch.nn.Parameter(torch.randn(outputs, inputs) * inputs**-0.5)


def ones():
    return torch.nn.Parameter(torch.ones(d))


embedding = torch.nn.Parameter(torch.randn(vocab, d) * 0.03)
stack = [
    (ones(), matrix((heads + 2 * kv) * head, d), torch.nn.Parameter(torch.zeros((heads + 2 * kv) * head)),
     matrix(d, heads * head), ones(), matrix(2 * ff, d), matrix(d, ff))
    for _ in range(layers)
]
last = ones()
everything = [embedding, last] + [part for layer in stack for part in layer]
angles = torch.outer(torch.arange(length).float(), 1e4 ** (-torch.arange(0, head, 2).float() / head))
cos, sin = torch.cat([angles, angles], 1).cos(), torch.cat([angles, angles], 1).sin()


def turned(x):
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat([-second, first], -1) * sin


def norm(x, weight):
    return F.rms_norm(x, (d,), weight, 1e-6)


def loss(tokens, counts):
    x = F.embedding(tokens[:, :-1], embedding)
    batch, time_, _ = x.shape
    for norm1, qkv, bias, out, norm2, gate_up, down in stack:
        q, k, v = F.linear(norm(x, norm1), qkv, bias).split([heads * head, kv * head, kv * head], -1)
        q, k, v = (part.view(batch, time_, -1, head).transpose(1, 2) for part in (q, k, v))
        y = F.scaled_dot_product_attention(turned(q), turned(k), v, is_causal=True, enable_gqa=heads != kv)
        x = x + F.linear(y.transpose(1, 2).reshape(batch, time_, -1), out)
        gate, up = F.linear(norm(x, norm2), gate_up).chunk(2, -1)
        x = x + F.linear(F.silu(gate) * up, down)
    # As ours: only rows that count reach the head.
    chosen = counts[:, 1:].reshape(-1)
    x = norm(x.reshape(-1, d)[chosen], last)
    return F.cross_entropy(F.linear(x, embedding), tokens[:, 1:].reshape(-1)[chosen])


decayed = [part for part in everything if part.dim() == 2]
plain = [part for part in everything if part.dim() == 1]
adam = torch.optim.AdamW(
    [{"params": decayed, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}],
    lr=1e-3, betas=(0.9, 0.98), fused=True,
)
tokens = torch.tensor(about["tokens"]).view(rows, length + 1)
counts = torch.tensor(about["counts"], dtype=torch.bool).view(rows, length + 1)
print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads()}), flush=True)
for _ in sys.stdin:
    began = time.perf_counter()
    adam.zero_grad(set_to_none=False)
    value = loss(tokens, counts)
    value.backward()
    torch.nn.utils.clip_grad_norm_(everything, 1.0)
    adam.step()
    took = time.perf_counter() - began
    print(json.dumps({"seconds": took, "loss": value.item()}), flush=True)
