"""The paper's training experiments as data: which runs, which claims, which figure."""
