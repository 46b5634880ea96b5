"""An index of finished pictures, so that the same request of the same tenant can be answered with a copy."""
