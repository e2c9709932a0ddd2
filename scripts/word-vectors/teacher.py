"""The teacher: a sentence embedding model as an ONNX graph that this file writes from the published weights.

It does not know what the texts are for. Build once, then embed:
    python teacher.py build MODEL_DIR WORK_DIR
"""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from safetensors.numpy import load_file
from tokenizers import Tokenizer

LAYERS, HEADS, HIDDEN, EPSILON = 6, 12, 384, 1e-12
MICROSOFT = "com.microsoft"


class Graph:
    """Collects nodes and constants; each call gives the name of its output."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, name, array):
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, op, inputs, **attributes):
        out = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [out], name=f"{op}_{out}", **attributes))
        return out

    def dense(self, x, name, weights):
        w = self.constant(f"{name}.w", weights[f"{name}.weight"].T)
        b = self.constant(f"{name}.b", weights[f"{name}.bias"])
        return self.node("Add", [self.node("MatMul", [x, w]), b])

    def norm(self, x, name, weights):
        w = self.constant(f"{name}.w", weights[f"{name}.weight"])
        b = self.constant(f"{name}.b", weights[f"{name}.bias"])
        return self.node("LayerNormalization", [x, w, b], axis=-1, epsilon=EPSILON)


def build(model_dir: Path, work_dir: Path) -> None:
    """Writes teacher.onnx (f32) and teacher-int8.onnx. Inputs ids i64, positions i64, mask i32, all [batch, tokens]."""
    w = load_file(model_dir / "model.safetensors")
    g = Graph()
    words = g.constant("words", w["embeddings.word_embeddings.weight"])
    # All texts are single: the type embedding is the same row everywhere and goes into the positions.
    places = g.constant("places", w["embeddings.position_embeddings.weight"] + w["embeddings.token_type_embeddings.weight"][0])
    x = g.node("Add", [g.node("Gather", [words, "ids"]), g.node("Gather", [places, "positions"])])
    x = g.norm(x, "embeddings.LayerNorm", w)
    for i in range(LAYERS):
        layer = f"encoder.layer.{i}"
        q, k, v = (g.dense(x, f"{layer}.attention.self.{part}", w) for part in ("query", "key", "value"))
        seen = g.node("MultiHeadAttention", [q, k, v, "", "mask"], domain=MICROSOFT, num_heads=HEADS)
        y = g.dense(seen, f"{layer}.attention.output.dense", w)
        x = g.norm(g.node("Add", [x, y]), f"{layer}.attention.output.LayerNorm", w)
        y = g.dense(x, f"{layer}.intermediate.dense", w)
        y = g.dense(g.node("Gelu", [y], domain=MICROSOFT), f"{layer}.output.dense", w)
        x = g.norm(g.node("Add", [x, y]), f"{layer}.output.LayerNorm", w)
    g.nodes.append(helper.make_node("Identity", [x], ["hidden"]))
    shape = ["batch", "tokens"]
    inputs = [
        helper.make_tensor_value_info("ids", TensorProto.INT64, shape),
        helper.make_tensor_value_info("positions", TensorProto.INT64, shape),
        helper.make_tensor_value_info("mask", TensorProto.INT32, shape),
    ]
    outputs = [helper.make_tensor_value_info("hidden", TensorProto.FLOAT, [*shape, HIDDEN])]
    graph = helper.make_graph(g.nodes, "teacher", inputs, outputs, g.constants)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(MICROSOFT, 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), work_dir / "teacher.onnx")
    quantize_dynamic(
        work_dir / "teacher.onnx", work_dir / "teacher-int8.onnx", per_channel=True, weight_type=QuantType.QInt8,
        op_types_to_quantize=["MatMul"], extra_options={"DefaultTensorType": TensorProto.FLOAT},
    )


class Teacher:
    """Embeds texts: mean over the tokens of the last layer, normalised."""

    def __init__(self, model_dir: Path, work_dir: Path, threads=2, int8=True):
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        file = work_dir / ("teacher-int8.onnx" if int8 else "teacher.onnx")
        self.session = ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        self.tokenizer = Tokenizer.from_file(str(model_dir / "tokenizer.json"))
        self.tokenizer.no_padding()

    def embed(self, texts, max_tokens=64, batch=32, progress=None):
        """f32 [texts, 384], rows of length 1."""
        self.tokenizer.enable_truncation(max_tokens)
        out = np.zeros((len(texts), HIDDEN), np.float32)
        coded = [e.ids for e in self.tokenizer.encode_batch([str(t) for t in texts])]
        order = np.argsort([len(c) for c in coded], kind="stable")
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            length = max(len(coded[r]) for r in rows)
            ids = np.zeros((len(rows), length), np.int64)
            mask = np.zeros((len(rows), length), np.int32)
            for i, r in enumerate(rows):
                ids[i, : len(coded[r])] = coded[r]
                mask[i, : len(coded[r])] = 1
            places = np.broadcast_to(np.arange(length), ids.shape).copy()
            hidden = self.session.run(None, {"ids": ids, "positions": places, "mask": mask})[0]
            mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
            out[rows] = mean / np.linalg.norm(mean, axis=1, keepdims=True)
            if progress and start // batch % 200 == 0:
                progress(start, len(order))
        return out


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] != "build":
        sys.exit(__doc__)
    Path(sys.argv[3]).mkdir(parents=True, exist_ok=True)
    build(Path(sys.argv[2]), Path(sys.argv[3]))
