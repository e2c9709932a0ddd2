#!/usr/bin/env python3
"""Makes the golden fixtures of libs/moe with the reference implementation, transformers' Qwen3Moe.

Run once, its output is committed; no test needs it. Deterministic, CPU only, a few seconds:

    python3 -m venv /tmp/golden && /tmp/golden/bin/pip install torch transformers
    /tmp/golden/bin/python test/golden/moe/make.py

Made with torch 2.15.0 and transformers 5.24.0. Writes beside itself:

    wide/    16 experts of which 4; bf16, several files with an index, config.json as transformers 5 writes it
    narrow/  6 experts of which 2, one dense layer, tied head; f32, one file, packed experts, config.json as before
    rotation.safetensors   cosines and sines [positions, 64] of heads of 128 at theta 1e7
    <model>/expected-normed.safetensors, expected-raw.safetensors   with norm_topk_prob true and false, everything f32:
        tokens [T], greedy [G], logits [T, vocab], hidden.<l> [T, hidden] after layer l,
        router_ids.<l> and router_weights.<l> [T, top_k] of layers with experts
"""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import Qwen3MoeConfig, Qwen3MoeForCausalLM
from transformers.models.qwen3_moe.modeling_qwen3_moe import Qwen3MoeRotaryEmbedding

HERE = Path(__file__).parent
PROMPT, GREEDY = 24, 16

COMMON = dict(rms_norm_eps=1e-6, attention_bias=False, use_sliding_window=False)
WIDE = dict(
    vocab_size=256, hidden_size=64, intermediate_size=128, num_hidden_layers=4, num_attention_heads=4,
    num_key_value_heads=2, head_dim=16, num_experts=16, num_experts_per_tok=4, moe_intermediate_size=32,
    max_position_embeddings=512, rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
    eos_token_id=2, bos_token_id=1, tie_word_embeddings=False, **COMMON,
)  # fmt: skip
NARROW = dict(
    vocab_size=100, hidden_size=48, intermediate_size=56, num_hidden_layers=3, num_attention_heads=6,
    num_key_value_heads=3, head_dim=12, num_experts=6, num_experts_per_tok=2, moe_intermediate_size=20,
    max_position_embeddings=256, rope_parameters={"rope_type": "default", "rope_theta": 1000000.0},
    mlp_only_layers=[1], eos_token_id=2, bos_token_id=1, tie_word_embeddings=True, **COMMON,
)  # fmt: skip


def build(shape, seed, dtype):
    """A model whose weights are exact in `dtype` and large enough that every part of it matters."""
    torch.manual_seed(seed)
    config = Qwen3MoeConfig(**shape, attn_implementation="eager")
    model = Qwen3MoeForCausalLM(config).float().eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            mean, deviation = (1.0, 0.3) if weight.dim() == 1 else (0.0, weight.shape[-1] ** -0.5)
            if name.endswith("mlp.gate.weight"):
                deviation *= 2
            weight.copy_(torch.normal(mean, deviation, weight.shape).to(dtype))
    return model


def observe(model, tokens):
    """Logits, and what each layer and router gave."""
    seen = {}
    hooks = []
    for number, layer in enumerate(model.model.layers):
        hooks.append(layer.register_forward_hook(lambda _m, _i, out, n=number: seen.update({f"hidden.{n}": out[0]})))
        if hasattr(layer.mlp, "gate"):

            def keep(_module, _inputs, out, n=number):
                _, seen[f"router_weights.{n}"], ids = out
                seen[f"router_ids.{n}"] = ids.float()

            hooks.append(layer.mlp.gate.register_forward_hook(keep))
    with torch.no_grad():
        seen["logits"] = model(torch.tensor([tokens]), use_cache=False).logits[0]
    for hook in hooks:
        hook.remove()
    return seen


def clear(model, tokens):
    """Refuses a text in which the choice of an expert or a token hangs by rounding."""
    margins = []
    hooks = []
    for layer in model.model.layers:
        if hasattr(layer.mlp, "gate"):

            def keep(module, _inputs, out):
                top = out[0].softmax(-1).topk(module.top_k + 1).values
                margins.append((top[:, :-1] - top[:, 1:]).min().item())

            hooks.append(layer.mlp.gate.register_forward_hook(keep))
    with torch.no_grad():
        top = model(torch.tensor([tokens]), use_cache=False).logits[0].topk(2).values
    margins.append((top[PROMPT - 1 :, 0] - top[PROMPT - 1 :, 1]).min().item())
    for hook in hooks:
        hook.remove()
    return min(margins) > 1e-5


def expected(model, normed):
    model.config.norm_topk_prob = normed
    for layer in model.model.layers:
        if hasattr(layer.mlp, "gate"):
            layer.mlp.gate.norm_topk_prob = normed
    for seed in range(100):
        prompt = torch.randint(3, model.config.vocab_size, (PROMPT,), generator=torch.Generator().manual_seed(seed))
        tokens = prompt.tolist()
        for _ in range(GREEDY):
            with torch.no_grad():
                tokens.append(model(torch.tensor([tokens]), use_cache=False).logits[0, -1].argmax().item())
        if clear(model, tokens):
            seen = observe(model, tokens[:PROMPT])
            seen["tokens"], seen["greedy"] = torch.tensor(tokens[:PROMPT]).float(), torch.tensor(tokens[PROMPT:]).float()
            return {name: tensor.float().contiguous() for name, tensor in seen.items()}
    raise SystemExit("no text without near ties")


def write_expected(model, folder):
    for normed in (True, False):
        save_file(expected(model, normed), folder / f"expected-{'normed' if normed else 'raw'}.safetensors")
    model.config.norm_topk_prob = True


def write_rotation():
    rope = {"rope_type": "default", "rope_theta": 10000000.0}
    embedding = Qwen3MoeRotaryEmbedding(Qwen3MoeConfig(head_dim=128, rope_parameters=rope))
    positions = torch.tensor([0, 1, 1000, 40959, 131071, 262143])
    cos, sin = embedding(torch.zeros(1, 1, 1), positions[None])
    halves = {"cos": cos[0, :, :64].contiguous(), "sin": sin[0, :, :64].contiguous()}
    save_file({"positions": positions.float(), **halves}, HERE / "rotation.safetensors")


def fresh(name):
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def main():
    write_rotation()

    model = build(WIDE, seed=1, dtype=torch.bfloat16)
    folder = fresh("wide")
    write_expected(model, folder)
    model.to(torch.bfloat16).save_pretrained(folder, max_shard_size="400KB")

    model = build(NARROW, seed=2, dtype=torch.float32)
    folder = fresh("narrow")
    write_expected(model, folder)
    weights = {name: weight for name, weight in model.state_dict().items() if name != "lm_head.weight"}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    told = [*NARROW, "model_type", "hidden_act", "norm_topk_prob", "decoder_sparse_step"]
    config = {name: getattr(model.config, name) for name in told}
    rope = config.pop("rope_parameters")
    config |= {"rope_theta": rope["rope_theta"], "rope_scaling": None, "torch_dtype": "float32"}
    config |= {"architectures": ["Qwen3MoeForCausalLM"]}
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
