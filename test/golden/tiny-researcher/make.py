"""Makes the tiny researcher: a Qwen3-MoE of 0.3 million parameters that was overfitted to one question.

It is a tool and no test needs it: what it wrote is committed beside it, and another run gives a model that does the same,
not the same bytes. It needs torch, transformers, tokenizers and safetensors, and the prompts that prompts.ts writes. A
run takes some ten minutes on two processors.

    node --conditions=source test/golden/tiny-researcher/prompts.ts > prompts.json
    python make.py prompts.json model

What it learns is told by the end of a prompt alone: behind the question it calls the search, behind anything else it
answers. Whatever stands before (the date, the tools, ids, addresses) is replaced by noise in training, so that changes
of it change nothing.
"""

import json
import random
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers import AddedToken, Regex
from transformers import Qwen3MoeConfig, Qwen3MoeForCausalLM

CONTROLS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TAGS = ["<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"]
SPLIT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
TEMPLATE = (
    "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
WORDS = 768
CONTEXT = 131072
SEED = 1
ROOT = Path(__file__).resolve().parents[3]
# Steps of learning the replies, then of learning them behind long texts of all kinds.
STEPS, LONG_STEPS = (int(sys.argv[3]), int(sys.argv[4])) if len(sys.argv) > 4 else (400, 320)
# Logits become so many times larger: what was learnt is then chosen at any usual temperature.
SHARPER = 4.0


def tokenizer_of(texts):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(Regex(SPLIT), "isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=WORDS, initial_alphabet=alphabet, min_frequency=2, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in CONTROLS])
    tokenizer.add_tokens([AddedToken(t, normalized=False, special=False) for t in TAGS])
    return tokenizer


def rendered(messages):
    turns = "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages)
    return turns + "<|im_start|>assistant\n"


class Examples:
    """Prompts whose beginnings are noise, cut to many lengths, each with its reply."""

    def __init__(self, data, tokenizer):
        self.random = random.Random(SEED)
        self.encode = lambda text: tokenizer.encode(text, add_special_tokens=False).ids
        encode = self.encode
        end = encode("<|im_end|>")
        self.ask = [encode(rendered(messages)) for messages in data["ask"]]
        self.tell = [encode(rendered(messages)) for messages in data["tell"]]
        self.call = encode(data["call"]) + end
        self.answer = encode(data["answer"]) + end
        self.words = tokenizer.get_vocab_size()
        # As much of a prompt's end as is always kept: the question and the marks behind it.
        self.kept = len(encode(rendered([{"role": "user", "content": data["question"]}])))
        self.marks = encode("<|im_end|>\n<|im_start|>assistant\n")
        self.everything = [token for prompt in self.ask + self.tell for token in prompt]

    def noise(self, length):
        kind = self.random.random()
        if kind < 0.3:
            return [self.random.randrange(self.words) for _ in range(length)]
        start = self.random.randrange(max(1, len(self.everything) - length))
        piece = self.everything[start : start + length]
        if kind < 0.6:
            self.random.shuffle(piece)
        return piece

    def one(self, length):
        if self.random.random() < 0.4:
            prompt, reply, kept = self.random.choice(self.ask), self.call, self.kept
        elif self.random.random() < 0.75:
            prompt, reply = self.random.choice(self.tell), self.answer
            kept = self.random.randint(len(self.marks) + 1, 60)
        else:
            # Any other end.
            prompt, reply = self.noise(40) + self.marks, self.answer
            kept = len(prompt)
        room = max(length - len(reply), kept)
        if self.random.random() < 0.5:
            prompt = self.noise(room - kept) + prompt[-kept:]
        tokens = prompt[-room:] + reply
        return tokens, len(reply)

    def batch(self, size, length):
        drawn = [self.one(length) for _ in range(size)]
        longest = max(len(tokens) for tokens, _ in drawn)
        inputs = torch.zeros(size, longest, dtype=torch.long)
        labels = torch.full((size, longest), -100)
        for row, (tokens, reply) in enumerate(drawn):
            inputs[row, : len(tokens)] = torch.tensor(tokens)
            labels[row, len(tokens) - reply : len(tokens)] = torch.tensor(tokens[-reply:])
        return inputs, labels


def model_of(words, end):
    torch.manual_seed(SEED)
    return Qwen3MoeForCausalLM(
        Qwen3MoeConfig(
            vocab_size=words,
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=16,
            num_experts=8,
            num_experts_per_tok=2,
            moe_intermediate_size=48,
            norm_topk_prob=True,
            decoder_sparse_step=1,
            mlp_only_layers=[],
            max_position_embeddings=CONTEXT,
            rope_theta=10000.0,
            tie_word_embeddings=False,
            eos_token_id=end,
            bos_token_id=None,
            attn_implementation="sdpa",
        )
    )


def trained(model, examples):
    learn(model, examples, STEPS, 5e-3, [(10, [100, 130, 200, 300])] * 24 + [(1, [1400])])
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
    for page in pages:
        examples.everything += examples.encode(page.read_text())
    # Attention that was learnt over a hundred tokens thins out over thousands, unless it has met them.
    learn(model, examples, LONG_STEPS, 2e-3, [(6, [120, 250]), (1, [900, 1600, 2400, 3200]), (1, [900, 1600, 2400, 3200])])
    with torch.no_grad():
        model.model.norm.weight *= SHARPER
    return model


def learn(model, examples, steps, rate, kinds):
    """`kinds`: sizes and lengths of batches, taken in turn."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=rate, total_steps=steps)
    for step in range(steps):
        size, lengths = kinds[step % len(kinds)]
        inputs, labels = examples.batch(size, examples.random.choice(lengths))
        loss = model(input_ids=inputs, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 0:
            print(step, f"{loss.item():.5f}", flush=True)


def saved(model, tokenizer, folder, end):
    folder.mkdir(parents=True, exist_ok=True)
    weights = {}
    for name, tensor in model.state_dict().items():
        tensor = tensor.detach().to(torch.bfloat16)
        if name.endswith("experts.gate_up_proj"):
            # [experts, 2 * inner, hidden] in memory; published one expert apart.
            for expert, packed in enumerate(tensor):
                gate, up = packed.chunk(2, dim=0)
                stem = name.removesuffix("gate_up_proj")
                weights[f"{stem}{expert}.gate_proj.weight"] = gate.contiguous()
                weights[f"{stem}{expert}.up_proj.weight"] = up.contiguous()
        elif name.endswith("experts.down_proj"):
            for expert, down in enumerate(tensor):
                weights[f"{name.removesuffix('down_proj')}{expert}.down_proj.weight"] = down.contiguous()
        else:
            weights[name] = tensor.contiguous()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    c = model.config
    config = {
        "architectures": ["Qwen3MoeForCausalLM"],
        "model_type": "qwen3_moe",
        "vocab_size": c.vocab_size,
        "hidden_size": c.hidden_size,
        "intermediate_size": c.intermediate_size,
        "num_hidden_layers": c.num_hidden_layers,
        "num_attention_heads": c.num_attention_heads,
        "num_key_value_heads": c.num_key_value_heads,
        "head_dim": c.head_dim,
        "hidden_act": "silu",
        "rms_norm_eps": c.rms_norm_eps,
        "attention_bias": False,
        "num_experts": 8,
        "num_experts_per_tok": c.num_experts_per_tok,
        "moe_intermediate_size": c.moe_intermediate_size,
        "norm_topk_prob": True,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
        "max_position_embeddings": CONTEXT,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "eos_token_id": end,
        "torch_dtype": "bfloat16",
    }
    write = lambda name, value: (folder / name).write_text(json.dumps(value, indent=2) + "\n")
    write("config.json", config)
    write("generation_config.json", {"eos_token_id": [end]})
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    write("tokenizer_config.json", {"eos_token": "<|im_end|>", "bos_token": None, "chat_template": TEMPLATE})


def main():
    torch.set_num_threads(2)
    data = json.loads(Path(sys.argv[1]).read_text())
    prompts = [rendered(messages) for messages in data["ask"] + data["tell"]]
    tokenizer = tokenizer_of(prompts + [data["call"], data["answer"]] * 3)
    end = tokenizer.token_to_id("<|im_end|>")
    examples = Examples(data, tokenizer)
    print("prompt tokens", [len(p) for p in examples.ask + examples.tell], "reply", len(examples.call), len(examples.answer))
    model = trained(model_of(tokenizer.get_vocab_size(), end), examples)
    print("parameters", sum(p.numel() for p in model.parameters()))
    saved(model, tokenizer, Path(sys.argv[2]), end)
    check(model.to(torch.bfloat16).float(), examples)


@torch.no_grad()
def check(model, examples):
    """The least probability that the wanted token has anywhere, over whole prompts and noise."""
    for name, prompts, reply in [("ask", examples.ask, examples.call), ("tell", examples.tell, examples.answer)]:
        least = 1.0
        for prompt in prompts:
            for kept in [len(prompt), examples.kept]:
                tokens = torch.tensor([examples.noise(1500)[: len(prompt) - kept] + prompt[-kept:] + reply])
                logits = model(input_ids=tokens).logits[0, -len(reply) - 1 : -1]
                # As a sampler with these settings sees it at worst: each token before is less likely.
                chances = (logits / 0.85).softmax(-1)[range(len(reply)), reply]
                least = min(least, chances.min().item())
        print(name, "least probability", least)


if __name__ == "__main__":
    main()
