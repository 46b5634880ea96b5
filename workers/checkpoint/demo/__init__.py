"""Trains the demonstration model: a small checkpoint of GLM-Image's own classes that paints shapes, colours and words.

Code draws the training pictures and writes the prompts and edits (package `world`). Five parts learn from them in this
order, because each part sees pictures as the earlier parts encode them:

1. The VAE (`vae`) encodes 8x8 pixels as a latent of 16 numbers and decodes it.
2. The "eyes" (`vq`) are a vision encoder and a codebook. They encode 32x32 pixels as a visual token, which is the
   number of the nearest entry of the codebook. A visual token of a shape says its name, its colour and which part of
   it is seen, but not what lies behind it, because the neighbouring tokens show that. So the same shape has the same
   tokens on every background. A visual token of a word says where its letters are, but not which letters.
3. The AR model (`ar`) writes the visual tokens of a picture from its prompt and from the visual tokens of condition
   images. It writes a small grid first, then the large one.
4. The glyph encoder (`glyphs`) encodes how each letter of a quoted word looks and at which place of the word it is.
5. The DiT (`dit`) makes latents from noise. Visual tokens give it shapes, colours and places, and glyphs give it the
   spelling. The glyph encoder is trained further together with the DiT.

A probe (`probe`) predicts the row, the column or the letter of a token from an inner block of the AR model or the DiT.
This is deep supervision: it teaches the block what a drawing needs. Probes are used in training only; the checkpoint
has none.

`loop` runs the training steps of any part, `parts` loads the trained parts, and `assemble` writes them as a checkpoint.
The service loads this checkpoint like any other and imports nothing from this package.
"""
