"""Reads the text in finished pictures, and decides whether a picture is kept or drawn again."""
