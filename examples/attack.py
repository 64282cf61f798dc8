"""What is left of a network's accuracy under attack, and in which frequencies the attack lies, in some seconds."""

# %% A network, trained here; yours may be any `nn.Module` that takes [0, 1] pixels and has gradients
import passband as pb

config = pb.RunConfig("fashion-mnist", model="lenet", learning_rate=2e-3, batch_size=20, epochs=4)
network = pb.build_model("lenet", num_classes=10, in_channels=1, seed=0)
network = pb.train(network, pb.load_dataset("fashion-mnist", "train", limit=1000), config)
test = pb.load_dataset("fashion-mnist", "test", limit=100)

# %% Two attacks, each at two epsilons; the second may use low frequencies only
epsilons = (2 / 255, 8 / 255)
plans = [
    pb.AttackPlan(pb.PGD(steps=10), epsilons, sanity_samples=20),
    pb.AttackPlan(pb.PGD(steps=10, band=pb.Low(8)), epsilons, sanity_samples=20),
]
found = pb.measure_robustness(network, test, plans)
print(found.summary())
found  # a notebook shows the last line of a cell

# %% The outcome of each, as numbers with intervals; `.to_pandas()` where pandas is installed
for attacked in found.attacks:
    print(attacked.outcome)
    print(attacked.outcome.rows)

# %% Where the energy of the perturbations lies: the share up to radius 8 of what was changed
for attacked in found.attacks:
    within = attacked.outcome.radial[:, :9].sum(dim=1)
    for epsilon, share in zip(attacked.outcome.epsilons, within.tolist(), strict=True):
        print(f"{attacked.outcome.attack.label} at {epsilon:.3f}: {share:.1%} of the energy up to radius 8")

# %% As a page
found.save("attacks/lenet")
print(pb.write_attack_report(found, "attacks/lenet"))
