"""The studio in a real headless Chromium, against a whole service: `make test-studio`."""
