"""Is a quantized network still the same? Accuracy hardly tells; its frequencies may. In some seconds."""

# %% A network, and copies of it whose weights have 5 and 3 bits (int8 by onnxruntime is in examples/deploy.py)
import copy

import passband as pb

config = pb.RunConfig("fashion-mnist", model="lenet", learning_rate=2e-3, batch_size=20, epochs=4)
network = pb.build_model("lenet", num_classes=10, in_channels=1, seed=0)
network = pb.train(network, pb.load_dataset("fashion-mnist", "train", limit=1000), config)
test = pb.load_dataset("fashion-mnist", "test", limit=1000)


def quantized(model, bits):
    """Return a copy whose convolutions and linear layers have weights of so many bits, filter by filter."""
    model = copy.deepcopy(model)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            largest = parameter.data.abs().flatten(1).amax(dim=1).clamp_min(1e-12)
            step = (largest / (2 ** (bits - 1) - 1)).reshape(-1, *[1] * (parameter.ndim - 1))
            parameter.data = (parameter.data / step).round() * step
    return model


# %% Each is audited on the same images
models = {"float32": network, "5 bits": quantized(network, 5), "3 bits": quantized(network, 3)}
audits = [
    pb.audit(pb.PixelModel(model, name=name), test, radii=[2, 4, 8, 12], ceiling_samples=0)
    for name, model in models.items()
]

# %% Side by side, with paired tests
found = pb.compare(*audits)
print(found.summary())
found  # a notebook shows the last line of a cell

# %% The numbers: a row a measure and audit
print(found.rows.filter(measure="clean"))

# %% As a page with one chart of all differences
print(pb.write_comparison(found, "comparison"))
