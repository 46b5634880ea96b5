"""Code that the API and the workers share: ids, errors, geometry, jobs, messages and stores. It imports neither Flask
nor torch.
"""
