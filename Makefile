# make demo | make test | make check: each makes the environment first, once.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[demo,dev]'
	touch $@

.PHONY: install demo test check format types clean

install: $(VENV)/.installed

demo: install
	$(BIN)/pymafx-live --source demo --save out/demo.mp4 --stats out/demo-stats.json

test: install
	$(BIN)/python -m pytest

# mypy finds sub-packages by their folders' names, so it is shown the package as it is installed.
types: install
	mkdir -p .types/pymafx_live
	for d in bench configs engines export pipeline trackers; do ln -sfn ../../$$d .types/pymafx_live/$$d; done
	MYPYPATH=.types $(BIN)/mypy -p pymafx_live

check: install types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: install
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

clean:
	rm -rf build .types .mypy_cache .ruff_cache .pytest_cache out
