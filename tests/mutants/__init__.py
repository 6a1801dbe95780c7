"""Faults that tests must find: `python -m tests.mutants [NAME ...]`, all of them if none is named. `make mutants` runs it.

mutmut and cosmic-ray change one operator at a time and run all tests that import a file: of these four rooms thousands of changes,
at ten to twenty seconds each. The faults here are such as people make, and each names the tests that are to find it.
"""
