"""The Triton kernels of a decode step on a GPU. They are imported only on a GPU, because a CPU worker lacks Triton.

Each of them has a form in torch with the same result, in `workers/ar/model/`.
"""
