"""torchvision's architectures with random weights."""

import torch

_register = {name: getattr(torch.library, name) for name in ("register_fake", "register_autograd")}


def _ignoring_torchvision(name):
    """torchvision without its compiled part asks for operators that are not there."""

    def register(operator, *arguments, **options):
        if isinstance(operator, str) and operator.startswith("torchvision::"):
            return (lambda f: f) if not arguments else None
        return _register[name](operator, *arguments, **options)

    return register


for _name in _register:
    setattr(torch.library, _name, _ignoring_torchvision(_name))
import torchvision  # noqa: E402


def random_network(name):
    """An architecture with seeded random weights, frozen."""
    torch.manual_seed(0)
    return getattr(torchvision.models, name)(weights=None).eval().requires_grad_(False)
