# What one does with this report. `make help` lists it. Everything runs in .venv, which is set up when requirements change.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# named by the contents of what was installed, so a changed file, not a touched one, installs again
STAMP := $(VENV)/installed-$(shell cat requirements.txt code/pyproject.toml | cksum | cut -d' ' -f1)
TEX := latexmk texlive-xetex texlive-latex-recommended texlive-latex-extra texlive-fonts-recommended fonts-freefont-otf lmodern
BUILD := $(BIN)/jupyter-book build . -W -n --keep-going

.DEFAULT_GOAL := help
.PHONY: help setup html pdf test results mutants faults check check-site clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(STAMP) ## install what is needed into .venv (every other target does it too)

html: $(STAMP) ## build the site, strictly, into _build/html
	@echo "building the site into _build/html"
	@$(BUILD)

pdf: $(STAMP) ## build _build/latex/worked.pdf (needs xelatex and latexmk)
	@for tool in xelatex latexmk; do command -v $$tool >/dev/null || { \
	  echo "make pdf: $$tool is missing; install TeX (Debian: apt-get install $(TEX); macOS: MacTeX)" >&2; exit 1; }; done
	@echo "building the PDF into _build/latex"
	@$(BUILD) --builder latex
	@cd _build/latex && latexmk -xelatex -interaction=nonstopmode -halt-on-error worked.tex > latexmk.log 2>&1 \
	  || { tail -n 30 latexmk.log >&2; echo "make pdf: LaTeX failed; see _build/latex/worked.log" >&2; exit 1; }
	@! grep -E "undefined references|multiply defined|Missing character" _build/latex/worked.log >&2 \
	  || { echo "make pdf: the PDF lacks what is named above" >&2; exit 1; }
	@echo "built _build/latex/worked.pdf"

test: $(STAMP) ## run the tests
	@echo "running the tests"
	@cd code && OMP_NUM_THREADS=1 ../$(BIN)/python -m pytest -n 2 --dist loadfile

results: $(STAMP) ## run every missing record of the full profile on the device at hand
	@$(BIN)/worked run --profile full

mutants: $(STAMP) ## break every derivation in every way known, and see each mutant rejected (minutes)
	@cd code && ../$(BIN)/python tests/mutants.py

faults: $(STAMP) ## kill, starve and damage the command line from outside, and see what it keeps and says (minutes)
	@cd code && ../$(BIN)/python -m pytest tests/faults.py

check: $(STAMP) ## lint, types, and the direction of imports
	@echo "checking style, types and imports"
	@cd code && ../$(BIN)/ruff check . ../book/_ext
	@cd code && ../$(BIN)/mypy worked
	@cd code && MYPYPATH=../book/_ext:tests/site ../$(BIN)/mypy ../book/_ext/*.py tests/site/*.py
	@cd code && ../$(BIN)/lint-imports

check-site: $(STAMP) ## open every page of the built site in Chromium, and follow every link inside it
	@$(BIN)/python code/tests/site/link_check.py _build/html
	@$(BIN)/python code/tests/site/browser_check.py _build/html
	@cd code && ../$(BIN)/python -m pytest tests/site/test_checks.py

clean: ## remove everything built (keeps .venv and results)
	rm -rf _build

$(STAMP): requirements.txt code/pyproject.toml
	@echo "installing into $(VENV) (the first time takes minutes: torch is large)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import sys; (3, 11) <= sys.version_info[:2] <= (3, 12) or sys.exit("Python 3.11 or 3.12 is needed; name one: make PYTHON=python3.11 (after rm -r $(VENV))")'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@rm -f $(VENV)/installed-* && touch $@
