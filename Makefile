# `make` alone lists the commands. The first one that needs it makes .venv and installs what constraints.txt pins.

PYTHON ?= python3
PYTHONS = $(if $(filter file,$(origin PYTHON)),$(PYTHON) python3.13 python3.12 python3.11,$(PYTHON))
JAX_PACKAGES := keras jax jaxlib numpy pillow absl-py h5py ml_dtypes tqdm pytest
DEMO := build/demo
TFA_VECTORS := build/tfa

.PHONY: help demo test test-all test-jax test-tfa lint clean

help:
	@echo 'make demo      upscale the pictures of demo/ into out/'
	@echo 'make test      run the tests (10 minutes at most on two cores)'
	@echo 'make test-all  run the slow ones as well'
	@echo 'make test-jax  run the tests with JAX, where TensorFlow is not installed'
	@echo 'make test-tfa  hold our weight normalization against that of tensorflow-addons (needs Python 3.11)'
	@echo 'make lint      check the style'
	@echo 'make clean     remove build/ and the caches; .venv*, out/ and output/ stay'

# $(call make_venv,FOLDER,LOWEST,HIGHEST): makes FOLDER with the first of PYTHONS that is 3.LOWEST to 3.HIGHEST.
define make_venv
@test -x $(1)/bin/python || { \
    for python in $(PYTHONS) none; do \
        $$python -c 'import sys, ensurepip; sys.exit(not (3, $(2)) <= sys.version_info[:2] <= (3, $(3)))' \
            2>/dev/null && break; \
    done; \
    test $$python != none || { \
        echo 'There is no Python 3.$(2) to 3.$(3) with its venv module (Debian and Ubuntu: python3-venv) among' \
            '$(PYTHONS). Name yours: make PYTHON=/path/to/python'; \
        exit 1; }; \
    echo "making $(1) with $$($$python --version)"; \
    $$python -m venv $(1); }
endef

.venv/installed: constraints.txt pyproject.toml
	$(call make_venv,.venv,11,13)
	.venv/bin/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@

.venv-jax/installed: constraints.txt Makefile
	$(call make_venv,.venv-jax,11,13)
	.venv-jax/bin/python -m pip install --quiet -c constraints.txt $(JAX_PACKAGES)
	@touch $@

.venv-tfa/installed: constraints-tfa.txt
	$(call make_venv,.venv-tfa,11,11)
	.venv-tfa/bin/python -m pip install --quiet -r constraints-tfa.txt
	@touch $@

# Until weights ship: a small network, trained on pictures that the project draws itself.
$(DEMO)/trained: | .venv/installed
	rm -rf $(DEMO)
	.venv/bin/python demo/draw.py --count 24 -o $(DEMO)/drawn
	.venv/bin/python convert.py -i $(DEMO)/drawn -o $(DEMO)/DRAWN_BIN pairs --scale 2 --name DRAWN --valid 4
	.venv/bin/python train.py --profile demo --dataset $(DEMO)/DRAWN_BIN --scale 2 -o $(DEMO)/output
	.venv/bin/python bench.py --dataset $(DEMO)/DRAWN_BIN -i $(DEMO)/output/models -o $(DEMO)/bench.json
	@touch $@

demo: .venv/installed $(DEMO)/trained
	.venv/bin/python demo.py -i demo -o out -m $(DEMO)/output/models --overwrite

test: .venv/installed
	.venv/bin/python -m pytest

test-all: .venv/installed
	.venv/bin/python -m pytest -m 'slow or not slow'

test-jax: .venv-jax/installed
	@! .venv-jax/bin/python -c 'import tensorflow' 2>/dev/null || { echo '.venv-jax has TensorFlow: remove it'; exit 1; }
	KERAS_BACKEND=jax JAX_DISABLE_MOST_OPTIMIZATIONS=1 .venv-jax/bin/python -m pytest

test-tfa: .venv/installed .venv-tfa/installed
	.venv-tfa/bin/python -W ignore tests/tfa/oracle.py $(TFA_VECTORS)
	WDSR_TF_TFA=$(TFA_VECTORS) .venv/bin/python -m pytest -rs tests/test_tfa.py

lint: .venv/installed
	.venv/bin/python -m ruff check .
	.venv/bin/python -m ruff format --check .

clean:
	rm -rf build .pytest_cache .ruff_cache *.egg-info
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +
