"""One image at every radius: what is left of it, what the network takes it for, and where that flips. In some seconds."""

# %% A network and an image
from itertools import pairwise

import torch

import passband as pb
from passband.data.dataset import to_pixels

config = pb.RunConfig("fashion-mnist", model="lenet", learning_rate=2e-3, batch_size=20, epochs=4)
network = pb.build_model("lenet", num_classes=10, in_channels=1, seed=0)
network = pb.train(network, pb.load_dataset("fashion-mnist", "train", limit=1000), config)
test = pb.load_dataset("fashion-mnist", "test", limit=20)
image = to_pixels(test.images[:1])

# %% Its low and high frequencies at every whole radius, by one forward transform
radii = list(range(1, 20))
low, high = pb.split_many(image, radii)  # each shaped (radii, 1, channels, height, width)
assert torch.allclose(low + high, image.expand_as(low), atol=1e-5)

# %% As the network is shown them, and what it answers
with torch.inference_mode():
    network.eval()
    answers = {
        name: network(pb.rescale(parts.flatten(0, 1), "max")).softmax(dim=1)
        for name, parts in (("LFC", low), ("HFC", high))
    }
    whole = network(image).softmax(dim=1)[0]

# %% The strip: the answer at each radius, and where it flips
print(
    f"label {test.classes[test.labels[0]]}, whole image: {test.classes[int(whole.argmax())]} {whole.max():.1%}"
)
for name, probabilities in answers.items():
    named = [test.classes[int(answer)] for answer in probabilities.argmax(dim=1)]
    print(name, *(f"{radius}:{answer}" for radius, answer in zip(radii, named, strict=True)))
    pairs = zip(radii[1:], pairwise(named), strict=True)
    flips = [radius for radius, (before, after) in pairs if before != after]
    print(f"{name} flips at radius {', '.join(map(str, flips)) or 'none'}")

# %% The energy that the LFC holds at each radius
print({radius: round(float(pb.energy_fraction(image, radius).mean()), 3) for radius in radii[:6]})
