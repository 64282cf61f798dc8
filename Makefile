# `make demo` and `make test` do everything on a machine that has Python 3.11 or newer.

PYTHON ?= python3
VENV ?= .venv
# The versions that this was tested with. `make test CONSTRAINTS=` takes the newest that pyproject.toml allows.
CONSTRAINTS ?= -c constraints.txt
BIN := $(VENV)/bin
# What the studies of `make gpu` are of, for how many hours at most, and how many of their runs share the GPU.
GPU_DATA ?= cifar10
GPU_HOURS ?= 12
GPU_WORKERS ?= 4

.PHONY: help demo test lint bench pictures gpu clean
.SUFFIXES:

help:
	@echo "make demo   train a small network, audit it, and write a report (installs into $(VENV) first)"
	@echo "make test   run all tests"
	@echo "make lint   check format, style, types and layers"
	@echo "make bench  run the benchmarks"
	@echo "make pictures  make the pictures of README and docs from real runs, in Chromium"
	@echo "make gpu    with a CUDA device: its tests, its benchmarks and the paper's studies (hours: GPU_HOURS=$(GPU_HOURS)), on one page"
	@echo "make clean  remove $(VENV) and what demo made"

$(BIN)/python:
	@echo "Making a virtual environment in $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit("passband needs Python 3.11 or newer, this is " + sys.version) if sys.version_info < (3, 11) else 0'
	@$(PYTHON) -m venv $(VENV) || { echo "On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }

$(VENV)/installed: $(BIN)/python pyproject.toml constraints.txt
	@echo "Installing passband with PyTorch (some gigabytes the first time)"
	@$(BIN)/python -m pip install $(CONSTRAINTS) --editable '.[all]'
	@touch $@

$(VENV)/developed: $(VENV)/installed
	@echo "Installing what tests and checks need"
	@$(BIN)/python -m pip install --quiet $(CONSTRAINTS) --editable '.[dev]'
	@touch $@

# One thread is fast enough for so small a network, and the only way to stay so where the machine is busy.
# Clothes lie on black, so that an HFC clipped to an image is what is bright of its edges: the network reads it, and people hardly.
demo: export OMP_NUM_THREADS = 1
demo: $(VENV)/installed
	@echo "1/2 Training a small network on the built-in part of Fashion-MNIST"
	@$(BIN)/passband train fashion-mnist --model resnet8 --batch-norm --epochs 6 --learning-rate 5e-3 --schedule cosine --out demo/model
	@echo "2/2 Auditing it: which frequencies does it use?"
	@$(BIN)/passband audit demo/model fashion-mnist --amplitude clip --out demo/audit --overwrite
	@echo "Open $(CURDIR)/demo/audit/report.html in a browser. To drag the radius yourself:"
	@echo "$(BIN)/passband explore demo/model fashion-mnist --amplitude clip"

test: $(VENV)/developed
	@echo "Running all tests, on two processes with one thread each"
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

lint: $(VENV)/developed
	@echo "Checking format, style, types and layers"
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/ty check --error-on-warning
	@$(BIN)/lint-imports

bench: $(VENV)/developed
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/all.py --out benchmarks/results/cpu.md

pictures: $(VENV)/developed
	@OMP_NUM_THREADS=1 $(BIN)/python scripts/make_pictures.py

gpu: $(VENV)/developed
	@$(BIN)/python benchmarks/gpu.py --data $(GPU_DATA) --hours $(GPU_HOURS) --workers $(GPU_WORKERS)

clean:
	rm -rf $(VENV) demo
