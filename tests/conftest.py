"""Every part of the project brings its own fixtures as a module; here they are only named."""

pytest_plugins = ["tests.fixtures.checkpoint", "tests.fixtures.reference", "tests.fixtures.servers"]
