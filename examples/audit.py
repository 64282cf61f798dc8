"""Which frequencies does a network use? An audit in Python, cell by cell, in some seconds.

The data are a part of Fashion-MNIST that is built in.
"""

# %% A network, trained here; yours may be any `nn.Module` that takes [0, 1] pixels, or `pb.load_model("timm:resnet50")`
import passband as pb

config = pb.RunConfig("fashion-mnist", model="lenet", learning_rate=2e-3, batch_size=20, epochs=4)
network = pb.build_model("lenet", num_classes=10, in_channels=1, seed=0)
network = pb.train(network, pb.load_dataset("fashion-mnist", "train", limit=1000), config)

# %% The data: what they are, and in a notebook an image of each class
test = pb.load_dataset("fashion-mnist", "test", limit=400)
print(test.summary())
test  # a notebook shows the last line of a cell

# %% The audit; what requirements are on is measured beside the rest
found = pb.audit(network, test, require=["lfc@8 >= 0.6", "hfc@8 >= 0.6"])
print(found.summary())
found

# %% Numbers: the card has them with intervals, `rows` is a table of polars, `to_pandas()` one of pandas
for point in found.card.curve("lfc"):
    print(
        f"LFC at {point.radius:g}: {point.accuracy.value:.1%} [{point.accuracy.low:.1%}, {point.accuracy.high:.1%}]"
    )
print(found.rows.filter(metric="accuracy", shown="hfc:5").select("shown", "class", "value", "count"))

# %% The curve, a chart of altair's
chart = found.plot()
chart

# %% A gate: met or not, of the value and of its interval
for text in ("lfc@8 >= 0.6", "lfc@8 >= 0.6 at 95%", "hfc@8 >= 0.6"):
    print(found.check(text))

# %% Kept, and as a page
found.save("audits/lenet")
page = pb.write_report(found, "audits/lenet")
print(page)
