"""A simulated engine, whose steps only take time and compute nothing. Processes, queues and stores are real. This
package never imports torch.
"""
