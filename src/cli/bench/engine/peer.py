"""A peer that computes the same model: commands on standard input, seconds on standard output, one JSON line each.

usage: peer.py llama FILE.gguf THREADS FLASH(0|1)   (needs llama-cpp-python)
       peer.py transformers FOLDER THREADS          (needs transformers, torch)

commands: decode CONTEXT COUNT | prefill COUNT | streams K CONTEXT COUNT | quit
"""
import json, os, random, sys, time


def tell(**what):
    print(json.dumps(what), flush=True)


class Llama:
    def __init__(self, file, threads, flash):
        import ctypes, llama_cpp
        self.c, self.l = ctypes, llama_cpp
        llama_cpp.llama_backend_init()
        quiet = llama_cpp.llama_log_callback(lambda level, text, data: None)
        self.quiet = quiet
        llama_cpp.llama_log_set(quiet, None)
        began = time.perf_counter()
        params = llama_cpp.llama_model_default_params()
        params.n_gpu_layers = 0
        self.model = llama_cpp.llama_model_load_from_file(file.encode(), params)
        if not self.model:
            raise SystemExit(f"llama.cpp cannot read {file}")
        context = llama_cpp.llama_context_default_params()
        context.n_ctx, context.n_batch, context.n_ubatch = 8192, 512, 512
        context.n_seq_max = 8
        context.n_threads = context.n_threads_batch = threads
        if hasattr(context, "flash_attn_type"):
            context.flash_attn_type = 1 if flash else 0
        else:
            context.flash_attn = bool(flash)
        if hasattr(context, "kv_unified"):
            context.kv_unified = True
        self.context = llama_cpp.llama_init_from_model(self.model, context)
        self.memory = llama_cpp.llama_get_memory(self.context)
        vocab = llama_cpp.llama_model_get_vocab(self.model)
        self.vocab = llama_cpp.llama_vocab_n_tokens(vocab)
        self.batch = llama_cpp.llama_batch_init(512, 0, 1)
        self.step([(1, 0, 0, True)])
        self.clear()
        self.load = time.perf_counter() - began
        self.name = f"llama.cpp (llama-cpp-python {llama_cpp.__version__}, flash attention {'on' if flash else 'off'}; {llama_cpp.llama_print_system_info().decode()})"

    def clear(self):
        self.l.llama_memory_clear(self.memory, False)

    def step(self, rows):
        b = self.batch
        b.n_tokens = len(rows)
        for i, (token, at, stream, wanted) in enumerate(rows):
            b.token[i], b.pos[i], b.n_seq_id[i], b.seq_id[i][0], b.logits[i] = token, at, 1, stream, wanted
        if self.l.llama_decode(self.context, b):
            raise SystemExit("llama_decode failed")
        self.l.llama_synchronize(self.context)

    def read(self, count, stream=0):
        tokens = [random.randrange(self.vocab) for _ in range(count)]
        for at in range(0, count, 512):
            part = tokens[at:at + 512]
            self.step([(t, at + i, stream, at + i == count - 1) for i, t in enumerate(part)])

    def decode(self, context, count):
        self.clear()
        self.read(context)
        began = time.perf_counter()
        for i in range(count):
            self.step([(random.randrange(self.vocab), context + i, 0, True)])
        return time.perf_counter() - began

    def prefill(self, count):
        self.clear()
        began = time.perf_counter()
        self.read(count)
        return time.perf_counter() - began

    def streams(self, k, context, count):
        self.clear()
        for stream in range(k):
            self.read(context, stream)
        began = time.perf_counter()
        for i in range(count):
            self.step([(random.randrange(self.vocab), context + i, s, True) for s in range(k)])
        return time.perf_counter() - began


class Transformers:
    def __init__(self, folder, threads):
        import torch, transformers
        self.torch = torch
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)
        began = time.perf_counter()
        self.model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        self.vocab = self.model.config.vocab_size
        self.model(self.tokens(1, 1), use_cache=True)
        self.load = time.perf_counter() - began
        self.name = f"transformers {transformers.__version__}, torch {torch.__version__}, {self.model.config._attn_implementation}"

    def tokens(self, k, count):
        return self.torch.randint(self.vocab, (k, count))

    def streams(self, k, context, count):
        past = self.model(self.tokens(k, context), use_cache=True, logits_to_keep=1).past_key_values
        began = time.perf_counter()
        for _ in range(count):
            past = self.model(self.tokens(k, 1), past_key_values=past, use_cache=True).past_key_values
        return time.perf_counter() - began

    def decode(self, context, count):
        return self.streams(1, context, count)

    def prefill(self, count):
        began = time.perf_counter()
        self.model(self.tokens(1, count), use_cache=True, logits_to_keep=1)
        return time.perf_counter() - began


def main():
    kind, file, threads, *rest = sys.argv[1:]
    peer = Llama(file, int(threads), rest == ["1"]) if kind == "llama" else Transformers(file, int(threads))
    tell(name=peer.name, load=peer.load)
    for line in sys.stdin:
        what, *numbers = line.split()
        if what == "quit":
            break
        tell(seconds=getattr(peer, what)(*map(int, numbers)))
    os._exit(0)


main()
