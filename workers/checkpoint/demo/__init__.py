"""The demonstration model: a small checkpoint of the real classes, trained on a world of shapes, colours and words."""
