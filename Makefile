# `make` alone lists the commands. The first one that needs it makes .venv and installs what constraints.txt pins.

PYTHON ?= python3
PYTHONS = $(if $(filter file,$(origin PYTHON)),$(PYTHON) python3.13 python3.12 python3.11,$(PYTHON))
JAX_PACKAGES := keras jax jaxlib numpy pillow absl-py h5py ml_dtypes tensorboard tqdm pytest
TFA_VECTORS := build/tfa
NETWORKS ?= wdsr_tf/weights

.PHONY: help demo web web-serve test test-all test-jax test-tfa test-web lint clean

help:
	@echo 'make demo      upscale the pictures of demo/ into out/'
	@echo 'make test      run the tests (10 minutes at most on two cores)'
	@echo 'make test-all  run the slow ones as well'
	@echo 'make test-jax  run the tests with JAX, where TensorFlow is not installed'
	@echo 'make test-tfa  hold our weight normalization against that of tensorflow-addons (needs Python 3.11)'
	@echo 'make web       build the page that upscales in a browser, into web/dist (needs Node.js 20.19 or newer)'
	@echo 'make web-serve build and serve it; web/README.md says how it goes to a web server'
	@echo 'make test-web  test the page in Chromium (Debian: apt install chromium; else CHROMIUM=/path/to/it)'
	@echo 'make lint      check the style'
	@echo 'make clean     remove what was built and the caches; .venv*, out/ and output/ stay'

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

demo: .venv/installed
	.venv/bin/python demo.py -i demo -o out --overwrite

test: .venv/installed
	.venv/bin/python -m pytest

test-all: .venv/installed
	.venv/bin/python -m pytest -m 'slow or not slow'

test-jax: .venv-jax/installed
	@! .venv-jax/bin/python -c 'import tensorflow' 2>/dev/null || { echo '.venv-jax has TensorFlow: remove it'; exit 1; }
	KERAS_BACKEND=jax JAX_DISABLE_MOST_OPTIMIZATIONS=1 .venv-jax/bin/python -m pytest

test-tfa: .venv/installed .venv-tfa/installed
	.venv-tfa/bin/python -W ignore tests/models/tfa_oracle.py $(TFA_VECTORS)
	WDSR_TF_TFA=$(TFA_VECTORS) .venv/bin/python -m pytest -rs tests/models/test_tfa.py

web/node_modules/installed: web/package.json
	cd web && npm install
	@touch $@

web: .venv/installed web/node_modules/installed
	.venv/bin/python web/networks.py $(NETWORKS) web/public/networks
	cd web && npm run build

web-serve: web
	cd web && npm run serve

test-web: web
	cd web && NETWORKS=$(NETWORKS) npm test

lint: .venv/installed
	.venv/bin/python -m ruff check .
	.venv/bin/python -m ruff format --check .

clean:
	rm -rf build web/dist web/public/networks .pytest_cache .ruff_cache *.egg-info
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +
