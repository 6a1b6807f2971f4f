# Each target makes .venv if it is missing. PYTHON and TORCH can be overridden:
#   make test PYTHON=python3.12 TORCH="torch --index-url https://..."
PYTHON ?= $(shell command -v python3.11 || command -v python3)
# Exactly this build, installed first: a plain "torch" may bring gigabytes of GPU libraries.
TORCH ?= torch==2.13.0
BIN := .venv/bin
CORPORA ?=

.PHONY: demo test check fuzz bench docs phone pages clean

demo: .venv/demo.done
	$(BIN)/affekt predict examples/*.wav
	$(BIN)/python examples/demo.py demo-output
	$(BIN)/affekt predict demo-output/conversation.wav

test: .venv/test.done
	$(BIN)/python -m pytest -n 2

check: .venv/test.done
	$(BIN)/ruff format --check src tests benchmarks examples phone
	$(BIN)/ruff check src tests benchmarks examples phone
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 --cov --cov-report=term:skip-covered

# The tests on the real corpora: make test-corpora CORPORA=/data/speech
test-corpora: .venv/test.done
	AFFEKT_CORPORA=$(CORPORA) $(BIN)/python -m pytest -m corpora --timeout 3600

# Thousands of damaged recordings, pictures, videos and model files; what fails is kept in tests/hostile.
fuzz: .venv/test.done
	$(BIN)/python -m tests.fuzz

bench: .venv/bench.done
	$(BIN)/python benchmarks/speed.py

# The documentation as a site, in site/; the notebook in it is executed.
docs: .venv/docs.done
	$(BIN)/sphinx-build -q -W -b html -d site/.doctrees docs site

# The page that works offline on a phone, in phone/dist; npm brings what runs the models.
phone: .venv/demo.done
	$(BIN)/python phone/build.py

# The pages and pictures of docs/ that the program writes itself.
pages: .venv/demo.done .venv/test.done
	$(BIN)/python benchmarks/voice/run.py write --model voice
	$(BIN)/python benchmarks/voice/run.py write --model voice-small
	$(BIN)/affekt info activity --format markdown > docs/model-cards/activity.md
	$(BIN)/python examples/demo.py demo-output
	cp demo-output/timeline.png docs/timeline.png

clean:
	rm -rf .venv demo-output site phone/dist

.venv/bin/python:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip

.venv/demo.done: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet -e ".[plot]"
	touch $@

.venv/test.done: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet $(TORCH)
	$(BIN)/python -m pip install --quiet -e ".[lab,encoder,live,face,serve,postgres,parquet,annotations,audformat,duckdb]" --group dev
	touch $@

.venv/docs.done: .venv/test.done
	$(BIN)/python -m pip install --quiet --group docs
	touch $@

.venv/bench.done: .venv/test.done
	$(BIN)/python -m pip install --quiet -e ".[bench]"
	touch $@
