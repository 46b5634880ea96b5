"""The demonstration model: a small checkpoint of the real classes, trained on a world of shapes, colours and words.

Pictures, prompts and edits are drawn by code (`world`, `drawing`, `prompts`, `edits`). Five parts learn from them, in
this order, since each sees pictures as the earlier ones encode them:

1. The VAE (`vae`): 8x8 pixels to a latent of 16 numbers, and back.
2. The eyes (`vq`): a vision encoder and a codebook. A visual token is the number of the codebook's nearest entry; it
   stands for 32x32 pixels.
3. The AR model (`ar`): from a prompt, and the visual tokens of condition pictures, to the visual tokens of the picture
   asked for. It draws a small grid first, then the large one.
4. The glyph encoder (`glyphs`): from the bytes of a quoted word to how each letter looks and where it stands.
5. The DiT (`dit`), with which the glyph encoder learns on: from noise to latents. Visual tokens tell it what is where,
   glyphs how a word is spelt.

While the AR model and the DiT are trained, probes (`probe`) ask inner blocks for what a drawing needs: the row and the
column of a token, and the letter that it shows. This is deep supervision; the checkpoint has no probe.

`loop` runs the steps of any part, `parts` reads what was trained, `assemble` makes the checkpoint of it. The service
loads that checkpoint as any other; it imports nothing from here, and needs neither matplotlib nor the code that draws.
"""
