"""Train a small neural net on handwritten digits and write its weights, scaling included, as arrays of numbers.

Reads data/train.csv beside this file, writes $OUTPUTS_DIR/model/model.npz and nothing else.
The same data, settings and package versions give the same bytes.
"""

import os

# Read when the libraries are loaded; more threads make this small fit slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import io
import sys
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

PIXELS = 64
CLASSES = 10
INK_MAX = 16
BATCH = 32
RATE = 0.002
MOMENTS = (0.9, 0.999)  # how slowly Adam forgets the mean of the slopes, and of their squares
VALIDATION_SHARE = 0.1
DATA = Path(__file__).resolve().parent / "data" / "train.csv"


@dataclass(frozen=True)
class Settings:
    """What `env` of the contract, or `/train HIDDEN=64` on a pull request, can change."""

    seed: int = 0  # which rows are kept for validation, the first weights, and the order of the rows
    epochs: int = 30  # how often each row is seen
    hidden: int = 128  # how many units are between pixels and digits

    @staticmethod
    def from_env(env) -> "Settings":
        seed, epochs = int(env.get("SEED", Settings.seed)), int(env.get("EPOCHS", Settings.epochs))
        hidden = int(env.get("HIDDEN", Settings.hidden))
        if seed < 0 or epochs < 1 or hidden < 1:
            raise SystemExit(
                "SEED must be 0 or more, EPOCHS and HIDDEN 1 or more, "
                f"not SEED={seed} EPOCHS={epochs} HIDDEN={hidden}"
            )
        return Settings(seed, epochs, hidden)


def main() -> None:
    settings = Settings.from_env(os.environ)
    model_dir = Path(os.environ.get("OUTPUTS_DIR", "outputs")) / "model"

    images, labels = read(DATA)
    print(f"{len(labels)} rows of {DATA.name}; {settings}", flush=True)

    kept, held = split(len(labels), settings.seed)
    layers = fit(images[kept], labels[kept], settings, report)
    print(f"train_accuracy={accuracy(layers, images[kept], labels[kept]):.4f}", flush=True)
    print(f"validation_accuracy={accuracy(layers, images[held], labels[held]):.4f}", flush=True)

    exported = export(layers)
    compare(exported, layers, images)
    model_dir.mkdir(parents=True, exist_ok=True)
    (model_dir / "model.npz").write_bytes(exported)
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


def scaled(images: np.ndarray) -> np.ndarray:
    """Pixels from -0.5 to 0.5, which the net learns on; `export` puts the same into the first layer."""
    return (images / INK_MAX - 0.5).astype(np.float32)


def first_layers(settings: Settings) -> list:
    """Random weights, and no bias, for each layer."""
    sizes = (PIXELS, settings.hidden, CLASSES)
    chance = np.random.RandomState(settings.seed)  # of numpy, since jax would compile its own for seconds
    return [
        (chance.normal(0, (2 / into) ** 0.5, (into, out)).astype(np.float32), np.zeros(out, np.float32))
        for into, out in zip(sizes, sizes[1:])
    ]


@jax.jit
def logits(layers: list, pixels: np.ndarray) -> jax.Array:
    """What the net says of scaled pixels: one number a digit."""
    *hidden, (weights, bias) = layers
    for inner, offset in hidden:
        pixels = jax.nn.relu(pixels @ inner + offset)
    return pixels @ weights + bias


@jax.jit
def loss(layers: list, pixels: jax.Array, labels: jax.Array) -> jax.Array:
    """The mean surprise at the true digits."""
    said = jax.nn.log_softmax(logits(layers, pixels))
    return -jnp.take_along_axis(said, labels[:, None], axis=1).mean()


@jax.jit
def epoch(state: tuple, pixels: jax.Array, labels: jax.Array) -> tuple:
    """One pass over all batches, by Adam."""
    keep, keep_square = MOMENTS

    def step(state, batch):
        layers, mean, square, count = state
        slope = jax.grad(loss)(layers, *batch)
        count = count + 1
        mean = jax.tree.map(lambda m, s: keep * m + (1 - keep) * s, mean, slope)
        square = jax.tree.map(lambda q, s: keep_square * q + (1 - keep_square) * s * s, square, slope)

        def moved(weights, m, q):
            m, q = m / (1 - keep**count), q / (1 - keep_square**count)
            return weights - RATE * m / (jnp.sqrt(q) + 1e-8)

        return (jax.tree.map(moved, layers, mean, square), mean, square, count), None

    return jax.lax.scan(step, state, (pixels, labels))[0]


def fit(images: np.ndarray, labels: np.ndarray, settings: Settings, tell=lambda progress: None) -> list:
    """The layers after all epochs, each in an order of its own; what does not fill a batch waits for the next."""
    layers = first_layers(settings)
    nothing = jax.tree.map(np.zeros_like, layers)
    state = (layers, nothing, nothing, np.float32(0))
    pixels = scaled(images)
    batches, order = len(labels) // BATCH, np.random.RandomState(settings.seed)
    for number in range(settings.epochs):
        rows = order.permutation(len(labels))[: batches * BATCH]
        state = epoch(state, pixels[rows].reshape(batches, BATCH, PIXELS), labels[rows].reshape(batches, BATCH))
        if (number + 1) % 10 == 0:
            print(f"loss={float(loss(state[0], pixels, labels)):.5f}", flush=True)
            tell(round(0.9 * (number + 1) / settings.epochs, 2))
    return state[0]


def accuracy(layers: list, images: np.ndarray, labels: np.ndarray) -> float:
    return float((np.asarray(logits(layers, scaled(images))).argmax(axis=1) == labels).mean())


def export(layers: list) -> bytes:
    """The layers for raw pixels, as an npz file: arrays of numbers, and no code."""
    arrays = {}
    for number, (weights, bias) in enumerate(layers):
        weights, bias = np.asarray(weights, dtype=np.float64), np.asarray(bias, dtype=np.float64)
        if number == 0:
            weights, bias = weights / INK_MAX, bias - 0.5 * weights.sum(axis=0)
        arrays |= {f"w{number}": weights.astype(np.float32), f"b{number}": bias.astype(np.float32)}
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def compare(exported: bytes, layers: list, images: np.ndarray) -> None:
    """Ends the run where the exported layers, without JAX, do not say what the trained ones say."""
    with np.load(io.BytesIO(exported), allow_pickle=False) as file:
        said = np.maximum(images.astype(np.float32) @ file["w0"] + file["b0"], 0) @ file["w1"] + file["b1"]
    trained = np.asarray(logits(layers, scaled(images)))
    different = int((said.argmax(axis=1) != trained.argmax(axis=1)).sum())
    print(f"export_differences={different}", flush=True)
    if different > len(images) // 1000:
        raise SystemExit(f"the exported model answers {different} of {len(images)} rows differently")


def report(progress: float) -> None:
    print(f"progress={progress}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
