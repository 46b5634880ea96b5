"""The DiT: loading, conditioning, denoise steps. Tensors only, no policy."""
