"""The optimiser: Muon for the matrices of the layers, AdamW for the embedding and the norms.

What:     Muon (Jordan et al. 2024) makes each momentum matrix nearly orthogonal before it is applied; scaled so
          that its root-mean-square is AdamW's (Liu et al. 2025, section 2.2), both share one learning rate.
Command:  none; `pretrain` imports it.
"""

import math

import torch
from torch import Tensor, nn

WEIGHT_DECAY, MOMENTUM = 0.05, 0.95
_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # the quintic of Jordan et al.
_ADAM_RMS = 0.2


class Muon:
    """Steps all parameters of a model. Matrices of one shape are stacked and orthogonalised together."""

    def __init__(self, model: nn.Module) -> None:
        stacks: dict[torch.Size, list[nn.Parameter]] = {}
        rest: list[nn.Parameter] = []
        for name, parameter in model.named_parameters():
            is_layer_matrix = parameter.dim() == 2 and "layers" in name
            (stacks.setdefault(parameter.shape, []) if is_layer_matrix else rest).append(parameter)
        self._stacks = list(stacks.values())
        self._momenta = [torch.zeros_like(torch.stack(list(stack))) for stack in self._stacks]
        self._adam = torch.optim.AdamW(rest, betas=(0.9, 0.98), weight_decay=0.0)

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Apply the gradients with this learning rate, then clear them."""
        for group in self._adam.param_groups:
            group["lr"] = rate
        self._adam.step()
        self._adam.zero_grad()
        for stack, momentum in zip(self._stacks, self._momenta, strict=True):
            gradient = torch.stack([_gradient(parameter) for parameter in stack])
            momentum.lerp_(gradient, 1 - MOMENTUM)
            update = orthogonalised(gradient.lerp(momentum, MOMENTUM))
            scale = rate * _ADAM_RMS * math.sqrt(max(update.shape[1:]))
            for parameter, change in zip(stack, update, strict=True):
                parameter.mul_(1 - rate * WEIGHT_DECAY).sub_(change, alpha=scale)
                parameter.grad = None


def orthogonalised(matrices: Tensor, rounds: int = 5) -> Tensor:
    """Bring the singular values of each matrix (count, rows, columns) near 1, by Newton-Schulz in bfloat16."""
    a, b, c = _NEWTON_SCHULZ
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = (x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)).bfloat16()
    for _ in range(rounds):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).float()


def _gradient(parameter: nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
