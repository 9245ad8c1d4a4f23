"""Coverage-guided fuzz of everything that reads a mail that came in: `python tests/fuzz_mail.py CORPUS SEEDS…`.

A program of its own, since the fuzzer ends the process that it runs in.
Started by tests/formats/test_fuzz.py; options are libFuzzer's.
"""

import sys

import atheris

with atheris.instrument_imports(include=["postroom.mail"]):
    from postroom.mail.classify import classify

atheris.Setup(sys.argv, classify)
atheris.Fuzz()
