"""Train a small convolutional net on handwritten digits and export it, scaling included, as one ONNX file.

Reads data/train.csv beside this file, writes $OUTPUTS_DIR/model/model.onnx and nothing else.
The same data, settings and package versions give the same bytes.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when numpy is imported; more threads make this small fit slower
os.environ.setdefault(
    "ORT_DISABLE_TELEMETRY", "1"
)  # read when onnxruntime is imported, which else reports to its maker

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

SIDE = 8
PIXELS = SIDE * SIDE
CLASSES = 10
INK_MAX = 16
BATCH = 32
RATE = 0.002
VALIDATION_SHARE = 0.1
OPSET = 18
IR_VERSION = 9  # what that opset came with; left out, it would be the newest that `onnx` knows
DATA = Path(__file__).resolve().parent / "data" / "train.csv"


@dataclass(frozen=True)
class Settings:
    """What `env` of the contract, or `/train EPOCHS=10` on a pull request, can change."""

    seed: int = 0  # which rows are kept for validation, the first weights, and the order of the rows
    epochs: int = 20  # how often each row is seen

    @staticmethod
    def from_env(env) -> "Settings":
        seed, epochs = int(env.get("SEED", Settings.seed)), int(env.get("EPOCHS", Settings.epochs))
        if seed < 0 or epochs < 1:
            raise SystemExit(f"SEED must be 0 or more and EPOCHS 1 or more, not SEED={seed} EPOCHS={epochs}")
        return Settings(seed, epochs)


class Net(nn.Module):
    """Two convolutions, the brightest of each square of four, and one number a digit: 9,930 weights."""

    def __init__(self):
        super().__init__()
        self.edges = nn.Conv2d(1, 16, 3, padding=1)
        self.strokes = nn.Conv2d(16, 32, 3, padding=1)
        self.digits = nn.Linear(32 * (SIDE // 2) ** 2, CLASSES)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        seen = torch.relu(self.edges(pixels.reshape(-1, 1, SIDE, SIDE)))
        seen = torch.max_pool2d(torch.relu(self.strokes(seen)), 2)
        return self.digits(seen.reshape(len(seen), -1))


def main() -> None:
    settings = Settings.from_env(os.environ)
    model_dir = Path(os.environ.get("OUTPUTS_DIR", "outputs")) / "model"
    torch.set_num_threads(1)

    images, labels = read(DATA)
    print(f"{len(labels)} rows of {DATA.name}; {settings}", flush=True)

    kept, held = split(len(labels), settings.seed)
    net = fit(images[kept], labels[kept], settings, report)
    print(f"train_accuracy={accuracy(net, images[kept], labels[kept]):.4f}", flush=True)
    print(f"validation_accuracy={accuracy(net, images[held], labels[held]):.4f}", flush=True)

    exported = export(net)
    compare(exported, net, images)
    model_dir.mkdir(parents=True, exist_ok=True)
    (model_dir / "model.onnx").write_bytes(exported)
    print(f"model_bytes={len(exported)}")
    report(1.0)


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The images (rows × 64, 0 is paper and 16 is ink) and their labels."""
    table = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)
    if table.shape[1] != 1 + PIXELS:
        raise SystemExit(f"{path} has {table.shape[1]} columns, expected label and {PIXELS} pixels")
    labels, images = table[:, 0].astype(np.int64), table[:, 1:]
    if images.min() < 0 or images.max() > INK_MAX:
        raise SystemExit(f"{path} has pixels outside 0 to {INK_MAX}")
    if set(labels) != set(range(CLASSES)):
        raise SystemExit(f"{path} has labels {sorted(set(labels.tolist()))}, expected each of 0 to 9")
    return images, labels


def split(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers to fit on, and to validate on."""
    order = np.random.RandomState(seed).permutation(rows)
    held = int(rows * VALIDATION_SHARE)
    return order[held:], order[:held]


def scaled(images: np.ndarray) -> torch.Tensor:
    """Pixels from -0.5 to 0.5, which the net learns on; `export` begins with the same."""
    return torch.from_numpy((images / INK_MAX - 0.5).astype(np.float32))


def fit(images: np.ndarray, labels: np.ndarray, settings: Settings, tell=lambda progress: None) -> Net:
    """The net after all epochs, each in an order of its own, by Adam."""
    torch.manual_seed(settings.seed)
    torch.use_deterministic_algorithms(True)
    net, order = Net(), np.random.RandomState(settings.seed)
    adam, surprise = torch.optim.Adam(net.parameters(), lr=RATE), nn.CrossEntropyLoss()
    pixels, truth = scaled(images), torch.from_numpy(labels)
    for epoch in range(settings.epochs):
        for rows in np.array_split(order.permutation(len(labels)), max(len(labels) // BATCH, 1)):
            rows = torch.from_numpy(rows)
            adam.zero_grad()
            loss = surprise(net(pixels[rows]), truth[rows])
            loss.backward()
            adam.step()
        if (epoch + 1) % 5 == 0:
            print(f"loss={loss.item():.5f}", flush=True)
            tell(round(0.9 * (epoch + 1) / settings.epochs, 2))
    return net.eval()


def ask(net: Net, images: np.ndarray) -> np.ndarray:
    """The digit that the net reads in each image."""
    with torch.no_grad():
        return net(scaled(images)).argmax(dim=1).numpy()


def accuracy(net: Net, images: np.ndarray, labels: np.ndarray) -> float:
    return float((ask(net, images) == labels).mean())


def export(net: Net) -> bytes:
    """The net for raw pixels as ONNX: `rows` in; `label` and the probability of each class as `scores` out.

    The graph is written by hand, a line an operation: torch's own exporter needs more packages, and its bytes and names
    differ from version to version.
    """
    constants = {
        "ink": np.array(INK_MAX, dtype=np.float32),
        "half": np.array(0.5, dtype=np.float32),
        "image": np.array([-1, 1, SIDE, SIDE], dtype=np.int64),
        "flat": np.array([0, -1], dtype=np.int64),
        **{name: value.detach().numpy() for name, value in net.state_dict().items()},
    }
    square = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    operations = [
        ("Div", ["rows", "ink"], "share", {}),
        ("Sub", ["share", "half"], "pixels", {}),
        ("Reshape", ["pixels", "image"], "images", {}),
        ("Conv", ["images", "edges.weight", "edges.bias"], "edges", square),
        ("Relu", ["edges"], "edges.on", {}),
        ("Conv", ["edges.on", "strokes.weight", "strokes.bias"], "strokes", square),
        ("Relu", ["strokes"], "strokes.on", {}),
        ("MaxPool", ["strokes.on"], "brightest", {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("Reshape", ["brightest", "flat"], "seen", {}),
        ("Gemm", ["seen", "digits.weight", "digits.bias"], "digits", {"transB": 1}),
        ("Softmax", ["digits"], "scores", {"axis": 1}),
        ("ArgMax", ["scores"], "label", {"axis": 1, "keepdims": 0}),
    ]
    graph = helper.make_graph(
        [helper.make_node(kind, inputs, [output], **options) for kind, inputs, output, options in operations],
        "digits",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, [None, PIXELS])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, [None, CLASSES]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def compare(exported: bytes, net: Net, images: np.ndarray) -> None:
    """Ends the run where the exported model does not say what the trained one says."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(exported, options, providers=["CPUExecutionProvider"])
    said = session.run(["label"], {"rows": images.astype(np.float32)})[0]
    different = int((said != ask(net, images)).sum())
    print(f"export_differences={different}", flush=True)
    if different > len(images) // 1000:
        raise SystemExit(f"the exported model answers {different} of {len(images)} rows differently")


def report(progress: float) -> None:
    print(f"progress={progress}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
