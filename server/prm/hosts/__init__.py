"""What runs the models: `transformers` in this process, `vllm` on another server.

Each needs its own libraries, so nothing is imported here.
"""
